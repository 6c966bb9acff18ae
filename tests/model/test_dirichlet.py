"""LDA as it is served: the most likely proportions, and arrays that someone may have edited."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from topicdock.errors import CustomerError
from topicdock.model import DirichletTopicModel, Metadata, mixture, word_topics


def model_of(beta: object, alpha: object = None) -> DirichletTopicModel:
    topics = np.asarray(beta, np.float32)
    concentrations = np.ones(len(topics), np.float32) if alpha is None else np.asarray(alpha, np.float32)
    return DirichletTopicModel({"alpha": concentrations, "beta": topics}, Metadata())


def random_case(seed: int, documents: int = 20) -> tuple[DirichletTopicModel, csr_matrix]:
    generator = np.random.default_rng(seed)
    num_topics, size = int(generator.integers(1, 40)), int(generator.integers(2, 60))
    beta = generator.dirichlet(np.full(size, generator.choice([0.02, 0.3, 3.0])), num_topics)
    beta[beta < 1e-4] = 0
    counts = generator.poisson(generator.choice([0.05, 0.5, 5.0]), (documents, size))
    return model_of(beta / beta.sum(1, keepdims=True)), csr_matrix(counts.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_no_topic_wants_more_weight_than_it_has(seed: int) -> None:
    model, counts = random_case(seed)
    beta = model.beta.astype(np.float64)
    for row, theta in zip(counts.toarray(), model.transform(counts).astype(np.float64), strict=True):
        assert theta.sum() == pytest.approx(1, abs=1e-5)
        known = (row > 0) & beta.any(0)
        if known.any():
            gains = beta[:, known] @ (row[known] / (theta @ beta[:, known])) / row[known].sum()
            assert gains.max() < 1 + 1e-4
            assert gains[theta > 1e-3] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_document_alone_gets_the_same_bits(seed: int) -> None:
    model, counts = random_case(seed)
    together = model.transform(counts)
    alone = np.concatenate([model.transform(counts[d]) for d in range(counts.shape[0])])
    assert together.tobytes() == alone.tobytes()


def test_words_of_one_topic_give_exactly_that_topic() -> None:
    model = model_of([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]])
    theta = model.transform(csr_matrix(np.array([[3, 1, 0, 0], [0, 0, 0, 2], [1, 1, 1, 1]], np.float32)))
    assert theta.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]


def test_a_document_without_a_known_word_gets_the_mean_of_the_prior() -> None:
    model = model_of([[1.0, 0, 0], [0, 1.0, 0]], alpha=[3.0, 1.0])
    theta = model.transform(csr_matrix(np.array([[0, 0, 0], [0, 0, 7]], np.float32)))
    assert theta.tolist() == [[0.75, 0.25]] * 2


def test_the_likelihood_of_a_word_is_its_formula() -> None:
    model = model_of([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]])
    counts = csr_matrix(np.array([[3, 1, 0, 0], [1, 1, 1, 1]], np.float32))
    expected = (4 * np.log(0.5) + np.log(0.25) * 2 + np.log(0.125) + np.log(0.375)) / 8
    assert model.log_likelihood_per_word(counts) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "message"),
    [
        ([1, 1, 1], [[1, 0], [0, 1]], "3 concentrations for 2 topics"),
        ([1, 1], [[1, -1], [0, 1]], "beta has negative numbers"),
        ([1, -1], [[1, 1], [0, 1]], "alpha has negative numbers"),
        ([0, 0], [[1, 1], [0, 1]], "alpha is zero"),
        ([1, 1], [[1, 1], [0, 0]], "row 1 of beta"),
        ([1, 1], [1, 1], "beta is not a matrix"),
    ],
)
def test_arrays_that_are_no_lda_model_are_refused(alpha: object, beta: object, message: str) -> None:
    with pytest.raises(CustomerError, match=message):
        model_of(beta, alpha)


def test_rows_that_do_not_sum_to_one_are_scaled() -> None:
    model = model_of([[2.0, 6.0], [0.1, 0.1]])
    np.testing.assert_allclose(model.beta, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_a_document_whose_topics_are_looked_up_gets_the_same_proportions(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts = random_case(seed)
    held = model.transform(counts)
    monkeypatch.setattr(mixture, "LONG", 1)
    monkeypatch.setattr(word_topics, "LONG", 80)
    monkeypatch.setattr(word_topics, "_PART", 16)
    np.testing.assert_allclose(model.transform(counts), held, atol=1e-6)


def test_a_long_document_takes_little_memory() -> None:
    generator = np.random.default_rng(3)
    model = model_of(generator.gamma(0.1, size=(100, 45_000)) + 1e-9)
    counts = csr_matrix(generator.integers(1, 9, (1, 45_000)).astype(np.float32))
    tracemalloc.start()
    try:
        theta = model.transform(counts)[0].astype(np.float64)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20  # its topics alone would be 36 MB
    finally:
        tracemalloc.stop()
    beta = model.beta.astype(np.float64)
    gains = beta @ (counts.toarray()[0] / (theta @ beta)) / counts.sum()
    assert gains.max() < 1 + 1e-4
    assert gains[theta > 1e-3] == pytest.approx(1, abs=1e-3)
