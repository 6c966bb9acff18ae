"""LDA on the news, as notebooks for the built-in run it: trained as a job, served in every format alike."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from scipy.sparse import csr_matrix, load_npz

from tests.jobs import RESOURCES, SHARED_DATA, Job
from tests.serving.service import Service
from topicdock.artifact import load_model
from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines

NEWS = SHARED_DATA / "nyt_8447"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NEWS.is_dir(), reason=f"the corpus {NEWS} is not on this machine"),
]


def _load(name: str) -> csr_matrix:
    return csr_matrix(load_npz(NEWS / f"{name}.npz"), dtype=np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str]:
    job = Job(tmp_path_factory.mktemp("ml"))
    documents = _load("train")
    size = documents.shape[1]
    given = {"num_topics": "20", "feature_dim": str(size), "mini_batch_size": str(documents.shape[0]), "alpha0": "1.0"}
    job.config("resourceconfig.json", RESOURCES)
    job.config("hyperparameters.json", given)
    job.documents("train", documents, shards=4)
    job.documents("test", _load("test"))
    shutil.copy(NEWS / "vocab.txt", job.channel("auxiliary") / "vocab.txt")
    result = job.train(timeout=600, TOPICDOCK_ALGORITHM="lda")
    assert result.returncode == 0, result.stdout
    return job, result.stdout


def test_topics_are_worth_reading_and_predict_the_test_documents(trained: tuple[Job, str]) -> None:
    training = load_model(trained[0].model.parent).metadata.training
    assert training["npmi"] > 0.2
    assert training["topic_uniqueness"] > 0.7
    # far from what the moments alone give (test documents completed: 1,726), and from the unigrams
    assert training["test_perplexity"] < 1600
    assert -7.5 < float(re.findall(r"test pwll <score>=(\S+)", trained[1])[0]) < -5.5


def test_every_format_is_answered_alike_and_as_the_model_computes(trained: tuple[Job, str]) -> None:
    job, _ = trained
    documents = _load("test")[:40]
    expected = load_model(job.model.parent).transform(documents)
    assert (expected == 0).any()
    bodies = {
        "text/csv": encode_csv(documents),
        "application/json": encode_json(documents),
        "application/json; dense": encode_json(documents, dense=True),
        "application/jsonlines": encode_jsonlines(documents),
        "application/x-recordio-protobuf": encode_counts(documents),
    }
    with Service(job.base) as service:
        for content_type, body in bodies.items():
            headers = {"Content-Type": content_type.split(";")[0], "Accept": "application/json"}
            answer = service.ask("POST", "/invocations", body, headers)
            assert answer.status == 200, answer.body
            theta = np.array([document["topic_mixture"] for document in json.loads(answer.body)["predictions"]])
            np.testing.assert_allclose(theta, expected, atol=1e-6)
        alone = service.ask("POST", "/invocations", encode_csv(documents[7]), {"Content-Type": "text/csv"})
        mixture = json.loads(alone.body)["predictions"][0]["topic_mixture"]
        np.testing.assert_array_equal(np.array(mixture, np.float32), expected[7])
