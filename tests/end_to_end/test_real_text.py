"""The main job on real text: sparse shards in, a model and its log out, served in every format alike."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, load_npz

from tests.jobs import RESOURCES, SHARED_DATA, Job
from tests.serving.service import Service
from topicdock.artifact import load_model
from topicdock.contract.logs import metric_definitions
from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines
from topicdock.spec.registry import ALGORITHMS

NEWSGROUPS = SHARED_DATA / "20ng_etm"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NEWSGROUPS.is_dir(), reason=f"the corpus {NEWSGROUPS} is not on this machine"),
]


def _load(name: str) -> csr_matrix:
    return csr_matrix(load_npz(NEWSGROUPS / f"{name}.npz"), dtype=np.float32)


@pytest.fixture(scope="module", params=[20, 50])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str, int]:
    job = Job(tmp_path_factory.mktemp("ml"))
    job.config("resourceconfig.json", RESOURCES)
    job.config("hyperparameters.json", {"num_topics": str(request.param), "feature_dim": "3072"})
    job.documents("train", _load("train"), shards=8)
    job.documents("validation", _load("validation"))
    shutil.copy(NEWSGROUPS / "vocab.txt", job.channel("auxiliary") / "vocab.txt")
    result = job.train(timeout=600)
    assert result.returncode == 0, result.stdout
    return job, result.stdout, request.param


def test_the_log_satisfies_every_metric_definition(trained: tuple[Job, str, int]) -> None:
    names = {metric.name for metric in ALGORITHMS["ntm"].metrics} - {"test:total_loss"}
    for definition in metric_definitions(names):
        values = [float(value) for value in re.findall(definition["Regex"], trained[1])]
        assert values, definition
        assert np.isfinite(values).all()


def test_the_topics_are_worth_reading(trained: tuple[Job, str, int]) -> None:
    training = load_model(trained[0].model.parent).metadata.training
    assert training["npmi"] > 0.25
    assert training["topic_uniqueness"] > 0.7


def test_every_format_is_answered_alike_and_as_the_model_computes(trained: tuple[Job, str, int]) -> None:
    job, _, num_topics = trained
    documents = _load("test")[:40]
    expected = load_model(job.model.parent).transform(documents)
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
            theta = np.array([document["topic_weights"] for document in json.loads(answer.body)["predictions"]])
            assert theta.shape == (40, num_topics)
            np.testing.assert_allclose(theta, expected, atol=1e-6)


def test_topics_are_named_in_words(trained: tuple[Job, str, int]) -> None:
    topics = json.loads((Path(trained[0].base) / "output" / "data" / "topics.json").read_text())["topics"]
    words = {word for topic in topics for word in topic["words"][:10]}
    assert {"jesus", "christians", "scsi", "encryption", "orbit"} & words
