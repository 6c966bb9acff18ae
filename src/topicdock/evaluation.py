"""How good are topics? Coherence, diversity and predictive power, computed from arrays alone.

``top_words`` is always an integer array of word ids, shape (K, n), best word first.

References
----------
Bouma, "Normalized (Pointwise) Mutual Information in Collocation Extraction", GSCL 2009.
Lau, Newman, Baldwin, "Machine Reading Tea Leaves", EACL 2014 (NPMI over pairs of top words).
Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018 (WETC).
Nan, Ding, Nallapati, Xiang, "Topic Modeling with Wasserstein Autoencoders", ACL 2019 (topic uniqueness).
Dieng, Ruiz, Blei, "Topic Modeling in Embedding Spaces", TACL 2020 (topic diversity).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus.documents import AnyDocuments, as_documents

WordIds = NDArray[np.intp]
Doubles = NDArray[np.float64]


def topic_uniqueness(top_words: WordIds) -> Doubles:
    """TU of each topic, shape (K,): the mean over its words of 1 / (number of topics that list the word).

    From 1/K (all topics list the same words) to 1 (no word is listed twice).
    """
    listed = np.bincount(top_words.ravel())
    uniqueness: Doubles = np.mean(1.0 / listed[top_words], axis=1)
    return uniqueness


def topic_diversity(top_words: WordIds) -> float:
    """TD: the share of different words among all that are listed; customarily for the top 25."""
    return float(len(np.unique(top_words)) / top_words.size)


def npmi(
    counts: AnyDocuments, top_words: WordIds, total: Callable[[Doubles], Doubles] = lambda array: array
) -> Doubles:
    """NPMI coherence of each topic, shape (K,), from -1 to 1.

    The mean over pairs of a topic's words of ``log(p_ij / (p_i p_j)) / -log p_ij``, where p are shares of the documents
    that hold a word or both words, however often. A pair that never occurs together counts -1, the limit; a pair
    present in every document counts 1.

    Parameters
    ----------
    counts : csr_matrix or Documents, shape (D, V)
        The reference corpus, customarily the training documents.
    total : callable
        Adds up an array over the hosts that share the corpus.
    """
    words, places = np.unique(top_words, return_inverse=True)
    places = places.reshape(top_words.shape)
    first, second = np.triu_indices(top_words.shape[1], k=1)
    if not len(first):
        return np.zeros(len(top_words))
    left, right = places[:, first], places[:, second]
    own = np.zeros(left.size + len(words) + 1)
    for block in as_documents(counts).blocks():
        present = block[:, words].astype(bool).astype(np.float64)
        together = (present.T @ present).tocsr()
        pairs_held = np.asarray(together[left.ravel(), right.ravel()]).ravel()
        own += np.concatenate([pairs_held, together.diagonal(), [float(block.shape[0])]])
    held = total(own)
    joint = held[: left.size].reshape(left.shape) / held[-1]
    alone = held[left.size : -1] / held[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = np.log(joint / (alone[left] * alone[right])) / -np.log(joint)
    pairs = np.where(joint <= 0, -1.0, np.where(joint >= 1, 1.0, pairs))
    coherence: Doubles = pairs.mean(axis=1)
    return coherence


def wetc(word_vectors: NDArray[Any], top_words: WordIds) -> Doubles:
    """Word-embedding topic coherence of each topic, shape (K,): the mean cosine of pairs of its words.

    Parameters
    ----------
    word_vectors : array, shape (V, E)
        Row v is the vector of word v; a row of zeros (an unknown word) has cosine 0 with every word.
    """
    vectors = word_vectors[top_words].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    first, second = np.triu_indices(top_words.shape[1], k=1)
    if not len(first):
        return np.zeros(len(top_words))
    coherence: Doubles = np.einsum("kpe,kpe->kp", unit[:, first], unit[:, second]).mean(axis=1)
    return coherence


def perplexity(
    word_log_probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    theta: NDArray[np.float32],
    held_out: csr_matrix,
    *,
    batch: int = 1024,
) -> float:
    """exp of the mean negative log probability of a token: e to the nats per token.

    For document completion, `theta` comes from one half of each document and `held_out` is the other half.

    Parameters
    ----------
    word_log_probabilities : callable
        From theta, shape (B, K), to natural logs of p(word), shape (B, V).
    theta : array, shape (D, K)
    held_out : csr_matrix, shape (D, V)
    batch : int
        Documents for which the (B, V) block is formed at a time.
    """
    total = log_likelihood(word_log_probabilities, theta, held_out, batch=batch)
    return float(np.exp(-total / held_out.sum(dtype=np.float64)))


def log_likelihood(
    word_log_probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    theta: NDArray[np.float32],
    held_out: csr_matrix,
    *,
    batch: int = 1024,
) -> float:
    """Return the natural log probability of all tokens together; parameters as :func:`perplexity`'s."""
    total = 0.0
    for start in range(0, held_out.shape[0], batch):
        words = held_out[start : start + batch].tocoo()
        log_probabilities = word_log_probabilities(theta[start : start + batch])
        total += float(np.sum(words.data * log_probabilities[words.row, words.col], dtype=np.float64))
    return total


def halve(counts: csr_matrix, seed: int | np.random.Generator = 0) -> tuple[csr_matrix, csr_matrix]:
    """Divide documents, shape (D, V), at random into two parts: each occurrence of a word goes to one or the other.

    Counts that are no whole numbers are divided as the next smaller whole number is, what remains going to the second.
    """
    first = counts.copy()
    whole = np.minimum(counts.data, 2.0**31).astype(np.int64)
    first.data = np.random.default_rng(seed).binomial(whole, 0.5).astype(np.float32)
    second = csr_matrix(counts - first)
    first.eliminate_zeros()
    second.eliminate_zeros()
    return first, second
