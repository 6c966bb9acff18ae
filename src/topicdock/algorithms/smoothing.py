"""How common words are, by documents that hold only some of them.

A word that a hundred documents lack is not impossible: the frequencies of words are those of their occurrences with a
number added to each. Which number is right depends on the corpus, from less than one where rare words are many to ten
where documents are few. It is taken from the documents: half of them tell the frequencies, and the other half how good
these are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.corpus.documents import AnyDocuments, as_documents

_ADDED = (0.5, 1.0, 2.0, 4.0, 8.0)
_WORTH = 0.01
"""Nats a word by which more has to be better than less."""
_BLOCK = 4096


def word_frequencies(counts: AnyDocuments, hosts: Hosts = ALONE) -> NDArray[np.float32]:
    """Return the frequencies of words in all hosts' documents, smoothed, shape (V,); they sum to 1.

    Parameters
    ----------
    counts : csr_matrix or Documents, shape (D, V)
        This host's.
    """
    halves = np.zeros((2, counts.shape[1]))
    for block in as_documents(counts).blocks(_BLOCK):
        for half in range(2):
            halves[half] += block[half::2].sum(axis=0, dtype=np.float64).A1
    halves = hosts.sum(halves.ravel()).reshape(halves.shape)
    surprises = np.array([_surprise(halves, added) for added in _ADDED])
    enough = surprises <= surprises.min() + _WORTH * halves.sum()
    added = _ADDED[int(np.argmax(enough))]  # the least that is
    frequencies: NDArray[np.float32] = _normalise(halves.sum(axis=0) + added).astype(np.float32)
    return frequencies


def _surprise(halves: NDArray[np.float64], added: float) -> float:
    """Return what the words of each half cost, in nats, by the frequencies of the other."""
    return -sum(float(own @ np.log(_normalise(other + added))) for own, other in (halves, halves[::-1]))


def _normalise(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    normalised: NDArray[np.float64] = counts / counts.sum()
    return normalised
