"""SDK 2.x's Estimator with ``image_uri`` changed, and nothing else: S3, training, endpoint, batch transform."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, save_npz

from tests.jobs import planted_corpus
from tests.sdk.conftest import Client
from topicdock.artifact import load_model
from topicdock.artifact.ndarray_file import decode_arrays
from topicdock.model import TopicModel

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(3600)]
COUNTS = planted_corpus(200)
FORMATS = ("csv", "json", "instances", "jsonlines", "record", "transform", "records")


MEMBERS = {"ntm": ["model_algo-1"], "lda": ["meta_algo-1.json", "model_algo-1"]}


def unpack(client: Client, algorithm: str) -> TopicModel:
    """Return the model of model.tar.gz as it came from S3."""
    folder = client.folder / "model"
    with tarfile.open(client.folder / "model.tar.gz") as archive:
        assert sorted(member.name for member in archive if member.isfile()) == MEMBERS[algorithm]
        archive.extractall(folder, filter="data")
    return load_model(folder)


def check_answers(answers: dict[str, Any], model: TopicModel, asked: csr_matrix) -> None:
    theta = model.transform(asked)
    for name in FORMATS:
        np.testing.assert_allclose(answers[name], theta, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("algorithm", "hosts"), [("ntm", 1), ("ntm", 2), ("lda", 2)])
def test_an_estimator_fits_deploys_predicts_and_transforms(
    sdk2: Client, image: str, algorithm: str, hosts: int
) -> None:
    save_npz(sdk2.folder / "counts.npz", COUNTS)
    printed = sdk2.run("estimator.py", image, algorithm, str(hosts))
    answers = sdk2.answers()
    assert "===== Job Complete =====" in printed
    assert sdk2.exit_codes("train") == [0] * hosts  # local mode calls a job complete when any of its hosts is
    assert answers["place"].endswith(f"/output/{answers['job']}/output/model.tar.gz")
    check_answers(answers, unpack(sdk2, algorithm), COUNTS[:5])
    content = (sdk2.folder / "model" / "model_algo-1").read_bytes()
    if algorithm == "lda":
        arrays = decode_arrays(content)
        assert isinstance(arrays, list)
        assert [array.shape for array in arrays] == [(4,), (4, 40)]
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert sorted(archive.namelist()) == ["meta.json", "params", "symbol.json"]
    assert sdk2.contacted == {"localhost", "127.0.0.1"}
