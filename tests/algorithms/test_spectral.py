"""Word embeddings of the corpus, and clusters of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.jobs import planted_corpus
from topicdock.algorithms import spectral
from topicdock.algorithms.spectral import cluster, embed_words

COUNTS = planted_corpus(500)


def information() -> Any:
    """Positive mutual information, written out."""
    held = (COUNTS.toarray() > 0).astype(np.float64)
    together, alone = held.T @ held, held.sum(0)
    with np.errstate(divide="ignore"):
        matrix = np.maximum(np.log(together * len(held) / np.outer(alone, alone)), 0)
    np.fill_diagonal(matrix, 0)
    return matrix


@pytest.mark.parametrize("block", [1 << 22, 160])
def test_embeddings_are_singular_vectors_of_the_mutual_information(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(spectral, "_BLOCK_NUMBERS", block)
    found = embed_words(COUNTS, 4, 0)
    left, strengths, _ = np.linalg.svd(information())
    expected = left[:, :4] * np.sqrt(strengths[:4])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.02)


def test_words_of_one_planted_topic_lie_closer_than_those_of_two() -> None:
    cosines = (found := embed_words(COUNTS, 10, 0)) @ found.T
    same = np.kron(np.eye(4), np.ones((10, 10))).astype(bool)
    assert cosines[same].mean() > cosines[~same].mean() + 0.5


def test_embeddings_of_more_numbers_than_words_are_filled_with_zeros() -> None:
    found = embed_words(COUNTS, 60, 0)
    assert found.shape == (40, 60)
    assert not found[:, 40:].any()


def test_words_without_company_have_no_direction() -> None:
    lonely = csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 3, 0]], np.float32))
    found = embed_words(lonely, 2, 0)
    assert found[:2].any(axis=1).all()
    assert not found[2:].any()


def test_many_documents_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "_MOST_DOCUMENTS", 300)
    cosines = (found := embed_words(COUNTS, 10, 0)) @ found.T
    assert np.isfinite(cosines).all()
    np.testing.assert_array_equal(found, embed_words(COUNTS, 10, 0))


def test_clusters_are_found_and_have_directions_of_length_one() -> None:
    centres = np.eye(3, 6, dtype=np.float32)
    points = np.repeat(centres, 20, axis=0) * 3 + np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32) * 0.1
    found = cluster(points, 3, np.ones(60, np.float32), 0)
    np.testing.assert_allclose(np.sort((found @ centres.T).max(1)), 1, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("points", [np.zeros((5, 4), np.float32), np.ones((5, 4), np.float32)])
def test_more_clusters_than_different_points_are_filled_with_other_directions(points: np.ndarray) -> None:
    found = cluster(points, 7, np.ones(5, np.float32), 0)
    assert found.shape == (7, 4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
