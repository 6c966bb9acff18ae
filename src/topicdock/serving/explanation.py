"""What an answer adds when it is asked to: each document's first topics, their words, and its own words in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.serving.served_model import ServedModel

TOPICS = 5
"""Topics of a document that are described."""

DOCUMENT_WORDS = 10
"""Words of a document that are shown with each of them."""

SIZE = 300
"""What an explanation takes of the space of an answer, in topic proportions."""


def explain(
    served: ServedModel, counts: csr_matrix, theta: NDArray[np.float32], unknown_words: NDArray[np.int64] | None
) -> Iterator[dict[str, Any]]:
    """Describe documents one by one.

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
    for document, weights in enumerate(theta):
        ids = counts.indices[counts.indptr[document] : counts.indptr[document + 1]]
        numbers = counts.data[counts.indptr[document] : counts.indptr[document + 1]]
        first = np.argsort(-weights, kind="stable")[:TOPICS]
        shares = _share_words(served, weights, ids) * numbers
        description: dict[str, Any] = {
            "topics": [
                {
                    "topic": int(topic),
                    "weight": weights[topic],
                    "words": served.topic_words[topic],
                    "document_words": _name_words(served, ids, shares[topic]),
                }
                for topic in first
            ]
        }
        if unknown_words is not None:
            description["unknown_words"] = int(unknown_words[document])
        yield description


def _share_words(served: ServedModel, weights: NDArray[np.float32], ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the probability of each topic given a word of the document, (K, N)."""
    joint = weights[:, np.newaxis] * served.model.beta[:, ids]
    total = joint.sum(axis=0)
    return np.asarray(joint / np.where(total > 0, total, 1), np.float32)


def _name_words(served: ServedModel, ids: NDArray[np.integer], shares: NDArray[np.float32]) -> list[str]:
    best = np.argsort(-shares, kind="stable")[:DOCUMENT_WORDS]
    # A word counts as the topic's where at least half of one occurrence is.
    return [served.model.word(int(ids[place])) for place in best if shares[place] >= 0.5]
