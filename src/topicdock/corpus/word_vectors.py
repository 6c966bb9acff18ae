"""Word vectors in the text format of word2vec and GloVe: a word and its numbers on each line, blanks between.

word2vec begins with a line of two integers, how many words and how many numbers each; GloVe does not.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topicdock.errors import CustomerError


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a vocabulary.

    Attributes
    ----------
    vectors : array of float32, shape (V, E)
        Row v belongs to word v; zeros where the file has no vector for it.
    known : array of bool, shape (V,)
        Which words the file has.
    """

    vectors: NDArray[np.float32]
    known: NDArray[np.bool_]


def read_word_vectors(path: Path, vocabulary: Sequence[str]) -> WordVectors:
    """Read the vectors of the words of `vocabulary`; a file that ends with ``.gz`` is unpacked.

    Only the lines of those words are parsed, so a file of millions of words costs little more than reading it.

    Raises
    ------
    CustomerError
        A line of a word that is needed holds something else than finite numbers, or more or fewer of them than the
        first; or the file has no line of a word and its vector.
    """
    places = {word.encode(): place for place, word in reversed(list(enumerate(vocabulary)))}
    size = 0
    vectors = np.zeros((len(vocabulary), 0), np.float32)
    known = np.zeros(len(vocabulary), bool)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if number <= 2 and not size:
                    size = _vector_size(line, number)
                    vectors = np.zeros((len(vocabulary), size), np.float32)
                place = places.get(line.split(None, 1)[0]) if line.strip() else None
                if size and place is not None and not known[place]:
                    vectors[place], known[place] = _parse(line, size, f"{path.name}, line {number}"), True
    except (EOFError, gzip.BadGzipFile) as error:
        raise CustomerError("the file cannot be unpacked", where=path.name, got=str(error)) from error
    if not size:
        raise CustomerError(
            "the file holds no word vectors",
            where=path.name,
            allowed="text, a word and its numbers on each line, separated by blanks",
        )
    return WordVectors(vectors, known)


def _vector_size(line: bytes, number: int) -> int:
    """Return how many numbers follow the word; 0 for word2vec's first line and for what is no such line."""
    fields = len(line.split())
    return 0 if number == 1 and fields == 2 and line.split()[1].isdigit() else max(fields - 1, 0)


def _parse(line: bytes, size: int, where: str) -> NDArray[np.float32]:
    fields = line.split()[1:]
    try:
        vector = np.array(fields, np.float32)
    except ValueError:
        vector = np.array([np.nan], np.float32)
    if len(vector) != size or not np.isfinite(vector).all():
        raise CustomerError(
            "the line is not a word and its vector",
            where=where,
            got=line[:60].decode("utf-8", "replace").strip(),
            allowed=f"a word and {size} finite numbers, separated by blanks",
        )
    return vector
