"""Moments against their definitions, written out word by word."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.algorithms.decomposition import Restart, decompose
from topicdock.algorithms.hosts import OneHost
from topicdock.algorithms.moments import whiten_moments

Doubles = NDArray[np.float64]


def _by_hand(counts: Doubles, alpha0: float) -> tuple[Doubles, Doubles]:
    """Return M2 and M3 as averages over all ordered pairs and triples of different tokens of a document."""
    size = counts.shape[1]
    first, second, third = np.zeros(size), np.zeros((size, size)), np.zeros((size, size, size))
    lengths = counts.sum(1)
    for row in counts:
        tokens = np.repeat(np.arange(size), row.astype(int))
        one_hot = np.eye(size)[tokens]
        first += one_hot.sum(0) / max(len(tokens), 1) / np.sum(lengths >= 1)
        if len(tokens) >= 2:
            pairs = list(permutations(range(len(tokens)), 2))
            for i, j in pairs:
                second[tokens[i], tokens[j]] += 1 / len(pairs) / np.sum(lengths >= 2)
        if len(tokens) >= 3:
            triples = list(permutations(range(len(tokens)), 3))
            for i, j, k in triples:
                third[tokens[i], tokens[j], tokens[k]] += 1 / len(triples) / np.sum(lengths >= 3)
    mixed = sum(np.einsum(order, second, first) for order in ("ij,k->ijk", "ik,j->ijk", "jk,i->ijk"))
    cubes = np.einsum("i,j,k->ijk", first, first, first)
    return (
        second - alpha0 / (alpha0 + 1) * np.outer(first, first),
        third - alpha0 / (alpha0 + 2) * mixed + 2 * alpha0**2 / ((alpha0 + 1) * (alpha0 + 2)) * cubes,
    )


@pytest.mark.parametrize("alpha0", [0.3, 1.0, 4.0])
def test_the_whitened_moments_are_those_of_their_definition(alpha0: float) -> None:
    generator = np.random.default_rng(3)
    topics = generator.dirichlet(np.full(5, 0.3), 3)
    counts = np.stack([generator.multinomial(8, topics[i % 3]) for i in range(60)]).astype(np.float64)
    second, third = _by_hand(counts, alpha0)
    moments = whiten_moments(csr_matrix(counts.astype(np.float32)), alpha0, 2, 2, OneHost(), generator)
    assert moments is not None
    whitening = moments.whitening
    np.testing.assert_allclose(whitening.T @ second @ whitening, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(moments.unwhitening.T @ whitening, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(
        moments.third, np.einsum("abc,ai,bj,ck->ijk", third, whitening, whitening, whitening), atol=1e-9
    )


def test_documents_too_short_for_a_moment_do_not_enter_it() -> None:
    generator = np.random.default_rng(4)
    counts = np.stack([generator.multinomial(9, p) for p in generator.dirichlet(np.full(6, 0.2), 80)])
    short = np.array([[0] * 6, [1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]])
    with_short = np.concatenate([counts, short]).astype(np.float64)
    second, third = _by_hand(with_short, 1.0)
    moments = whiten_moments(csr_matrix(with_short.astype(np.float32)), 1.0, 3, 3, OneHost(), generator)
    assert moments is not None
    whitening = moments.whitening
    np.testing.assert_allclose(whitening.T @ second @ whitening, np.eye(moments.rank), atol=1e-9)
    # the whitened pairs of M3 are taken from M2, which knows documents of two words, too
    expected = np.einsum("abc,ai,bj,ck->ijk", third, whitening, whitening, whitening)
    assert np.abs(moments.third - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("documents", [[[0, 0, 0]], [[1, 0, 0], [0, 1, 1]], [[2, 0, 0]]])
def test_documents_of_fewer_than_three_words_have_no_moments(documents: list[list[int]]) -> None:
    counts = csr_matrix(np.array(documents, np.float32))
    assert whiten_moments(counts, 1.0, 2, 3, OneHost(), np.random.default_rng(0)) is None


def _cubes(vectors: Doubles, weights: Doubles) -> Doubles:
    tensor: Doubles = np.einsum("r,ir,jr,kr->ijk", weights, vectors, vectors, vectors)
    return tensor


@pytest.mark.parametrize("svd_start", [True, False])
def test_a_tensor_of_orthogonal_cubes_is_taken_apart(svd_start: bool) -> None:
    generator = np.random.default_rng(5)
    vectors = np.linalg.qr(generator.standard_normal((6, 6)))[0]
    weights = np.linspace(1.0, 3.0, 6)
    restarts: list[Restart] = []
    found = decompose(
        _cubes(vectors, weights), max_restarts=4, max_iterations=300, tolerance=1e-12, svd_start=svd_start,
        generator=generator, report=restarts.append, should_stop=lambda: False,
    )  # fmt: skip
    assert found.error < 1e-5
    order = np.argsort(found.weights)
    np.testing.assert_allclose(found.weights[order], weights, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors[:, order] * vectors, axis=0)), 1, rtol=1e-6)
    assert [restart.start for restart in restarts] == (["svd", "svd"] if svd_start else ["random"] * 2) + ["random"] * 2
    assert found.error == min(restart.error for restart in restarts)


def test_the_limit_on_iterations_holds_and_a_stop_ends_the_restarts() -> None:
    tensor = _cubes(np.random.default_rng(6).standard_normal((5, 5)), np.ones(5))
    restarts: list[Restart] = []
    decompose(
        tensor, max_restarts=9, max_iterations=7, tolerance=1e-15, svd_start=True,
        generator=np.random.default_rng(0), report=restarts.append, should_stop=lambda: len(restarts) == 3,
    )  # fmt: skip
    assert [restart.iterations for restart in restarts] == [7, 7, 7]
    assert not any(restart.converged for restart in restarts)
