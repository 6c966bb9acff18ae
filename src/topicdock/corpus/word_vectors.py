"""Word vectors in the text format of word2vec and GloVe: a word and its numbers on each line, blanks between.

word2vec begins with a line of two integers, how many words and how many numbers each; GloVe does not.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topicdock.errors import CustomerError

SMALLEST = 2
"""Numbers of the shortest vector: a word and one number is a table of counts."""


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

    Only the lines of those words are parsed, and the first one, so a file of millions of words costs little more than
    reading it.

    Raises
    ------
    CustomerError
        The first line, word2vec's apart, is not a word and at least two finite numbers; a line of a word that is
        needed holds something else, or more or fewer numbers than the first; the file has none of the words.
    """
    places = {word.encode(): place for place, word in reversed(list(enumerate(vocabulary)))}
    size = 0
    vectors = np.zeros((len(vocabulary), 0), np.float32)
    known = np.zeros(len(vocabulary), bool)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip() or (number == 1 and is_word2vec_header(line)):
                    continue
                if not size:
                    size = _vector_size(line, f"{path.name}, line {number}")
                    vectors = np.zeros((len(vocabulary), size), np.float32)
                place = places.get(line.split(None, 1)[0])
                if place is not None and not known[place]:
                    vectors[place], known[place] = _parse(line, size, f"{path.name}, line {number}"), True
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CustomerError(
            "the file cannot be unpacked", where=path.name, got=str(error), todo="write the file again"
        ) from error
    if not size:
        raise _no_vectors(path.name, "no line")
    if not known.any():
        raise CustomerError(
            "the file has a vector for none of the words of the vocabulary",
            where=path.name,
            got=f"0 of {len(vocabulary)} words known",
            allowed="words written as they are in the vocabulary",
            todo="give vectors of the vocabulary's language, in the same case; or remove the file if it holds none",
        )
    return WordVectors(vectors, known)


def is_word2vec_header(line: bytes) -> bool:
    """Whether a line is two integers, how many words and how many numbers each, as word2vec's files begin."""
    fields = line.split()
    return len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit()


def _vector_size(line: bytes, where: str) -> int:
    """Return how many numbers follow the word on the first line."""
    size = len(line.split()) - 1
    if size < SMALLEST or _parse_numbers(line) is None:
        raise _no_vectors(where, _quote(line))
    return size


def _parse(line: bytes, size: int, where: str) -> NDArray[np.float32]:
    vector = _parse_numbers(line)
    if vector is None or len(vector) != size:
        raise CustomerError(
            "the line is not a word and its vector",
            where=where,
            got=_quote(line),
            allowed=f"a word and {size} finite numbers, separated by blanks",
            todo="remove the line, or write it like the first one",
        )
    return vector


def _parse_numbers(line: bytes) -> NDArray[np.float32] | None:
    """Return what follows the word, None unless that is finite numbers."""
    try:
        with np.errstate(over="ignore"):
            vector = np.array(line.split()[1:], np.float32)
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() else None


def _no_vectors(where: str, got: str) -> CustomerError:
    return CustomerError(
        "the file holds no word vectors",
        where=where,
        got=got,
        allowed=f"text, a word and at least {SMALLEST} finite numbers on each line, separated by blanks",
        todo="keep nothing but vocab.txt, and if you like one file of word vectors, in this channel",
    )


def _quote(line: bytes) -> str:
    return line[:60].decode("utf-8", "replace").strip()
