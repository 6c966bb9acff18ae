"""The artifact, opened by the real MXNet 1.9.1 as users of the built-in algorithm open it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, load_npz

from tests.jobs import SHARED_DATA, Job, planted_corpus, small_job
from tests.models import random_counts, random_model
from tests.mxnet.conftest import InMXNet
from tests.serving.service import Service
from topicdock.artifact import load_model, save_model
from topicdock.artifact.ndarray_file import decode_arrays, encode_arrays
from topicdock.corpus import encode_csv
from topicdock.model import TopicModel

pytestmark = [pytest.mark.mxnet, pytest.mark.timeout(1800)]
NEWSGROUPS = SHARED_DATA / "20ng_etm"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TopicModel, csr_matrix, Path]:
    """Train on 20 Newsgroups where they are, on a planted corpus elsewhere; return the model, documents, and files."""
    job, documents = _newsgroups_job(tmp_path_factory) if NEWSGROUPS.is_dir() else _planted_job(tmp_path_factory)
    result = job.train(timeout=1200)
    assert result.returncode == 0, result.stdout
    unzipped = tmp_path_factory.mktemp("unzipped")
    with zipfile.ZipFile(job.model) as archive:
        assert sorted(archive.namelist()) == ["meta.json", "params", "symbol.json"]
        archive.extractall(unzipped)
    np.save(unzipped / "counts.npy", documents.toarray())
    return load_model(job.model.parent), documents, unzipped


def _newsgroups_job(factory: pytest.TempPathFactory) -> tuple[Job, csr_matrix]:
    train, validation = (load_npz(NEWSGROUPS / f"{name}.npz").astype(np.float32) for name in ("train", "validation"))
    job = small_job(factory.mktemp("ml"), num_topics="20", feature_dim=str(train.shape[1]), epochs="3")
    for path in (job.base / "input" / "data" / "train").iterdir():
        path.unlink()
    job.documents("train", csr_matrix(train), shards=8)
    job.documents("validation", csr_matrix(validation))
    job.text("auxiliary", "vocab.txt", (NEWSGROUPS / "vocab.txt").read_bytes())
    return job, csr_matrix(validation)


def _planted_job(factory: pytest.TempPathFactory) -> tuple[Job, csr_matrix]:
    return small_job(factory.mktemp("ml")), planted_corpus(50, seed=1)


def test_the_notebook_reads_the_topics_of_a_trained_model(
    trained: tuple[TopicModel, csr_matrix, Path], in_mxnet: InMXNet
) -> None:
    model, _, folder = trained
    in_mxnet("notebook", folder)
    described = json.loads((folder / "notebook.json").read_text())
    assert described["arg:projection_weight"] == [[model.feature_dim, model.num_topics], "float32"]
    read = np.load(folder / "notebook.npz")
    np.testing.assert_array_equal(read["projection_weight"], model.arrays["projection_weight"])
    np.testing.assert_allclose(read["words"].sum(axis=1), 1.0, atol=1e-4)
    np.testing.assert_array_equal(read["words"].argmax(axis=1), model.top_words(1)[:, 0])


def test_an_lda_model_is_read_edited_and_served_again(in_mxnet: InMXNet, tmp_path: Path) -> None:
    job = small_job(tmp_path / "ml")
    job.config("hyperparameters.json", {"algorithm": "lda", "num_topics": "4", "feature_dim": "40"})
    assert job.train().returncode == 0
    before, folder = load_model(job.model.parent), job.model.parent
    in_mxnet("edit_lda", folder)
    read = np.load(folder / "read.npz")
    np.testing.assert_array_equal(read["alpha"], before.arrays["alpha"])
    np.testing.assert_array_equal(read["beta"], before.beta)
    after = load_model(folder)
    assert after.num_topics == 3
    np.testing.assert_allclose(after.beta[0], before.beta[:2].mean(0), rtol=1e-5)
    with Service(job.base) as service:
        answer = service.ask("POST", "/invocations", encode_csv(planted_corpus(3)), {"Content-Type": "text/csv"})
    mixtures = [document["topic_mixture"] for document in json.loads(answer.body)["predictions"]]
    np.testing.assert_allclose(mixtures, after.transform(planted_corpus(3)), atol=1e-7)


@pytest.mark.parametrize("how", ["symbol", "module"])
def test_the_graph_of_a_trained_model_binds_and_computes_what_is_served(
    trained: tuple[TopicModel, csr_matrix, Path], in_mxnet: InMXNet, how: str
) -> None:
    model, documents, folder = trained
    in_mxnet(how, folder)
    np.testing.assert_allclose(np.load(folder / f"{how}.npz")["arr_0"], model.transform(documents), atol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("encoder_input", ["counts", "log1p"])
def test_the_graph_computes_what_is_served_whatever_the_activation_and_the_input(
    in_mxnet: InMXNet, tmp_path: Path, activation: str, encoder_input: str
) -> None:
    model = random_model(activation=activation, encoder_input=encoder_input)
    with zipfile.ZipFile(save_model(model, tmp_path)) as archive:
        archive.extractall(tmp_path)
    counts = random_counts()
    np.save(tmp_path / "counts.npy", counts.toarray())
    in_mxnet("symbol", tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "symbol.npz")["arr_0"], model.transform(counts), atol=1e-5)
    assert (tmp_path / "symbol.txt").read_text() == "topic_weights_output"


def test_what_mxnet_saves_is_read_and_our_bytes_are_its_bytes(in_mxnet: InMXNet, tmp_path: Path) -> None:
    in_mxnet("save", tmp_path)
    with np.load(tmp_path / "dense.npz") as stored:
        expected = dict(zip(json.loads((tmp_path / "names.json").read_text()), stored.values(), strict=True))
    named, listed = (decode_arrays((tmp_path / name).read_bytes()) for name in ("dict", "list"))
    assert isinstance(named, dict)
    assert isinstance(listed, list)
    assert list(named) == list(expected)
    for wanted, *found in zip(expected.values(), named.values(), listed, strict=True):
        for array in found:
            assert array.dtype == wanted.dtype
            np.testing.assert_array_equal(array, wanted)
    assert encode_arrays(expected) == (tmp_path / "dict").read_bytes()
    assert encode_arrays(list(expected.values())) == (tmp_path / "list").read_bytes()


def test_sparse_arrays_that_mxnet_saves_are_read(in_mxnet: InMXNet, tmp_path: Path) -> None:
    in_mxnet("save", tmp_path)
    found = decode_arrays((tmp_path / "sparse").read_bytes())
    assert isinstance(found, dict)
    assert sorted(found) == ["csr", "row_sparse"]
    for array in found.values():
        np.testing.assert_array_equal(array, np.load(tmp_path / "holes.npy"))


def test_a_list_of_ours_is_read_by_mxnet(in_mxnet: InMXNet, tmp_path: Path) -> None:
    """The layout of the built-in LDA's artifact: alpha, then beta, without names."""
    alpha, beta = np.full(3, 0.1, np.float32), np.arange(12, dtype=np.float32).reshape(3, 4)
    (tmp_path / "ours").write_bytes(encode_arrays([alpha, beta]))
    in_mxnet("load", tmp_path)
    with np.load(tmp_path / "loaded.npz") as loaded:
        np.testing.assert_array_equal(loaded["arr_0"], alpha)
        np.testing.assert_array_equal(loaded["arr_1"], beta)
