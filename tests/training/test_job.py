"""container/train as a real process: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.jobs import Job, environment, planted_corpus, small_job
from topicdock.artifact import load_model
from topicdock.contract.logs import metric_definitions
from topicdock.spec.registry import ALGORITHMS

PREFIX = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d [A-Z]+ \d+\] "
WORDS = [f"word{i}" for i in range(40)]


@pytest.fixture(scope="module")
def full_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str]:
    """Return a job with every channel, and the log of its run."""
    job = small_job(tmp_path_factory.mktemp("ml"), epochs="4", num_patience_epochs="2", mini_batch_size="256")
    job.documents("validation", planted_corpus(100, seed=1))
    job.documents("test", planted_corpus(50, seed=2), "text/csv;label_size=0")
    job.text("auxiliary", "vocab.txt", "\n".join(WORDS) + "\n")
    job.text(
        "auxiliary", "vectors.txt", "".join(f"{word} {number % 10} 1.5\n" for number, word in enumerate(WORDS[1:]))
    )
    job.channel("sm_drivers")
    result = job.train()
    assert result.returncode == 0, result.stdout
    return job, result.stdout


def test_every_line_has_the_prefix_or_is_one_that_the_built_in_prints_without(full_job: tuple[Job, str]) -> None:
    lines = full_job[1].splitlines()
    assert lines[0] == "Docker entrypoint called with argument(s): train"
    for line in lines[1:]:
        assert re.match(PREFIX, line) or line.startswith("#metrics {") or line == "", line


def test_every_metric_definition_finds_its_lines(full_job: tuple[Job, str]) -> None:
    found = {}
    for definition in metric_definitions(metric.name for metric in ALGORITHMS["ntm"].metrics):
        found[definition["Name"]] = [float(value) for value in re.findall(definition["Regex"], full_job[1])]
    assert {name: len(values) for name, values in found.items()} == {
        "train:total_loss": 4, "validation:total_loss": 1, "test:total_loss": 1,
        "train:progress": 4, "train:throughput": 4,
    }  # fmt: skip
    assert found["train:progress"] == [25.0, 50.0, 75.0, 100.0]


def test_the_epochs_lines_come_in_the_built_ins_order(full_job: tuple[Job, str]) -> None:
    last = full_job[1].split("# Starting training for epoch 4")[1]
    expected = [
        r"# Finished training epoch 4 on 400 examples from 2 batches, each of size 256\.",
        r"Metrics for Training:",
        r"Loss \(name: value\) total: \S+",
        r"Loss \(name: value\) kld: \S+",
        r"Loss \(name: value\) recons: \S+",
        r"Loss \(name: value\) logppx: \S+",
        r"#quality_metric: host=algo-1, epoch=4, train total_loss <loss>=\S+",
        r"Finished scoring on 100 examples from 1 batches, each of size 256\.",
        r"Metrics for Inference:",
        r"Loss \(name: value\) total: \S+",
        r"Loss \(name: value\) kld: \S+",
        r"Loss \(name: value\) recons: \S+",
        r"Loss \(name: value\) logppx: \S+",
        r"#validation_score \(4\): \S+",
        r"patience losses:\[\S+, \S+\] min patience loss:\S+ current loss:\S+ absolute loss difference:\S+",
        r"Timing: train: \d+\.\d\ds, val: \d+\.\d\ds, epoch: \d+\.\d\ds",
        r"#progress_metric: host=algo-1, completed 100\.0 % of epochs",
        r"#throughput_metric: host=algo-1, train throughput=\S+ records/second",
        r"#quality_metric: host=algo-1, epoch=4, validation total_loss <loss>=\S+",
        r"Loss of server-side model: \S+",
        r"Best model based on early stopping at epoch \d+\. Best loss: \S+",
        r"Topics from epoch:final \(num_topics:4\) \[wetc [01]\.\d\d, tu [01]\.\d\d\]:",
        r"\[[01]\.\d\d, [01]\.\d\d\] (word\d+ ){19}word\d+",
        r"Serializing model to \S+/model/model_algo-1",
        r"#quality_metric: host=algo-1, test total_loss <loss>=\S+",
    ]
    lines = iter(last.splitlines())
    for pattern in expected:
        assert any(re.fullmatch(f"({PREFIX})?{pattern}", line) for line in lines), pattern


def test_the_parts_of_a_loss_add_up(full_job: tuple[Job, str]) -> None:
    total, kld, recons = (
        np.array([float(v) for v in re.findall(rf"Loss \(name: value\) {name}: (\S+)", full_job[1])])
        for name in ("total", "kld", "recons")
    )
    np.testing.assert_allclose(total, kld + recons, rtol=1e-12)


def test_metrics_lines_count_epochs_from_zero_and_records_so_far(full_job: tuple[Job, str]) -> None:
    metrics = [
        json.loads(line.removeprefix("#metrics ")) for line in full_job[1].splitlines() if line.startswith("#metrics")
    ]
    epochs = [m for m in metrics if m["Dimensions"].get("Meta") == "training_data_iter"]
    assert [m["Dimensions"]["epoch"] for m in epochs] == [0, 1, 2, 3]
    assert [m["Metrics"]["Total Records Seen"]["sum"] for m in epochs] == [400.0, 800.0, 1200.0, 1600.0]
    assert metrics[-1]["Dimensions"] == {"Algorithm": "AWS/NTM", "Host": "algo-1", "Operation": "training"}
    assert metrics[-1]["Metrics"]["totaltime"]["sum"] > 0


def test_the_saved_model_serves_the_vocabulary_and_knows_how_it_was_made(full_job: tuple[Job, str]) -> None:
    model = load_model(full_job[0].base / "model")
    assert model.metadata.vocabulary == tuple(WORDS)
    assert (model.num_topics, model.feature_dim) == (4, 40)
    assert model.metadata.hyperparameters["epochs"] == 4
    assert set(model.metadata.training) >= {"best_epoch", "npmi", "topic_uniqueness", "validation_total_loss"}


def test_the_topics_are_written_for_programs_to_read(full_job: tuple[Job, str]) -> None:
    assert "1 out of 40 in vocabulary do not have embeddings!" in full_job[1]
    topics = json.loads((full_job[0].base / "output" / "data" / "topics.json").read_text())
    assert [topic["topic"] for topic in topics["topics"]] == [0, 1, 2, 3]
    assert all(word in WORDS for topic in topics["topics"] for word in topic["words"])
    assert all(0 <= topic["wetc"] <= 1 for topic in topics["topics"])


def test_the_final_validation_loss_is_the_best_epochs(full_job: tuple[Job, str]) -> None:
    scores = [float(value) for value in re.findall(r"#validation_score \(\d+\): (\S+)", full_job[1])]
    final = float(re.findall(r"validation total_loss <loss>=(\S+)", full_job[1])[0])
    assert final == pytest.approx(min(scores), rel=1e-6)


def test_a_job_with_nothing_optional_trains(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    for name in ("resourceconfig.json", "inputdataconfig.json"):
        (tmp_path / "input" / "config" / name).unlink()
    result = job.train()
    assert result.returncode == 0, result.stdout
    assert "Vocab file is not provided" in result.stdout
    assert "Chosen for 400 documents: {'mini_batch_size': '50', 'num_patience_epochs': '2'" in result.stdout
    assert re.search(r"Topics from epoch:final \(num_topics:4\) \[, tu [01]\.\d\d\]:\n.*\] [\d ]+\n", result.stdout)
    assert "holds no file of word vectors" in result.stdout
    assert "Test data is not provided." in result.stdout
    assert job.model.exists()


def test_every_content_type_gives_the_same_model(tmp_path: Path) -> None:
    models = []
    for number, (media_type, suffix) in enumerate(
        [("application/x-recordio-protobuf", ".pbr"), ("text/csv", ".csv.gz"), ("application/jsonlines", ".jsonl")]
    ):
        job = small_job(tmp_path / str(number), epochs="1")
        for path in (job.base / "input" / "data" / "train").iterdir():
            path.unlink()
        job.documents("train", planted_corpus(), media_type, shards=2, suffix=suffix)
        result = job.train()
        assert result.returncode == 0, result.stdout
        models.append(job.model.read_bytes())
    assert models[0] == models[1] == models[2]


@pytest.mark.parametrize("recipe", ["topicdock", pytest.param("sagemaker", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path: Path, recipe: str) -> None:
    models = []
    for number, seed in enumerate(["5", "5", "6"]):
        job = small_job(tmp_path / str(number), epochs="2", recipe=recipe, seed=seed)
        assert job.train().returncode == 0
        models.append(load_model(job.model.parent).arrays["projection_weight"])
    np.testing.assert_array_equal(models[0], models[1])
    assert not np.array_equal(models[0], models[2])


def test_the_log_says_which_device_trains_and_why(full_job: tuple[Job, str]) -> None:
    on_gpu = re.search(PREFIX + r"Training on the GPU cuda:\d+, ", full_job[1])
    on_cpu = re.search(PREFIX + r"Training on the CPU: (this build of PyTorch|there is no GPU)", full_job[1])
    assert on_gpu or on_cpu
    assert f"Number of GPUs being used: {1 if on_gpu else 0}; number of threads:" in full_job[1]


def test_a_device_that_there_is_none_of_is_the_customers_mistake(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    result = job.train(TOPICDOCK_DEVICE="gpu")
    assert result.returncode == 1
    assert job.failure == (
        "ClientError: environment variable TOPICDOCK_DEVICE: there is no such device; got: 'gpu'; "
        "allowed: auto, cpu, cuda."
    )


def test_the_environment_chooses_the_algorithm_unless_the_job_does(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    refused = job.train(TOPICDOCK_ALGORITHM="bert")
    assert refused.returncode == 1
    assert "there is no such algorithm; got: 'bert'; allowed: ntm" in job.failure
    assert job.train(TOPICDOCK_ALGORITHM="NTM").returncode == 0


def test_a_new_run_forgets_the_failure_of_an_old_one(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "failure").write_text("old")
    assert job.train().returncode == 0
    assert job.failure == ""


def test_empty_held_out_channels_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    job.documents("validation", csr_matrix((3, 40), dtype=np.float32))
    job.channel("test")
    result = job.train(SAGEMAKER_CONTAINER_LOG_LEVEL="40")  # metric lines are printed at any level
    assert result.returncode == 0, result.stdout
    assert "The channel validation holds no words" in result.stdout
    assert "The channel test holds no words" in result.stdout
    assert "train total_loss <loss>=" in result.stdout
    assert "validation total_loss" not in result.stdout


def _start(job: Job) -> subprocess.Popen[str]:
    return subprocess.Popen(
        job.command(), env=environment(job.base), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_sigterm_while_training_saves_a_model_that_serves(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="100000", num_patience_epochs="1000000")
    with _start(job) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "# Starting training for epoch 3" in line:
                break
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        rest = process.stdout.read()
        assert process.wait(60) == 0, rest
    assert time.monotonic() - asked < 10
    assert "Asked to stop" in rest
    assert load_model(job.model.parent).transform(planted_corpus(3)).shape == (3, 4)


def test_sigterm_before_training_ends_without_a_model_and_says_so(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    fifo = job.base / "input" / "config" / "hyperparameters.json"
    fifo.unlink()
    os.mkfifo(fifo)  # reading the configuration waits for ever
    with _start(job) as process, fifo.open("w"):  # opens when the other side has
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Stopped before training had begun" in output
    assert not job.model.exists()


_SIGNAL_INSIDE_TORCH = """
import dataclasses, os, signal
plain = dataclasses.Field.__set_name__
def hooked(field, owner, name):
    if (owner.__name__, name) == ("TreeSpec", "num_nodes"):
        os.kill(os.getpid(), signal.SIGTERM)
    plain(field, owner, name)
dataclasses.Field.__set_name__ = hooked
"""
"""What Python 3.11 meets while it calls ``__set_name__`` becomes a RuntimeError."""


def test_sigterm_where_python_makes_another_error_of_it_is_a_stop_all_the_same(tmp_path: Path) -> None:
    job, hooks = small_job(tmp_path / "job"), tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_SIGNAL_INSIDE_TORCH)
    finished = subprocess.run(
        job.command(), cwd=job.base, env=environment(job.base, PYTHONPATH=str(hooks)), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert finished.returncode == 143, finished.stderr
    assert "Stopped before training had begun" in finished.stdout + finished.stderr
    assert not job.failure


def _no_config(job: Job) -> None:
    job.config("hyperparameters.json", "{")


def _missing_required(job: Job) -> None:
    job.config("hyperparameters.json", {"epochs": "0", "num_topic": "5"})


def _no_train_channel(job: Job) -> None:
    job.config("inputdataconfig.json", {"validation": {"ContentType": "image/png"}})


def _unknown_mode(job: Job) -> None:
    job.config("inputdataconfig.json", {"train": {"TrainingInputMode": "Stream"}})


def _empty_channel(job: Job) -> None:
    for path in (job.base / "input" / "data" / "train").iterdir():
        path.unlink()


def _only_empty_documents(job: Job) -> None:
    _empty_channel(job)
    job.documents("train", csr_matrix((3, 40), dtype=np.float32))


def _wrong_content_type(job: Job) -> None:
    _empty_channel(job)
    job.text("train", "rows.csv", "1,2,3\n")


def _csv_with_words(job: Job) -> None:
    _empty_channel(job)
    job.channel("train", {"ContentType": "text/csv"})
    job.text("train", "good.csv", ",".join(["1"] * 40) + "\n")
    job.text("train", "sub.csv", ",".join(["1"] * 40) + "\n" + ",".join(["1"] * 39 + ["x"]) + "\n")


def _wrong_dimension(job: Job) -> None:
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "39"})


def _negative_count(job: Job) -> None:
    _empty_channel(job)
    job.channel("train", {"ContentType": "text/csv"})
    job.text("train", "rows.csv", "-1" + ",0" * 39 + "\n")


def _enormous_count(job: Job) -> None:
    _empty_channel(job)
    job.channel("train", {"ContentType": "text/csv"})
    job.text("train", "rows.csv", "1" + ",0" * 39 + "\n" + "1e19" + ",0" * 39 + "\n")


def _torn_record(job: Job) -> None:
    path = job.base / "input" / "data" / "train" / "part-1"
    path.write_bytes(path.read_bytes()[:-30])


def _torn_gzip(job: Job) -> None:
    (job.base / "input" / "data" / "train" / "part-2.gz").write_bytes(b"\x1f\x8b\x08\x00")


def _vocabulary_missing(job: Job) -> None:
    job.text("auxiliary", "words.txt", "a\n")


def _vocabulary_not_text(job: Job) -> None:
    job.text("auxiliary", "vocab.txt", b"\xff\xfe\x00")


def _model_folder_is_a_file(job: Job) -> None:
    (job.base / "model").write_text("")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_no_config, ["ClientError", "hyperparameters.json", "not JSON"]),
        (_missing_required, ["(did you mean num_topics?)", "feature_dim is missing", "epochs must be", "'0'"]),
        (_no_train_channel, ["the channel train is missing", "validation has no folder", "image/png"]),
        (_unknown_mode, ["channel train", "Stream", "File, FastFile, Pipe"]),
        (_empty_channel, ["channel train"]),
        (_only_empty_documents, ["channel train", "3 documents without a single word"]),
        (_wrong_content_type, ["channel train", "rows.csv"]),
        (_csv_with_words, ["channel train", "sub.csv", "row 2", "'x'"]),
        (_wrong_dimension, ["channel train", "part-0", "record", "39"]),
        (_negative_count, ["channel train", "rows.csv", "row 1", "-1"]),
        (_enormous_count, ["channel train", "document 2", "1e+19", "16777216"]),
        (_torn_record, ["channel train", "part-1", "record 200"]),
        (_torn_gzip, ["channel train", "part-2.gz"]),
        (_vocabulary_missing, ["channel auxiliary", "vocab.txt is missing", "words.txt"]),
        (_vocabulary_not_text, ["channel auxiliary", "vocab.txt", "UTF-8"]),
        (_model_folder_is_a_file, ["PlatformError", "model_algo-1"]),
    ],
)  # fmt: skip
def test_every_mistake_ends_with_a_failure_text_to_act_on(tmp_path: Path, spoil: object, says: list[str]) -> None:
    job = small_job(tmp_path, epochs="1")
    assert callable(spoil)
    spoil(job)
    result = job.train()
    assert result.returncode == 1, result.stdout
    assert "Traceback" not in result.stdout
    assert job.failure.split(":")[0] in ("ClientError", "PlatformError")
    for part in says:
        assert part in job.failure
    assert result.stdout.rstrip().endswith(job.failure)
