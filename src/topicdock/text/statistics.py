"""Which words of a corpus become its vocabulary: the rules of scikit-learn's CountVectorizer, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from topicdock.errors import CustomerError

MOST_WORDS = 4_000_000
"""Different words that are kept in mind, about a gigabyte; beyond that the rarest are forgotten."""

_logger = logging.getLogger(__name__)


class WordStatistics:
    """In how many documents each word occurs, and how often, over parts of a corpus that come one after the other.

    Parameters
    ----------
    most_words : int
        When more different words are known, the rarest are forgotten, as few as will do (lossy counting).

    Attributes
    ----------
    documents : int
    forgotten : int
        A forgotten word occurred in at most so many documents; what it counts afterwards is too little by at most that.
    """

    def __init__(self, most_words: int = MOST_WORDS) -> None:
        self._most_words = most_words
        self._occurs_in: dict[str, int] = {}
        self._occurs: dict[str, int] = {}
        self.documents = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._occurs_in)

    def add(
        self,
        documents: int,
        words: Sequence[str],
        occurs_in: Sequence[int] | NDArray[np.integer],
        occurs: Sequence[int] | NDArray[np.integer],
    ) -> None:
        """Add a part of the corpus.

        Parameters
        ----------
        documents : int
            How many documents the part has.
        words : sequence of str
            Its different words.
        occurs_in, occurs : sequence of int
            In how many of its documents each of them occurs, and how often altogether.
        """
        self.documents += documents
        in_documents, altogether = self._occurs_in, self._occurs
        known_in, known = in_documents.get, altogether.get
        for word, some, all_ in zip(words, np.asarray(occurs_in).tolist(), np.asarray(occurs).tolist(), strict=True):
            in_documents[word] = known_in(word, 0) + some
            altogether[word] = known(word, 0) + all_
        if len(in_documents) > self._most_words:
            self._forget_rarest()

    def _forget_rarest(self) -> None:
        level = self.forgotten
        while len(self._occurs_in) > self._most_words * 3 // 4:
            level += 1
            self._occurs_in = {word: number for word, number in self._occurs_in.items() if number > level}
        self._occurs = {word: self._occurs[word] for word in self._occurs_in}
        self.forgotten = level

    def occurrences(self, word: str) -> int:
        """Return how often `word` occurs."""
        return self._occurs.get(word, 0)

    def words(self) -> list[str]:
        """Return all words that are known."""
        return list(self._occurs)

    def choose(self, *, size: int | None, min_df: float, max_df: float) -> tuple[str, ...]:
        """Choose a vocabulary.

        Parameters
        ----------
        size : int, optional
            At most so many words are kept, those that occur most often; of equally frequent ones the alphabet's first.
        min_df, max_df : int or float
            A word must occur in at least, and at most, so many documents; a float is a share of them.

        Returns
        -------
        tuple of str
            In alphabetical order; a word's position is its id, as with CountVectorizer.

        Raises
        ------
        CustomerError
            No word is left, or `max_df` is less than `min_df`.
        """
        fewest, most = self._limit(min_df), self._limit(max_df)
        if most < fewest:
            raise CustomerError(
                "no word can occur in so few and so many documents at once",
                where=f"vocabulary of {self.documents} documents",
                got=f"at least {fewest:g} (min_df {min_df}) and at most {most:g} (max_df {max_df})",
                todo="lower min_df or raise max_df",
            )
        if self.forgotten and self.forgotten >= fewest:
            _logger.warning(
                "There are more than %d different words: those in %d documents or fewer were counted roughly.",
                self._most_words, self.forgotten,
            )  # fmt: skip
        kept = sorted(word for word, number in self._occurs_in.items() if fewest <= number <= most)
        if not kept:
            raise CustomerError(
                "no word is left for the vocabulary",
                where=f"{self.documents} documents with {len(self)} different words",
                got=f"none in at least {fewest:g} and at most {most:g} documents",
                todo="lower min_df, raise max_df, or check that the texts are in the language they should be in",
            )
        if size is not None and len(kept) > size:
            often = np.array([self._occurs[word] for word in kept])
            kept = [kept[place] for place in np.sort(np.argsort(-often, kind="stable")[:size])]
        return tuple(kept)

    def _limit(self, number: float) -> float:
        return number if isinstance(number, int) else number * self.documents
