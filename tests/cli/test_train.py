"""From texts to a page about their topics in three commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.jobs import planted_corpus
from topicdock.artifact import load_model
from topicdock.cli import local_job, main
from topicdock.cli.local_job import Standing, parse_hyperparameters, read_standing
from topicdock.corpus import RECORDIO, parse_media_type, write_counts
from topicdock.errors import CustomerError

TOPICDOCK = [sys.executable, "-m", "topicdock"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*TOPICDOCK, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of texts with four planted topics."""
    folder = tmp_path_factory.mktemp("texts")
    counts = planted_corpus(300)
    for number, row in enumerate(counts):
        words = [f"word{word}" for word, times in zip(row.indices, row.data, strict=True) for _ in range(int(times))]
        (folder / f"{number:03}.txt").write_text(" ".join(words))
    return folder


def test_three_commands_lead_from_texts_to_a_page(texts: Path, tmp_path: Path) -> None:
    data, model, page = tmp_path / "data", tmp_path / "model", tmp_path / "report.html"
    assert run("prepare", texts, "-o", data).returncode == 0
    trained = run("train", "--data", data, "--output", model, "--num-topics", 4, "--epochs", 3, "--seed=7")
    assert trained.returncode == 0, trained.stderr
    assert "[" not in trained.stdout  # no log line of the job
    reported = run("report", model, "-o", page)
    assert reported.returncode == 0, reported.stderr
    assert str(texts) in page.read_text()  # documents by name
    found = load_model(model / "model").metadata
    assert (found.hyperparameters["epochs"], found.hyperparameters["seed"]) == (3, 7)
    assert found.text_rules is not None
    assert found.vocabulary is not None
    assert found.vocabulary[0] == "word0"
    assert "Final configuration" in (model / "output" / "training.log").read_text()
    assert (model / "output" / "data" / "report.html").is_file()


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Return a folder with a training channel alone."""
    (tmp_path / "data" / "train").mkdir(parents=True)
    write_counts(tmp_path / "data" / "train" / "a.pbr", planted_corpus(), parse_media_type(RECORDIO))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "data"], "--data and --output go together"),
        (["--data", "nowhere", "--output", "m"], "no folder train"),
        (["--data", "data", "--output", "m", "--num-topics", "4"], "give it with --feature-dim"),
        (["--data", "data", "--output", "m", "--algorithm", "gan"], "no such algorithm"),
        (["--data", "data", "--output", "m", "stray"], "no hyperparameter and its value"),
        (["--data", "data", "--output", "m", "--feature-dim", "40", "--epochs", "x"], "epochs must be an integer"),
    ],
)
def test_a_mistake_is_one_sentence(
    counts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert "Traceback" not in result.output


def test_data_that_are_there_already_are_not_replaced(counts: Path, tmp_path: Path) -> None:
    (tmp_path / "m" / "input" / "data" / "train").mkdir(parents=True)
    with pytest.raises(CustomerError, match="data already"):
        local_job.lay_out(counts, tmp_path / "m", {"num_topics": "4", "feature_dim": "40"}, "")


def test_a_folder_may_be_trained_in_again_with_other_data(counts: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "train").mkdir(parents=True)
    for data in (counts, tmp_path / "other"):
        layout = local_job.lay_out(data, tmp_path / "m", {"feature_dim": "40"}, "")
        assert layout.channel("train").resolve() == data / "train"
    assert json.loads(layout.hyperparameters.read_text()) == {"feature_dim": "40"}


def test_a_stopped_training_keeps_the_best_model_so_far(counts: Path, tmp_path: Path) -> None:
    command = [*TOPICDOCK, "train", "--data", str(counts), "--output", str(tmp_path / "m"), "--num-topics", "4"]
    command += ["--feature-dim", "40", "--epochs", "1000000", "--num-patience-epochs", "2000000"]
    log = tmp_path / "m" / "output" / "training.log"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ)) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and "Finished training epoch 2" in log.read_text()):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert load_model(tmp_path / "m" / "model").num_topics == 4


def test_progress_is_read_from_the_log() -> None:
    def lines() -> Iterator[str]:
        yield "#quality_metric: host=algo-1, epoch=1, train total_loss <loss>=7.0312\n"
        yield "#validation_score (1): 6.9\n"
        yield "[x] #progress_metric: host=algo-1, completed 50.0 % of epochs\n"

    assert list(read_standing(lines())) == [Standing(50.0, "epoch 1, loss 7.031, validation 6.900")]


def test_hyperparameters_are_spelled_as_options() -> None:
    given = ["--mini-batch-size", "64", "--encoder_layers=[60, 40]", "--clip-gradient", "-1"]
    assert parse_hyperparameters(given) == {
        "mini_batch_size": "64", "encoder_layers": "[60, 40]", "clip_gradient": "-1",
    }  # fmt: skip
    for wrong in (["64"], ["--epochs"], ["-e", "5"]):
        with pytest.raises(CustomerError):
            parse_hyperparameters(wrong)
