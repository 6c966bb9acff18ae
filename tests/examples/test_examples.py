"""Every example runs, on small data, and tells what it is there to tell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.jobs import ROOT, planted_corpus

pytestmark = pytest.mark.slow

THEMES = {
    "sci.space": "orbit shuttle launch moon nasa rocket",
    "rec.autos": "engine brake wheel dealer mileage clutch",
    "talk.religion": "church prayer gospel faith bishop psalm",
}


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"examples.{name}", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small copy of the newsgroups, latin-1, with headers, quotes and footers."""
    folder = tmp_path_factory.mktemp("20_newsgroups")
    generator = np.random.default_rng(0)
    for group, words in THEMES.items():
        (folder / group).mkdir()
        for number in range(80):
            body = " ".join(generator.choice(words.split(), 45))
            text = f"From: someone\nSubject: headerword\n\nHe wrote:\n> quoteword\n{body} caf\xe9\n\n--\nfooterword\n"
            (folder / group / str(number)).write_bytes(text.encode("latin-1"))
    return folder


def test_synthetic_bars_finds_the_known_topics(tmp_path: Path) -> None:
    output = run("synthetic_bars", "--output", tmp_path, "--documents", 2000, "--epochs", 30)
    cosines = [float(value) for value in re.findall(r"cosine (\S+)", output)]
    assert len(cosines) == 5
    assert min(cosines) > 0.9
    assert output.count("the first document is") == 3


def test_newsgroups_goes_from_posts_to_an_endpoint(posts: Path, tmp_path: Path) -> None:
    output = run("newsgroups", "--output", tmp_path, "--from", posts, "--num-topics", 3, "--epochs", 20)
    vocabulary = (tmp_path / "data" / "auxiliary" / "vocab.txt").read_text().split()
    assert {"orbit", "brake", "gospel"} <= set(vocabulary)
    assert not {"headerword", "quoteword", "footerword"} & set(vocabulary)
    assert len(re.findall(r"\d+ % topic \d: \w+", output)) == 3
    assert "20 Newsgroups" in (tmp_path / "report.html").read_text()


def test_etm_takes_vectors_that_were_fitted_before(posts: Path, tmp_path: Path) -> None:
    output = run("etm_with_vectors", "--texts", posts, "--output", tmp_path, "--num-topics", 3, "--epochs", 10)
    assert len(re.findall(r"^ +\d  \w+", output, re.MULTILINE)) == 3
    assert "<h1>ETM</h1>" in (tmp_path / "report.html").read_text()


def test_tuning_keeps_the_best_trial(tmp_path: Path) -> None:
    from examples.here import write_channels

    data = write_channels(
        tmp_path / "data", [f"word{number}" for number in range(40)], train=planted_corpus(200),
        validation=planted_corpus(60, seed=1),
    )  # fmt: skip
    output = run(
        "tuning", "--data", data, "--output", tmp_path / "out", "--num-topics", 4, "--epochs", 2, "--trials", 2
    )
    losses = [float(value) for value in re.findall(r"^trial \d: validation:total_loss (\S+)", output, re.MULTILINE)]
    assert len(losses) == 2
    assert f"Best: trial {int(np.argmin(losses))}," in output
    assert (tmp_path / "out" / "best" / "model" / "model_algo-1").is_file()
    request = json.loads(run("tuning", "--data", data, "--output", tmp_path / "out", "--request"))
    assert request["HyperParameterTuningJobObjective"]["MetricName"] == "validation:total_loss"


def test_many_models_answer_by_name(tmp_path: Path) -> None:
    output = run("many_models", "--output", tmp_path, "--models", 2, "--documents", 300, "--epochs", 2)
    assert "Loaded: ['corpus-0', 'corpus-1']" in output
    assert len(re.findall(r"^corpus-\d: \[", output, re.MULTILINE)) == 2
    assert "After one was unloaded: ['corpus-1']" in output


def test_news_lda_reads_the_notebooks_counts_and_answers_mixtures(tmp_path: Path) -> None:
    lines = [
        ",".join(f"{word + 1}:{int(times)}" for word, times in zip(row.indices, row.data, strict=True))
        for row in planted_corpus(400)
    ]
    (tmp_path / "counts.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "vocabulary.txt").write_text("".join(f"'word{number}'\n" for number in range(40)))
    output = run(
        "news_lda", "--counts", tmp_path / "counts.txt", "--vocabulary", tmp_path / "vocabulary.txt",
        "--output", tmp_path / "out", "--num-topics", 4,
    )  # fmt: skip
    assert "380 documents to learn from, 20 to ask about, 40 words" in output
    topics = [set(line.split()[1:]) for line in output.splitlines() if re.match(r" +\d  word", line)]
    blocks = [{f"word{10 * block + number}" for number in range(10)} for block in range(4)]
    assert sorted(max(len(topic & block) for topic in topics) for block in blocks)[0] >= 9
    assert len(re.findall(r"^document 38\d: \[", output, re.MULTILINE)) == 3
