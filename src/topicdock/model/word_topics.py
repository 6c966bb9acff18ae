"""The topics of documents' words, (D, W, K), as the solver of :mod:`topicdock.model.mixture` asks for them.

Those of a document of 100,000 words and 300 topics are 240 MB, and the solver would hold several such arrays. So they
are held for short documents only; for a long one they are looked up anew, some words at a time, whenever they are
needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Places = NDArray[np.integer] | NDArray[np.bool_]

LONG = 1 << 22
"""Words times topics from which on a document's topics are not held: 32 MB."""

_PART = 1 << 17
"""Numbers that are looked up at a time: what fits a core's cache."""


class WordTopics(Protocol):
    """beta at the words of D documents of W words each, or of words that count for nothing."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """D, W and K."""

    def mix(self, theta: Doubles) -> Doubles:
        """Return theta beta at each word, (D, W), for `theta`, (D, K)."""

    def gather(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w beta_w, (D, K), for `weights`, (D, W)."""

    def curve(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w^2 beta_w beta_w^T, (D, K, K), for `weights`, (D, W)."""

    def best(self, documents: NDArray[np.intp], words: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the topics, (N,), in which so many words are most likely."""

    def of(self, documents: Places) -> WordTopics:
        """Return those of some of the documents."""

    def among(self, documents: Places, topics: NDArray[np.intp]) -> WordTopics:
        """Return those of some of the documents and of a few topics of each, (D, K)."""


class Held:
    """Topics that are held, for many documents.

    Parameters
    ----------
    array : (D, W, K) float64
    """

    def __init__(self, array: Doubles) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, int, int]:
        """D, W and K."""
        documents, words, topics = self._array.shape
        return documents, words, topics

    def mix(self, theta: Doubles) -> Doubles:
        """Return theta beta at each word, (D, W)."""
        return np.asarray(np.matmul(self._array, theta[:, :, None])[:, :, 0])

    def gather(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w beta_w, (D, K)."""
        return np.asarray(np.matmul(weights[:, None, :], self._array)[:, 0])

    def curve(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w^2 beta_w beta_w^T, (D, K, K)."""
        scaled = self._array * weights[:, :, None]
        return np.asarray(np.matmul(scaled.transpose(0, 2, 1), scaled))

    def best(self, documents: NDArray[np.intp], words: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the topics in which words are most likely."""
        return np.asarray(self._array[documents, words].argmax(axis=1))

    def of(self, documents: Places) -> Held:
        """Return those of some of the documents."""
        return Held(self._array[documents])

    def among(self, documents: Places, topics: NDArray[np.intp]) -> Held:
        """Return those of some of the documents and of a few topics of each."""
        return Held(np.take_along_axis(self._array[documents], topics[:, None, :], axis=2))


class LookedUp:
    """Topics that are looked up some words at a time, for one document.

    Parameters
    ----------
    by_word : array, (V, K)
    words : (W,) integers
        The document's words.
    topics : (K',) integers, or None
        Which topics; all by default.
    """

    def __init__(
        self, by_word: NDArray[np.floating], words: NDArray[np.integer], topics: NDArray[np.intp] | None = None
    ) -> None:
        self._by_word, self._words, self._topics = by_word, words, topics

    @property
    def shape(self) -> tuple[int, int, int]:
        """1, W and K."""
        return 1, len(self._words), self._by_word.shape[1] if self._topics is None else len(self._topics)

    def mix(self, theta: Doubles) -> Doubles:
        """Return theta beta at each word, (1, W)."""
        return np.concatenate([topics @ theta[0] for _, topics in self._parts()])[None]

    def gather(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w beta_w, (1, K)."""
        return np.asarray(sum(weights[0, part] @ topics for part, topics in self._parts()))[None]

    def curve(self, weights: Doubles) -> Doubles:
        """Return sum_w weights_w^2 beta_w beta_w^T, (1, K, K)."""
        total = np.zeros((self.shape[2], self.shape[2]))
        for part, topics in self._parts():
            topics *= weights[0, part, None]
            total += topics.T @ topics
        return total[None]

    def best(self, documents: NDArray[np.intp], words: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the topics in which words are most likely."""
        parts = LookedUp(self._by_word, self._words[words], self._topics)._parts()
        return np.concatenate([np.zeros(0, np.intp), *(topics.argmax(axis=1) for _, topics in parts)])

    def of(self, documents: Places) -> LookedUp:
        """Return those of the document, which is the only one."""
        return self

    def among(self, documents: Places, topics: NDArray[np.intp]) -> WordTopics:
        """Return those of a few topics; held, if they are few enough for that."""
        few = LookedUp(self._by_word, self._words, topics[0])
        if len(self._words) * topics.shape[1] >= LONG // 4:  # step by step, several such arrays are needed
            return few
        return Held(np.concatenate([part for _, part in few._parts()])[None])

    def _parts(self) -> Iterator[tuple[slice, Doubles]]:
        """Yield the topics of some words after the other, (W', K), to the caller's own use."""
        number = max(1, _PART // self.shape[2])
        for start, end in pairwise([*range(0, len(self._words), number), len(self._words)]):
            rows = self._by_word[self._words[start:end]]
            yield slice(start, end), (rows if self._topics is None else rows[:, self._topics]).astype(np.float64)
