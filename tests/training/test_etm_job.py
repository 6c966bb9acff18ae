"""An ETM training job as a real process, with a channel of embeddings; what it wrote is served over a socket."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.jobs import Job, planted_corpus, small_job
from tests.serving.service import Service
from topicdock.artifact import load_model
from topicdock.artifact.ndarray_file import decode_arrays
from topicdock.contract.logs import metric_definitions
from topicdock.corpus import encode_json
from topicdock.model import EmbeddedTopicModel
from topicdock.spec.registry import ALGORITHMS

WORDS = [f"word{number}" for number in range(40)]
VECTORS = np.random.default_rng(0).normal(size=(39, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str]:
    job = small_job(tmp_path_factory.mktemp("ml"), algorithm="etm", epochs="6", lr="0.02")
    job.documents("validation", planted_corpus(60, seed=1))
    job.documents("test", planted_corpus(60, seed=2))
    job.text("auxiliary", "vocab.txt", "\n".join(WORDS) + "\n")
    lines = (f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS[1:], VECTORS, strict=True))
    job.text("embeddings", "vectors.txt", "".join(lines))
    result = job.train()
    assert result.returncode == 0, result.stdout
    return job, result.stdout


def load(job: Job) -> EmbeddedTopicModel:
    model = load_model(job.base / "model")
    assert isinstance(model, EmbeddedTopicModel)
    return model


def test_every_metric_definition_finds_its_lines(trained: tuple[Job, str]) -> None:
    for definition in metric_definitions(metric.name for metric in ALGORITHMS["etm"].metrics):
        values = [float(value) for value in re.findall(definition["Regex"], trained[1])]
        assert values, definition
        assert np.isfinite(values).all()


def test_the_channels_vectors_are_the_models_and_missing_ones_are_counted(trained: tuple[Job, str]) -> None:
    model = load(trained[0])
    np.testing.assert_allclose(model.arrays["word_embeddings"][1:], VECTORS, rtol=1e-5)
    assert model.arrays["word_embeddings"][0].any()
    assert "39 words have given vectors of 6 numbers; 1 have none and are drawn" in trained[1]
    assert model.metadata.training["words_without_vectors"] == 1


def test_the_completion_of_test_documents_is_logged_and_kept(trained: tuple[Job, str]) -> None:
    logged = re.search(r"Document completion on the test data: perplexity (\S+) ", trained[1])
    assert logged is not None
    value = load(trained[0]).metadata.training["test_perplexity"]
    assert float(logged[1]) == pytest.approx(value, abs=0.01)
    assert 1 < value < 60


def test_topics_json_names_the_words_near_each_topic(trained: tuple[Job, str]) -> None:
    topics = json.loads((trained[0].base / "output" / "data" / "topics.json").read_text())["topics"]
    model = load(trained[0])
    expected = [model.word(word) for word, _ in model.words_near_topic(2, 20)]
    assert topics[2]["nearest_words"] == expected


def test_what_notebooks_read_is_log_beta(trained: tuple[Job, str], tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(trained[0].model) as archive:
        arrays = decode_arrays(archive.read("params"))
        assert json.loads(archive.read("symbol.json"))["heads"]
    assert isinstance(arrays, dict)
    weight = arrays["arg:projection_weight"]
    assert weight.shape == (40, 4)
    np.testing.assert_allclose(np.exp(weight).sum(0), 1, atol=1e-5)


def test_the_endpoint_answers_with_the_topic_proportions_of_the_trained_graph(trained: tuple[Job, str]) -> None:
    job, model = trained[0], load(trained[0])
    documents = planted_corpus(9, seed=3)
    # The graph written out in torch, from the weights of the artifact alone.
    arrays = {name: torch.from_numpy(np.array(array)) for name, array in model.arrays.items()}
    hidden = torch.relu(
        torch.log1p(torch.from_numpy(documents.toarray())) @ arrays["encoder_0_weight"].T + arrays["encoder_0_bias"]
    )
    expected = torch.softmax(hidden @ arrays["mean_weight"].T + arrays["mean_bias"], 1)
    with Service(job.base) as service:
        answer = service.ask(
            "POST", "/invocations", encode_json(documents),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )  # fmt: skip
    assert answer.status == 200, answer.body
    theta = np.array([document["topic_weights"] for document in json.loads(answer.body)["predictions"]])
    np.testing.assert_allclose(theta, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vectors.txt", "word1 1 2\nword2 1\n", "channel embeddings, vectors.txt, line 2: the line is not a word"),
        ("vectors.txt", "word1 1 nan\n", "channel embeddings, vectors.txt, line 1: the file holds no word vectors"),
        ("vectors.npy", b"no array", "channel embeddings, vectors.npy: the file of word vectors cannot be read"),
        ("vocab.txt", "word1\n", "channel embeddings: the channel holds no file of word vectors; got: vocab.txt alone"),
    ],
)
def test_vectors_that_cannot_be_used_end_the_job_with_a_text_to_act_on(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    job = small_job(tmp_path, algorithm="etm")
    job.text("auxiliary", "vocab.txt", "\n".join(WORDS))
    job.text("embeddings", name, content)
    assert job.train().returncode == 1
    assert job.failure.startswith(f"ClientError: {message}"), job.failure


def test_vectors_by_word_need_the_vocabulary(tmp_path: Path) -> None:
    job = small_job(tmp_path, algorithm="etm")
    job.text("embeddings", "vectors.txt", "word1 1 2\n")
    assert job.train().returncode == 1
    assert "vectors of words need the words of the corpus; got: no vocabulary; to do: put vocab.txt" in job.failure
