"""Texts to a bag of words over a given vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.text.rules import TextRules
from topicdock.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class WordPlaces:
    """Where each word stands in a vocabulary, for those who count texts again and again."""

    place_of: Mapping[str, int]
    vocabulary_size: int

    @classmethod
    def of(cls, vocabulary: Sequence[str]) -> Self:
        """Return the places; of a word that stands there twice the first."""
        return cls({word: place for place, word in reversed(list(enumerate(vocabulary)))}, len(vocabulary))


def count_texts(
    texts: Iterable[str], vocabulary: Sequence[str] | WordPlaces, rules: TextRules | Tokenizer
) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Count the words of texts.

    Parameters
    ----------
    texts : iterable of str
    vocabulary : sequence of str, or WordPlaces
        Word v at position v; of a word that stands there twice the first position counts.
    rules : TextRules or Tokenizer
        A :class:`Tokenizer` that is used again and again remembers the forms of words.

    Returns
    -------
    counts : csr_matrix, (D, V) float32
        Sorted, without duplicates or explicit zeros.
    unknown_words : (D,) int64
        How many words of each text are not in the vocabulary; what the rules leave out is no word.

    Raises
    ------
    CustomerError
        The rules name a lemmatizer that is not installed.
    """
    count = (rules if isinstance(rules, Tokenizer) else Tokenizer(rules)).count
    places_of_words = vocabulary if isinstance(vocabulary, WordPlaces) else WordPlaces.of(vocabulary)
    place_of = places_of_words.place_of.get
    places: list[int] = []
    numbers: list[int] = []
    borders, unknown_words = [0], []
    for text in texts:
        words = count(text)
        unknown = 0
        for word, number in words.items():
            place = place_of(word)
            if place is None:
                unknown += number
            else:
                places.append(place)
                numbers.append(number)
        borders.append(len(places))
        unknown_words.append(unknown)
    index_type = np.int32 if len(places) < 2**31 else np.int64
    counts = csr_matrix(
        (np.array(numbers, np.float32), np.array(places, index_type), np.array(borders, index_type)),
        shape=(len(unknown_words), places_of_words.vocabulary_size),
    )
    counts.sort_indices()
    return counts, np.array(unknown_words, np.int64)
