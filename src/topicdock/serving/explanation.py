"""What an answer adds when it is asked to: each document's first topics, their words, and its own words in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.serving.served_model import ServedModel

TOPICS = 5
"""Topics of a document that are described."""

DOCUMENT_WORDS = 10
"""Words of a document that are shown with each of them."""

SIZE = 1_000
"""What an explanation takes of the space of an answer, in topic proportions."""

_BLOCK = 1 << 19
"""Probabilities of topics given words that are worked out at once: what fits a core's cache, about."""


def explain(
    served: ServedModel, counts: csr_matrix, theta: NDArray[np.float32], unknown_words: NDArray[np.int64] | None
) -> Iterator[dict[str, Any]]:
    """Describe documents, some of them worked on at once.

    A word of a document belongs to topic k with probability ``theta_k beta_kv / sum_j theta_j beta_jv``; times its
    count that is what it adds to the topic, and by that the document's words are sorted.

    Parameters
    ----------
    served : ServedModel
    counts : csr_matrix, (D, V)
    theta : (D, K) float32
    unknown_words : (D,) int64, or None if the documents were not text

    Yields
    ------
    dict
        ``topics``: the document's first topics, each with its ``topic`` (from 0), ``weight``, ``words``, and
        ``document_words``: those of the document that it accounts for. ``unknown_words``: how many were not known.
    """
    fragments = [orjson.Fragment(orjson.dumps(words)) for words in served.topic_words]
    names = _name_words(served)
    for start, end in pairwise(_cut(counts.indptr, max(1, _BLOCK // theta.shape[1]))):
        rows = theta[start:end]
        first = np.argsort(-rows, axis=1, kind="stable")[:, :TOPICS]
        weights = np.take_along_axis(rows, first, axis=1)
        own_words = _find_own_words(served, counts[start:end], rows, first, names)
        for document, (topics, shares) in enumerate(zip(first.tolist(), weights, strict=True)):
            description: dict[str, Any] = {
                "topics": [
                    {"topic": topic, "weight": weight, "words": fragments[topic], "document_words": next(own_words)}
                    for topic, weight in zip(topics, shares, strict=True)
                ]
            }
            if unknown_words is not None:
                description["unknown_words"] = int(unknown_words[start + document])
            yield description


def _cut(indptr: NDArray[np.integer], most: int) -> list[int]:
    """Return where blocks of documents begin that have at most so many words, or are one document; and their end."""
    bounds, last = [0], len(indptr) - 1
    while bounds[-1] < last:
        filled = int(np.searchsorted(indptr, int(indptr[bounds[-1]]) + most, "right")) - 1
        bounds.append(min(max(filled, bounds[-1] + 1), bounds[-1] + most, last))
    return bounds


def _name_words(served: ServedModel) -> NDArray[np.object_]:
    names = np.empty(served.model.feature_dim, object)
    names[:] = [served.model.word(word) for word in range(len(names))]
    return names


def _find_own_words(
    served: ServedModel,
    counts: csr_matrix,
    theta: NDArray[np.float32],
    first: NDArray[np.intp],
    names: NDArray[np.object_],
) -> Iterator[list[str]]:
    """Yield the words of the first document that are due to its first topic, those due to its second one, and so on.

    All documents are worked on at once, with N words in all.
    """
    lengths = np.diff(counts.indptr)
    documents = np.repeat(np.arange(len(theta)), lengths)  # (N,)
    joint = np.take(served.model.beta, counts.indices, axis=1)  # (K, N)
    joint *= np.repeat(np.ascontiguousarray(theta.T), lengths, axis=1)
    total = joint.sum(axis=0)
    chosen = joint[first.T[:, documents], np.arange(len(documents))]  # (T, N): of the documents' first topics
    shares = chosen / np.where(total > 0, total, np.float32(1)) * counts.data
    # A word counts as the topic's where at least half of one occurrence is.
    ranks, places = np.nonzero(shares >= 0.5)
    owners = documents[places] * first.shape[1] + ranks
    # By owner, then by share; the lower word id goes first among equal ones.
    order = np.lexsort((places, -shares[ranks, places], owners))
    numbers = np.bincount(owners, minlength=first.size)
    ends = np.cumsum(numbers)
    words = names[counts.indices[places[order]]].tolist()
    for end, number in zip(ends.tolist(), numbers.tolist(), strict=True):
        start = end - number
        yield words[start : start + min(number, DOCUMENT_WORDS)]
