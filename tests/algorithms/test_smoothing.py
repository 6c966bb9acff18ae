"""Words' frequencies: how much is added to their occurrences follows from the documents."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.algorithms.smoothing import word_frequencies

TRUE = np.random.default_rng(0).dirichlet(np.full(500, 2.0))


def drawn(documents: int, frequencies: np.ndarray = TRUE) -> csr_matrix:
    return csr_matrix(np.random.default_rng(1).multinomial(20, frequencies, documents).astype(np.float32))


def surprise(frequencies: np.ndarray) -> float:
    """What a word of other documents costs, in nats."""
    return float(-TRUE @ np.log(frequencies))


def added(counts: csr_matrix, added: float) -> np.ndarray:
    occurrences = counts.sum(0).A1 + added
    return np.asarray(occurrences / occurrences.sum())


def test_of_few_documents_other_documents_are_told_better_than_by_half_an_occurrence() -> None:
    counts = drawn(20)
    assert surprise(word_frequencies(counts)) < surprise(added(counts, 0.5)) - 0.05


def test_of_many_documents_they_are_the_frequencies_that_were_counted() -> None:
    counts = drawn(5000)
    np.testing.assert_allclose(word_frequencies(counts), added(counts, 0.5), atol=1e-4)


def test_where_most_words_never_occur_little_is_added() -> None:
    counts = drawn(400, np.r_[np.full(20, 1 / 20), np.zeros(480)])
    np.testing.assert_allclose(word_frequencies(counts), added(counts, 0.5), rtol=1e-6)


def test_one_document_is_enough() -> None:
    frequencies = word_frequencies(drawn(1))
    assert (frequencies > 0).all()
    np.testing.assert_allclose(frequencies.sum(), 1, rtol=1e-6)
