"""Word embeddings from the corpus itself, and topic embeddings to begin with: no network, no learning rate.

Two words that keep the same company lie close together: embeddings are the leading left singular vectors of the
positive pointwise mutual information of words in documents,

    M_vc = max(0, log(D n_vc / (n_v n_c)))        n: documents that hold word v, word c, both;  M_vv = 0

each multiplied by the square root of its singular value, each row then scaled to length 1. Topics begin as the centres
of clusters of words.

References
----------
Levy, Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NeurIPS 2014.
Halko, Martinsson, Tropp, "Finding Structure with Randomness", SIAM Review 2011 (algorithm 4.4).
Dhillon, Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering", Machine Learning 2001.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.samples import sample
from topicdock.corpus.documents import AnyDocuments, as_documents

Floats = NDArray[np.float32]

_MOST_CONTEXTS = 4096
"""The words that are company: the most frequent ones."""
_MOST_DOCUMENTS = 50_000
_BLOCK_NUMBERS = 1 << 22
"""Numbers in a block of M, 16 MB; M as a whole is never held."""
_SPARE = 10
_LEAST_DIRECTIONS, _DOCUMENTS_EACH = 10, 20
"""Directions that any corpus has, and the documents that one more takes: those of fewer are what these happen to be."""
_PASSES = 4
_CLUSTERING_ROUNDS = 30
_CLUSTERING_TRIES = 4


def embed_words(counts: AnyDocuments, size: int, seed: int, hosts: Hosts = ALONE) -> Floats:
    """Return word embeddings, shape (V, `size`), of length 1 or, for words without company, 0.

    Parameters
    ----------
    counts : csr_matrix or Documents, shape (D, V)
        This host's documents. Of more than 50,000 that all hosts have so many are drawn.
    size : int
        E. Columns beyond the rank of M are zeros, and, of fewer than 20 E documents, those beyond one for each 20.
    """
    generator = np.random.default_rng(seed)
    drawn = sample(as_documents(counts), _MOST_DOCUMENTS, generator, hosts)
    presence = csr_matrix((np.ones(drawn.nnz, np.float32), drawn.indices, drawn.indptr), drawn.shape)
    vocabulary_size = counts.shape[1]
    rank = min(size + _SPARE, vocabulary_size)
    basis: Floats = generator.standard_normal((vocabulary_size, rank)).astype(np.float32)
    for _ in range(_PASSES):
        product = np.zeros_like(basis)
        for _, block in _information(presence):
            product += block @ (block.T @ basis)
        basis = np.linalg.qr(product)[0]
    projected = np.concatenate([block.T @ basis for _, block in _information(presence)])
    _, strengths, directions = np.linalg.svd(projected, full_matrices=False)
    embeddings = np.zeros((vocabulary_size, size), np.float32)
    kept = min(size, len(strengths), max(_LEAST_DIRECTIONS, drawn.shape[0] // _DOCUMENTS_EACH))
    embeddings[:, :kept] = (basis @ directions[:kept].T) * np.sqrt(strengths[:kept])
    return _unit(embeddings)


def cluster(vectors: Floats, number: int, weights: Floats, seed: int) -> Floats:
    """Return the directions of `number` clusters of vectors (V, E), by cosine: shape (number, E), of length 1.

    Where there are fewer different vectors than clusters, the clusters left over have directions drawn at random.

    Parameters
    ----------
    vectors : array, shape (V, E)
    number : int
    weights : array, shape (V,)
        How much each vector counts for.
    seed : int
    """
    generator = np.random.default_rng(seed)
    directions = _unit(vectors)
    present = np.flatnonzero(directions.any(axis=1))
    drawn = _unit(generator.standard_normal((number, vectors.shape[1])).astype(np.float32))
    if not len(present):
        return drawn
    points, weights = directions[present], weights[present]
    tries = [_cluster_once(points, weights, drawn, generator) for _ in range(_CLUSTERING_TRIES)]
    return max(tries, key=lambda found: found[1])[0]


def _cluster_once(
    points: Floats, weights: Floats, drawn: Floats, generator: np.random.Generator
) -> tuple[Floats, float]:
    """Return the centres of clusters, and the weighted mean cosine of points with theirs."""
    centres = _spread(points, weights, drawn, generator)
    for _ in range(_CLUSTERING_ROUNDS):
        nearest = np.argmax(points @ centres.T, axis=1)
        members = csr_matrix((weights, nearest, np.arange(len(points) + 1)), (len(points), len(centres)))
        sums = members.T @ points
        filled = np.linalg.norm(sums, axis=1) > 0
        moved = np.where(filled[:, None], _unit(sums), centres)
        if np.allclose(moved, centres, atol=1e-4):
            break
        centres = moved
    return centres, float(np.average((points @ centres.T).max(axis=1), weights=weights))


def _spread(points: Floats, weights: Floats, drawn: Floats, generator: np.random.Generator) -> Floats:
    """Put each centre in turn on a point, the likelier the farther it lies from those before (greedy k-means++)."""
    centres = drawn.copy()
    distance = np.full(len(points), 2.0, np.float32)
    candidates = 2 + int(math.log(len(centres)))
    for number in range(len(centres)):
        chances = (distance * weights).astype(np.float64)
        if not chances.sum() > 1e-12:
            break
        chosen = generator.choice(len(points), candidates, p=chances / chances.sum())
        left = np.minimum(distance[:, None], np.maximum(1 - points @ points[chosen].T, 0))
        best = int(np.argmin(weights @ left))
        centres[number], distance = points[chosen[best]], left[:, best]
    return centres


def _information(presence: csr_matrix) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Yield M by blocks of its columns: which words they are, and their mutual information with all, shape (V, C')."""
    documents, vocabulary_size = presence.shape
    held_by = np.asarray(presence.sum(axis=0), np.float32).ravel()
    contexts = np.sort(np.argsort(-held_by, kind="stable")[:_MOST_CONTEXTS])
    by_word = presence.tocsc()
    transposed = presence.T.tocsr()
    width = max(1, _BLOCK_NUMBERS // vocabulary_size)
    for start in range(0, len(contexts), width):
        words = contexts[start : start + width]
        together = (transposed @ by_word[:, words]).toarray()
        information: Floats = np.outer(held_by, held_by[words])
        # In place: several blocks at a time would be more memory than anything else needs.
        np.maximum(information, 1.0, out=information)
        np.divide(information, documents, out=information)
        np.divide(together, information, out=information)
        with np.errstate(divide="ignore"):
            np.log(information, out=information)
        np.maximum(information, 0.0, out=information)
        information[words, np.arange(len(words))] = 0.0
        yield words, information


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-12)
    return unit
