"""The algorithms from Python: scikit-learn's manners, the same models as training jobs fit."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import topicdock
from tests.jobs import planted_corpus
from topicdock.algorithms.etm import fit
from topicdock.artifact import load_model
from topicdock.artifact.ndarray_file import encode_arrays
from topicdock.errors import CustomerError
from topicdock.estimators import TopicEstimator
from topicdock.spec.etm import ETMHyperparameters
from topicdock.spec.registry import ALGORITHMS

COUNTS = planted_corpus(300)
WORDS = [f"word{number}" for number in range(40)]
VECTORS = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
ESTIMATORS = [e for e in (topicdock.NTM, topicdock.LDA, topicdock.ETM) if e.algorithm in ALGORITHMS]


def small(estimator: type[TopicEstimator], **given: Any) -> TopicEstimator:
    epochs = {"epochs": 5} if "epochs" in ALGORITHMS[estimator.algorithm].hyperparameters.model_fields else {}
    return estimator(num_topics=4, **epochs, **given)


@pytest.fixture(scope="module")
def etm() -> topicdock.ETM:
    return topicdock.ETM(num_topics=4).fit(COUNTS, vocabulary=WORDS)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_fit_transform_topics_save_and_load(estimator: type[TopicEstimator], tmp_path: Path) -> None:
    model = small(estimator).fit(COUNTS, vocabulary=WORDS, validation=COUNTS[:50])
    theta = model.transform(COUNTS)
    assert theta.shape == (300, 4)
    np.testing.assert_allclose(theta.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(model.beta.sum(1), 1, atol=1e-5)
    assert [len(topic) for topic in model.topics(top=7)] == [7] * 4
    assert set(model.topics()[0]) <= set(WORDS)
    np.testing.assert_array_equal(model.dominant_topics(COUNTS), theta.argmax(1))
    assert 1 < model.perplexity(COUNTS) < 60
    assert model.score(COUNTS) > -np.log(60)
    model.save(tmp_path)
    loaded = estimator.load(tmp_path)
    np.testing.assert_allclose(loaded.transform(COUNTS), theta, atol=1e-6)
    assert loaded.topics() == model.topics()
    assert loaded.get_params()["num_topics"] == 4
    assert load_model(tmp_path).algorithm == estimator.algorithm


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_estimator_is_cloned_and_stands_in_a_pipeline(estimator: type[TopicEstimator]) -> None:
    model = clone(small(estimator, seed=3) if estimator is not topicdock.LDA else small(estimator))
    pipeline = make_pipeline(FunctionTransformer(csr_matrix), model)
    assert pipeline.fit_transform(COUNTS.toarray()).shape == (300, 4)
    assert model.set_params(num_topics=5).get_params()["num_topics"] == 5


def test_what_is_fitted_is_what_a_training_job_fits(etm: topicdock.ETM) -> None:
    hyperparameters = ETMHyperparameters.parse({"num_topics": "4", "feature_dim": "40"})
    expected = fit(COUNTS, hyperparameters).model
    np.testing.assert_array_equal(etm.beta, expected.beta)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix, csc_matrix, np.ndarray.tolist])
def test_documents_may_be_sparse_or_dense(etm: topicdock.ETM, form: Any) -> None:
    np.testing.assert_array_equal(etm.transform(form(COUNTS.toarray())), etm.transform(COUNTS))


def test_beta_is_a_table_of_words_by_topics(etm: topicdock.ETM, tmp_path: Path) -> None:
    etm.write_beta(tmp_path / "beta.csv")
    with (tmp_path / "beta.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["word", "topic_0", "topic_1", "topic_2", "topic_3"]
    assert [row[0] for row in rows[1:]] == WORDS
    np.testing.assert_allclose(np.array(rows[1:])[:, 1:].astype(float).T, etm.beta, rtol=1e-6)


def test_the_nearest_words_of_a_word_are_those_of_its_planted_topic(etm: topicdock.ETM) -> None:
    near = etm.nearest_words("word12", 5)
    assert all(10 <= int(word.removeprefix("word")) < 20 for word, _ in near)
    assert "word12" not in dict(near)
    assert [cosine for _, cosine in near] == sorted((cosine for _, cosine in near), reverse=True)
    assert etm.nearest_words(12, 5) == near


def test_the_words_near_a_topic_are_its_planted_ones(etm: topicdock.ETM) -> None:
    for topic in range(4):
        blocks = {int(word.removeprefix("word")) // 10 for word, _ in etm.words_near_topic(topic, 8)}
        assert len(blocks) == 1
    assert etm.word_embeddings.shape[0] == 40
    assert etm.topic_embeddings.shape[0] == 4


def test_a_word_that_the_model_lacks_is_named(etm: topicdock.ETM) -> None:
    with pytest.raises(CustomerError, match="no such word; got: 'nothing'"):
        etm.nearest_words("nothing")
    with pytest.raises(CustomerError, match="no such word; got: 40; allowed: a word id from 0 to 39"):
        etm.nearest_words(40)


def test_embeddings_come_as_a_mapping_an_array_or_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", VECTORS)
    mapping = dict(zip(WORDS, VECTORS.tolist(), strict=True))
    for embeddings in (VECTORS, mapping, tmp_path / "vectors.npy", str(tmp_path / "vectors.npy")):
        model = topicdock.ETM(num_topics=4, epochs=1).fit(COUNTS, vocabulary=WORDS, embeddings=embeddings)
        np.testing.assert_allclose(model.word_embeddings, VECTORS, rtol=1e-5)


def test_words_that_a_mapping_lacks_are_drawn() -> None:
    mapping = {word: vector for word, vector in zip(WORDS, VECTORS.tolist(), strict=True) if word != "word3"}
    model = topicdock.ETM(num_topics=4, epochs=1).fit(COUNTS, vocabulary=WORDS, embeddings=mapping)
    assert model.word_embeddings[3].any()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [1 << 25, 1e19, 3e38])
def test_counts_too_large_to_be_exact_are_refused_where_they_are_learned_from(
    estimator: type[TopicEstimator], count: float
) -> None:
    counts = COUNTS.toarray().astype(np.float64)
    counts[7, 3] = count
    with pytest.raises(CustomerError, match=r"counts, row 7: a word count is too large.*up to 16777216"):
        small(estimator).fit(counts)
    with pytest.raises(CustomerError, match="validation, row 7: a word count is too large"):
        small(estimator).fit(COUNTS, validation=counts)
    counts[7, 3] = 1 << 24
    assert np.isfinite(small(estimator).fit(counts).beta).all()


def test_they_are_refused_where_documents_are_divided_and_else_answered(etm: topicdock.ETM) -> None:
    counts = COUNTS.toarray().astype(np.float64)
    counts[7, 3] = 1e19
    with pytest.raises(CustomerError, match="counts, row 7: a word count is too large"):
        etm.perplexity(counts)
    assert np.isfinite(etm.transform(counts)).all()
    assert np.isfinite(etm.perplexity(counts, COUNTS))


@pytest.mark.parametrize(
    ("embeddings", "vocabulary", "message"),
    [
        (VECTORS[:39], WORDS, "do not fit the documents"),
        (VECTORS[0], WORDS, "do not fit the documents"),
        (np.full((40, 5), np.nan), WORDS, "not finite"),
        ({"word1": [1.0, 2.0]}, None, "need the vocabulary"),
        ({"other": [1.0, 2.0]}, WORDS, "do not fit the documents"),
        ({"word1": [1.0, 2.0], "word2": [1.0]}, WORDS, "of one length"),
        ([["a", "b"]] * 40, WORDS, "must be numbers"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(embeddings: Any, vocabulary: Any, message: str) -> None:
    with pytest.raises(CustomerError, match=message):
        topicdock.ETM(num_topics=4).fit(COUNTS, vocabulary=vocabulary, embeddings=embeddings)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (-COUNTS, "zero or more"),
        (np.full((2, 40), np.nan), "finite"),
        (csr_matrix((3, 40)), "not a single word"),
        ("text", "matrix of word counts"),
    ],
)
def test_documents_that_are_no_counts_are_refused(counts: Any, message: str) -> None:
    with pytest.raises(CustomerError, match=message):
        topicdock.ETM(num_topics=4).fit(counts)


def test_mistakes_are_customer_errors(etm: topicdock.ETM, tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match="not fitted"):
        topicdock.ETM().transform(COUNTS)
    with pytest.raises(CustomerError, match="num_topics must be an integer from 2 to 1000"):
        topicdock.NTM(num_topics=1).fit(COUNTS)
    with pytest.raises(CustomerError, match="feature_dim = 7 for 40 columns"):
        topicdock.ETM(feature_dim=7).fit(COUNTS)
    with pytest.raises(CustomerError, match="what is to be predicted: there is not a single word"):
        etm.perplexity(csr_matrix((3, 40)))
    with pytest.raises(CustomerError, match="ntm takes no embeddings"):
        topicdock.NTM().fit(COUNTS, embeddings=VECTORS)
    with pytest.raises(CustomerError, match="got: 39 words for 40 columns"):
        topicdock.ETM().fit(COUNTS, vocabulary=WORDS[1:])
    with pytest.raises(CustomerError, match="another vocabulary"):
        etm.transform(COUNTS[:, :39])
    etm.save(tmp_path)
    with pytest.raises(CustomerError, match="got: etm; allowed: ntm"):
        topicdock.NTM.load(tmp_path)


def test_importing_the_package_imports_neither_torch_nor_the_estimators() -> None:
    code = "import sys, topicdock; print('torch' in sys.modules, 'topicdock.estimators' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
    code = "import sys, topicdock; topicdock.ETM(num_topics=3); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]


def test_a_list_without_metadata_is_loaded_with_its_number_of_topics(tmp_path: Path) -> None:
    (tmp_path / "model_algo-1").write_bytes(encode_arrays([np.ones(3, np.float32), np.eye(3, 7, dtype=np.float32)]))
    model = topicdock.LDA.load(tmp_path)
    assert model.get_params()["num_topics"] == 3
    assert model.transform(np.eye(3, 7)).tolist() == np.eye(3).tolist()
