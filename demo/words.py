"""From text to word counts: tokens, a vocabulary, a bag of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from demo.stop_words import STOP_WORDS

_MARKUP = re.compile(
    r"""
      \b(?:https?|ftp)://\S+
    | \\[A-Za-z]+                            # TeX commands
    | :[a-z:]+:(?=`)                         # roles: :class:`...`
    """,
    re.VERBOSE,
)
_CODE = (">>>", "...", ".. ")
"""What lines of code examples and directives begin with."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[a-z]{3,}")
_IRREGULAR = {"matrices": "matrix", "vertices": "vertex", "indices": "index", "axes": "axis", "bases": "basis"}


def tokenize(text: str) -> list[str]:
    """Return the words of a docstring in lower case, without its code, markup and the words every docstring has.

    Names are taken apart: ``csr_matrix`` and ``HTTPError`` give ``csr matrix`` and ``http error``.
    """
    prose = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(_CODE))
    words = _WORD.findall(_CAMEL.sub(" ", _MARKUP.sub(" ", prose)).lower())
    return [word for word in words if _says_something(word)]


@cache
def _says_something(word: str) -> bool:
    return word not in STOP_WORDS and _singular(word) not in STOP_WORDS


@dataclass(frozen=True)
class Vocabulary:
    """The words that count.

    Attributes
    ----------
    words : tuple of str
        In alphabetical order; a word's position is its id.
    plurals : dict of str to str
        Plurals that are counted as their singular.
    """

    words: tuple[str, ...]
    plurals: dict[str, str]

    @classmethod
    def learn(cls, documents: Iterable[Sequence[str]], *, least: int, largest_share: float, size: int) -> Vocabulary:
        """Choose a vocabulary.

        Parameters
        ----------
        documents : iterable of token lists
        least : int
            A word must occur in this many documents.
        largest_share : float
            A word in more than this share of the documents tells nothing about any of them.
        size : int
            At most this many words are kept, those in the most documents.
        """
        documents = list(documents)
        seen = Counter(word for document in documents for word in set(document))
        plurals = {word: single for word in seen if (single := _singular(word)) and seen[single] >= least}
        occurs_in = Counter(
            word for document in documents for word in {plurals.get(token, token) for token in document}
        )
        largest = largest_share * len(documents)
        kept = [word for word, number in occurs_in.items() if least <= number <= largest]
        kept.sort(key=lambda word: (-occurs_in[word], word))
        return cls(tuple(sorted(kept[:size])), plurals)

    def count(self, documents: Sequence[Sequence[str]]) -> csr_matrix:
        """Count the words of documents: a CSR matrix of float32, shape (D, V)."""
        ids = {word: number for number, word in enumerate(self.words)}
        indptr, indices, values = [0], [], []
        for document in documents:
            counted = Counter(ids[word] for token in document if (word := self.plurals.get(token, token)) in ids)
            for word_id, number in sorted(counted.items()):
                indices.append(word_id)
                values.append(number)
            indptr.append(len(indices))
        return csr_matrix(
            (np.array(values, np.float32), np.array(indices, np.int32), np.array(indptr, np.int32)),
            shape=(len(documents), len(self.words)),
        )


def _singular(word: str) -> str:
    """Return what `word` would be without its plural ending, empty if it does not look like a plural."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return ""
