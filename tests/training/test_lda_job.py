"""container/train with algorithm=lda as a real process."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.jobs import RESOURCES, Job, planted_corpus
from topicdock.artifact import load_model
from topicdock.artifact.ndarray_file import decode_arrays, encode_arrays
from topicdock.contract.logs import metric_definitions
from topicdock.spec.registry import ALGORITHMS

PREFIX = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d [A-Z]+ \d+\] "
WORDS = [f"word{i}" for i in range(40)]


def lda_job(base: Path, **hyperparameters: str) -> Job:
    job = Job(base)
    job.config("resourceconfig.json", RESOURCES)
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "algorithm": "lda", **hyperparameters})
    job.documents("train", planted_corpus(), shards=2)
    return job


@pytest.fixture(scope="module")
def full_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str]:
    """Return a job as the built-in's users write it, with every channel, and the log of its run."""
    job = lda_job(
        tmp_path_factory.mktemp("ml"), mini_batch_size="400", alpha0="0.5", _tuning_objective_metric="test:pwll"
    )
    job.documents("test", planted_corpus(50, seed=2), "text/csv")
    job.text("auxiliary", "vocab.txt", "\n".join(WORDS) + "\n")
    result = job.train()
    assert result.returncode == 0, result.stdout
    return job, result.stdout


def test_the_log_has_the_built_ins_lines_in_its_order(full_job: tuple[Job, str]) -> None:
    expected = [
        r"Docker entrypoint called with argument\(s\): train",
        r"Reading default configuration: .*'max_restarts'.*",
        r"Final configuration: .*",
        r"Loaded all data into matrix with shape: \(400, 40\)",
        r"Running LDA for [45] topics \(4 requested\)",
        r'#metrics .*"Algorithm": "LDA".*GetMoments\.time.*',
        r"Restart 1/3",
        r"\[CPDecomp\] Using svd initialization\.",
        r"\[CPDecomp\] iter=\d+, error=\S+",
        r"Restart 3/3",
        r"\[CPDecomp\] Using random initialization\.",
        r"(Converged to local minimum|Not converged) in \d+ iterations.*",
        r"Best reconstruction error: \d\.\d{8}",
        r"#metrics .*CPDecomposition\.time.*",
        r"\[Refinement\] iter=1/30, log-likelihood per token=-\S+",
        r"#metrics .*Refinement\.time.*",
        r"#progress_metric: host=algo-1, completed 100 % of epochs",
        r"#metrics .*training_data_iter.*",
        r"#throughput_metric: host=algo-1, train throughput=\S+ records/second",
        r"Topics from epoch:final \(num_topics:4\) \[, tu [01]\.\d\d\]:",
        r"\[, [01]\.\d\d\] (word\d+ ){19}word\d+",
        r"Serializing model to \S+/model/model_algo-1",
        r"#quality_metric: host=algo-1, test pwll <score>=-\d\.\d+",
        r"#metrics .*totaltime.*",
    ]
    lines = iter(full_job[1].splitlines())
    for pattern in expected:
        assert any(re.fullmatch(f"({PREFIX})?{pattern}", line) for line in lines), pattern


def test_every_metric_definition_finds_its_lines(full_job: tuple[Job, str]) -> None:
    for definition in metric_definitions(metric.name for metric in ALGORITHMS["lda"].metrics):
        found = [float(value) for value in re.findall(definition["Regex"], full_job[1])]
        assert len(found) == 1, definition["Name"]
    assert float(re.findall(r"pwll <score>=(\S+)", full_job[1])[0]) > -np.log(40)


def test_the_artifact_is_a_list_of_alpha_and_beta(full_job: tuple[Job, str]) -> None:
    arrays = decode_arrays(full_job[0].model.read_bytes())
    assert isinstance(arrays, list)
    alpha, beta = arrays
    assert [array.dtype.name for array in (alpha, beta)] == ["float32", "float32"]
    assert (alpha.shape, beta.shape) == ((4,), (4, 40))
    assert alpha.sum() == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_allclose(beta.sum(1), 1, rtol=1e-5)


def test_the_model_knows_its_words_and_how_it_was_made(full_job: tuple[Job, str]) -> None:
    model = load_model(full_job[0].base / "model")
    assert model.algorithm == "lda"
    assert model.metadata.vocabulary == tuple(WORDS)
    assert model.metadata.hyperparameters["alpha0"] == 0.5
    assert set(model.metadata.training) >= {"documents", "npmi", "topic_uniqueness"}
    topics = json.loads((full_job[0].base / "output" / "data" / "topics.json").read_text())
    assert len(topics["topics"]) == 4


def test_an_edited_list_of_any_number_of_topics_is_loaded_with_its_words(
    full_job: tuple[Job, str], tmp_path: Path
) -> None:
    _, beta = decode_arrays(full_job[0].model.read_bytes())
    merged = np.concatenate([beta[:1] + beta[1:2], beta[2:]]).astype(np.float64)  # neither scaled nor float32
    (tmp_path / "model_algo-1").write_bytes(encode_arrays([np.ones(3), merged]))
    (tmp_path / "meta_algo-1.json").write_bytes((full_job[0].base / "model" / "meta_algo-1.json").read_bytes())
    model = load_model(tmp_path)
    assert model.num_topics == 3
    assert model.metadata.vocabulary == tuple(WORDS)
    assert model.metadata.training == {}, "what was measured was measured of other topics"
    theta = model.transform(planted_corpus(20))
    np.testing.assert_allclose(theta.sum(1), 1, rtol=1e-5)


def test_a_notebook_that_looks_for_files_called_model_finds_one(full_job: tuple[Job, str]) -> None:
    names = {path.name for path in (full_job[0].base / "model").iterdir()}
    assert names == {"model_algo-1", "meta_algo-1.json"}


def test_counts_that_are_not_whole_are_warned_of(tmp_path: Path) -> None:
    job = lda_job(tmp_path)
    job.documents("train", planted_corpus() * 0.7)
    result = job.train()
    assert result.returncode == 0, result.stdout
    assert "Some counts are not whole numbers. LDA counts words" in result.stdout


def test_metadata_that_does_not_fit_the_list_is_passed_over(full_job: tuple[Job, str], tmp_path: Path) -> None:
    (tmp_path / "model_algo-1").write_bytes(encode_arrays([np.ones(2), np.ones((2, 7))]))
    meta = (full_job[0].base / "model" / "meta_algo-1.json").read_bytes()
    broken_rules = json.dumps({**json.loads(meta), "text_rules": {"x": 1}}).encode()
    other_algorithm = json.dumps({**json.loads(meta), "algorithm": "ntm"}).encode()
    for content in (meta, b"not JSON", b"[]", broken_rules, other_algorithm):
        (tmp_path / "meta_algo-1.json").write_bytes(content)
        model = load_model(tmp_path)
        assert model.feature_dim == 7
        assert model.metadata.vocabulary is None


def test_the_environment_may_choose_the_algorithm_and_the_moments_may_stand_alone(tmp_path: Path) -> None:
    job = lda_job(tmp_path, recipe="sagemaker", mini_batch_size="100")
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "recipe": "sagemaker",
                                        "mini_batch_size": "100"})  # fmt: skip
    result = job.train(TOPICDOCK_ALGORITHM="lda")
    assert result.returncode == 0, result.stdout
    assert "Restart 10/10" in result.stdout
    assert "[Refinement]" not in result.stdout
    assert "mini_batch_size is 100, the number of documents 400; all documents are used." in result.stdout
    assert "Test data is not provided." in result.stdout


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"tol": "-1"}, "tol must be a number from 1e-300 to 1, got '-1'"),
        ({"max_restarts": "0"}, "max_restarts must be an integer from 1 to 10000, got '0'"),
        ({"max_epochs": "3"}, "max_epochs is not a hyperparameter"),
        ({"num_topics": "60", "refine": "false"}, "the moments of the documents do not give so many topics"),
    ],
)
def test_a_mistake_ends_with_its_text(tmp_path: Path, hyperparameters: dict[str, str], message: str) -> None:
    job = lda_job(tmp_path, **hyperparameters)
    result = job.train()
    assert result.returncode == 1
    assert message in job.failure
    assert "Traceback" not in job.failure
