"""Word vectors in files of every format that is in use: text, word2vec's binary, npy and safetensors.

The last two hold numbers alone. Row i belongs to the word on line i of a ``vocab.txt`` in the same folder, or, where
there is none, to word i of the corpus.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from topicdock.corpus.word_vectors import SMALLEST, WordVectors, is_word2vec_header, read_word_vectors
from topicdock.errors import CustomerError

WORDS = "vocab.txt"
LARGEST = 65_536
"""Numbers of the longest vector."""

_GZIP = ".gz"
_LOOKED_AT = 4096
_CHUNK = 1 << 22


def read_vector_file(path: Path, vocabulary: Sequence[str] | None, feature_dim: int) -> WordVectors:
    """Read the vectors of the corpus's words from one file.

    Parameters
    ----------
    path : Path
        ``.npy`` and ``.safetensors`` by their name; word2vec's binary format by the name ``.bin`` or by its content;
        anything else is text. ``.gz`` behind it is unpacked, but for the first two.
    vocabulary : sequence of str or None
        Word v of the corpus at position v. Without it only rows without words can be read.
    feature_dim : int
        V.

    Raises
    ------
    CustomerError
        The file is damaged, fits no word, or holds numbers that are not finite where they are needed.
    """
    suffix = path.name.removesuffix(_GZIP).rsplit(".", 1)[-1].lower()
    try:
        if suffix == "npy":
            return _place(_read_npy(path), path, vocabulary, feature_dim)
        if suffix == "safetensors":
            return _place(_read_safetensors(path), path, vocabulary, feature_dim)
        if vocabulary is None:
            raise CustomerError(
                "vectors of words need the words of the corpus",
                where=path.name,
                got="no vocabulary",
                todo="put vocab.txt, word i of the corpus on line i, into the channel auxiliary",
            )
        if suffix == "bin" or _looks_binary(path):
            return _read_word2vec(path, vocabulary)
        return read_word_vectors(path, vocabulary)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, str(error)) from error


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    return array


def _read_safetensors(path: Path) -> NDArray[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            matrices = [name for name in names if len(file.get_slice(name).get_shape()) == 2]
            if len(matrices) != 1:
                raise CustomerError(
                    "the file must hold one matrix of word vectors",
                    where=path.name,
                    got=f"the tensors {', '.join(names)[:100]}" if names else "no tensors",
                    allowed="one tensor of two dimensions, words by numbers",
                )
            tensor: NDArray[Any] = file.get_tensor(matrices[0])
    except (SafetensorError, TypeError, AttributeError, OSError) as error:
        raise _damaged(path, str(error)[:100]) from error
    return tensor


def _place(rows: NDArray[Any], path: Path, vocabulary: Sequence[str] | None, feature_dim: int) -> WordVectors:
    """Give each word of the corpus its row."""
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not SMALLEST <= rows.shape[1] <= LARGEST:
        raise CustomerError(
            "the file holds no word vectors",
            where=path.name,
            got=f"an array of {rows.dtype} of shape {rows.shape}",
            allowed=f"real numbers, a row of {SMALLEST} to {LARGEST} for each word",
        )
    words = _read_words(path.parent / WORDS)
    if words is not None and len(words) != len(rows):
        raise CustomerError(
            f"{WORDS} beside the vectors must name each of them",
            where=path.name,
            got=f"{len(rows)} vectors and {len(words)} words",
            allowed="one word a line for each vector",
        )
    if words is None or vocabulary is None:
        if len(rows) != feature_dim:
            raise CustomerError(
                "vectors without words must be one for each word of the corpus",
                where=path.name,
                got=f"{len(rows)} vectors",
                allowed=f"{feature_dim} vectors, as feature_dim = {feature_dim}",
                todo=f"put {WORDS}, the word of each row, beside the vectors, and the corpus's into auxiliary",
            )
        places: NDArray[np.intp] = np.arange(feature_dim)
    else:
        rows_of = {word: row for row, word in reversed(list(enumerate(words)))}
        places = np.array([rows_of.get(word, -1) for word in vocabulary])
    known = places >= 0
    vectors = np.zeros((feature_dim, rows.shape[1]), np.float32)
    with np.errstate(over="ignore"):  # what overflows is not finite, and found below
        vectors[known] = rows[places[known]]
    return _checked(WordVectors(vectors, known), path, vocabulary)


def _read_words(path: Path) -> list[str] | None:
    if not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")[: None if not path.read_bytes().endswith(b"\n") else -1]
    except UnicodeDecodeError as error:
        raise CustomerError("the file is not UTF-8 text", where=path.name, got=f"byte {error.start}") from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == _GZIP else path.open("rb")  # type: ignore[return-value]


def _looks_binary(path: Path) -> bool:
    """Whether word2vec's header is followed by something that is not text."""
    with _open(path) as file:
        first, rest = file.readline(_LOOKED_AT), file.read(_LOOKED_AT)
    return is_word2vec_header(first) and any(byte < 32 and byte not in b"\t\n\r" for byte in rest)


def _read_word2vec(path: Path, vocabulary: Sequence[str]) -> WordVectors:
    """Read word2vec's binary format: a line with two integers, then each word, a blank, and its float32 numbers."""
    places = {word.encode(): place for place, word in reversed(list(enumerate(vocabulary)))}
    with _open(path) as file:
        header = file.readline(_LOOKED_AT)
        count, size = map(int, header.split()) if is_word2vec_header(header) else (0, 0)
        if not count or not SMALLEST <= size <= LARGEST:
            raise _damaged(path, f"the first line {header[:60]!r}")
        vectors, known = np.zeros((len(vocabulary), size), np.float32), np.zeros(len(vocabulary), bool)
        buffer, position, width = b"", 0, 4 * size
        for number in range(count):
            while True:
                blank = buffer.find(b" ", position)
                if blank >= 0 and blank + 1 + width <= len(buffer):
                    break
                chunk = file.read(max(_CHUNK, width))
                if not chunk:
                    raise _damaged(path, f"the end of the file in vector {number + 1} of {count}")
                buffer, position = buffer[position:] + chunk, 0
            place = places.get(buffer[position:blank].lstrip(b"\n"))
            position = blank + 1 + width
            if place is not None and not known[place]:
                vectors[place], known[place] = np.frombuffer(buffer, "<f4", size, blank + 1), True
    return _checked(WordVectors(vectors, known), path, vocabulary)


def _checked(found: WordVectors, path: Path, vocabulary: Sequence[str] | None) -> WordVectors:
    if not found.known.any():
        raise CustomerError(
            "the file has a vector for none of the words of the vocabulary",
            where=path.name,
            got=f"0 of {len(found.known)} words known",
            allowed="words written as they are in the vocabulary",
            todo="give vectors of the vocabulary's language, in the same case",
        )
    bad = np.flatnonzero(~np.isfinite(found.vectors).all(axis=1))
    if len(bad):
        word = str(bad[0]) if vocabulary is None else repr(vocabulary[bad[0]])
        raise CustomerError(
            "a word's vector holds numbers that are not finite, or too large for a float32",
            where=path.name,
            got=f"{len(bad)} such words, the first of them {word}",
            allowed="finite numbers",
            todo="leave those words out: a word without a vector is given one",
        )
    return found


def _damaged(path: Path, got: str) -> CustomerError:
    return CustomerError(
        "the file of word vectors cannot be read",
        where=path.name,
        got=got,
        allowed="a whole file: word2vec or GloVe text, word2vec binary (.bin), .npy or .safetensors",
        todo="write the file again, or copy it again, whole",
    )
