"""Topic proportions of documents under given topics, by a few EM steps on the non-zeros: where fitting begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_BLOCK = 1 << 19
"""Numbers in a temporary block."""


def fold_in(counts: csr_matrix, beta: Doubles, alpha: float, iterations: int) -> Floats:
    """Return topic proportions, shape (D, K), by EM from uniform ones with `alpha` pseudo-counts a topic."""
    num_topics = beta.shape[0]
    by_word = np.ascontiguousarray(beta.T, np.float32)
    theta = np.full((counts.shape[0], num_topics), 1 / num_topics, np.float32)
    for _ in range(iterations):
        ratios = counts.data / word_probabilities(counts, theta, by_word)
        gains = csr_matrix((ratios, counts.indices, counts.indptr), counts.shape) @ by_word
        theta = theta * gains + np.float32(alpha)
        theta /= theta.sum(axis=1, keepdims=True)
    return theta


def word_probabilities(counts: csr_matrix, theta: Floats, by_word: Floats) -> Floats:
    """Return p(word | document) = theta_d . beta_w at the non-zeros of `counts`."""
    found = np.empty(counts.nnz, np.float32)
    documents = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    step = max(1, _BLOCK // by_word.shape[1])
    for start in range(0, counts.nnz, step):
        part = slice(start, start + step)
        np.einsum("nk,nk->n", theta[documents[part]], by_word[counts.indices[part]], out=found[part])
    return np.maximum(found, np.finfo(np.float32).tiny)
