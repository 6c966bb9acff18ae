"""Counted documents on disk: chunks with words of their own, then one corpus over the vocabulary.

Nothing here holds more than a chunk in memory, so that a corpus may be larger than it.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.prepare.batches import Batch, ReadingRules
from topicdock.text import Tokenizer

EXCERPT = 300
"""Characters of a document's beginning that are kept to show it by."""

_LONGEST_EXCERPT_SOURCE = 2 * EXCERPT


class Chunk(NamedTuple):
    """What a worker made of a batch.

    Attributes
    ----------
    words : list of str
        The chunk's different words; ids are positions in it.
    occurs_in, occurs : array of int64
        In how many documents each of them occurs, and how often.
    ids, numbers, lengths : array of int32
        Ragged rows: ids and counts of all documents end to end, and how many each document has.
    about : list of bytes
        A JSON line for each document: its name and how it begins.
    """

    words: list[str]
    occurs_in: NDArray[np.int64]
    occurs: NDArray[np.int64]
    ids: NDArray[np.int32]
    numbers: NDArray[np.int32]
    lengths: NDArray[np.int32]
    about: list[bytes]


def count_batch(batch: Batch, rules: ReadingRules, tokenizer: Tokenizer) -> tuple[Chunk, Counter[str]]:
    """Read a batch and count the words of its documents; also return how many files were not as they should be.

    Tokens are numbered as they come, in C; what each counts as is worked out once for the whole batch.
    """
    notes: Counter[str] = Counter()
    id_of: defaultdict[str, int] = defaultdict()
    id_of.default_factory = id_of.__len__  # a new token gets the next id
    tokens = array("i")
    borders = array("q", [0])
    about: list[bytes] = []
    for name, text in batch.read(rules, notes):
        tokens.extend(map(id_of.__getitem__, tokenizer.find_tokens(text)))
        borders.append(len(tokens))
        about.append(_describe(name, text))
    word_of: defaultdict[str, int] = defaultdict()
    word_of.default_factory = word_of.__len__
    places = [word_of[form] if (form := tokenizer.form_of(token)) else -1 for token in id_of]
    counts = _count(np.frombuffer(tokens, np.int32), np.frombuffer(borders, np.int64), np.array(places, np.int32))
    # Their factories hold on to them, and the garbage collector would come by once in a hundred megabytes.
    id_of.default_factory = word_of.default_factory = None
    words = list(word_of)
    occurs_in = np.bincount(counts.indices, minlength=len(words))
    occurs = np.bincount(counts.indices, counts.data, minlength=len(words)).astype(np.int64)
    return Chunk(words, occurs_in, occurs, counts.indices, counts.data, np.diff(counts.indptr), about), notes


def _count(tokens: NDArray[np.int32], borders: NDArray[np.int64], places: NDArray[np.int32]) -> csr_matrix:
    """Count words, int32, from the tokens of all documents end to end and the word of each token, -1 for none."""
    words = places[tokens] if len(tokens) else tokens
    counted = words >= 0
    borders = np.concatenate([[0], np.cumsum(counted)])[borders]
    ones = np.ones(int(borders[-1]), np.int32)
    # Each token is an entry of its document's row; those of one word are summed.
    counts = csr_matrix((ones, words[counted], borders), shape=(len(borders) - 1, int(places.max(initial=-1)) + 1))
    counts.sum_duplicates()
    return counts


def _describe(name: str, text: str) -> bytes:
    excerpt = " ".join(text[:_LONGEST_EXCERPT_SOURCE].split())[:EXCERPT]
    content = {"name": name, "text": excerpt}
    try:
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a file name that is not UTF-8
        clean = {key: value.encode("utf-8", "replace").decode() for key, value in content.items()}
        return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE)


def write_chunk(path: Path, chunk: Chunk) -> None:
    """Write a chunk to a file."""
    with path.open("wb") as file:
        for array in (chunk.occurs_in, chunk.occurs, chunk.ids, chunk.numbers, chunk.lengths):
            np.save(file, array, allow_pickle=False)
        words = [word.encode("utf-8", "surrogatepass") for word in chunk.words]
        for parts in (words, chunk.about):
            np.save(file, np.fromiter(map(len, parts), np.int64, len(parts)), allow_pickle=False)
            file.write(b"".join(parts))


def read_chunk(path: Path) -> Chunk:
    """Read a chunk again."""
    with path.open("rb") as file:
        occurs_in, occurs, ids, numbers, lengths = (np.load(file, allow_pickle=False) for _ in range(5))
        words = [word.decode("utf-8", "surrogatepass") for word in _read_parts(file)]
        return Chunk(words, occurs_in, occurs, ids, numbers, lengths, _read_parts(file))


def _read_parts(file: BinaryIO) -> list[bytes]:
    ends = np.cumsum(np.load(file, allow_pickle=False)).tolist()
    content = file.read(ends[-1] if ends else 0)
    return [content[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)]


@dataclass(frozen=True)
class Totals:
    """What became of the documents."""

    read: int = 0
    empty: int = 0
    short: int = 0
    kept: int = 0
    words: int = 0


class Corpus:
    """Documents over a vocabulary, on disk, read row by row.

    Parameters
    ----------
    folder : Path
        For its files; nothing else may be in it under their names.
    vocabulary : sequence of str
    """

    def __init__(self, folder: Path, vocabulary: Sequence[str]) -> None:
        self._folder = folder
        self._place_of = {word: place for place, word in reversed(list(enumerate(vocabulary)))}
        self._width = len(vocabulary)
        self.totals = Totals()

    def fill(self, chunks: Iterable[Path], min_words: int) -> None:
        """Take over the documents of chunks that have at least `min_words` words of the vocabulary."""
        read = empty = words = 0
        lengths: list[NDArray[np.int32]] = []
        about_lengths: list[NDArray[np.int64]] = []
        with self._open("ids") as ids, self._open("numbers") as numbers, self._open("about") as about:
            for path in chunks:
                chunk = read_chunk(path)
                counts = self._recount(chunk)
                sizes = np.asarray(counts.sum(axis=1)).ravel()
                keep = np.flatnonzero(sizes >= min_words)
                kept = counts[keep]
                kept.indices.astype(np.int32).tofile(ids)
                kept.data.tofile(numbers)
                lengths.append(np.diff(kept.indptr).astype(np.int32))
                lines = [chunk.about[row] for row in keep]
                about.write(b"".join(lines))
                about_lengths.append(np.fromiter(map(len, lines), np.int64, len(lines)))
                read += len(sizes)
                empty += int(np.count_nonzero(chunk.lengths == 0))
                words += int(sizes[keep].sum())
        self._borders = _borders(lengths)
        self._about_borders = _borders(about_lengths)
        kept_documents = len(self._borders) - 1
        self.totals = Totals(read, empty, read - kept_documents, kept_documents, words)

    def _open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("wb")

    def _recount(self, chunk: Chunk) -> csr_matrix:
        """Return a chunk's counts over the vocabulary, shape (D, V); several of its words never are the same."""
        place_of = self._place_of.get
        places = np.array([place_of(word, -1) for word in chunk.words], np.int32)
        borders = np.concatenate([[0], np.cumsum(chunk.lengths, dtype=np.int64)])
        known = places[chunk.ids] >= 0 if len(chunk.ids) else np.zeros(0, bool)
        borders = np.concatenate([[0], np.cumsum(known)])[borders]
        counts = csr_matrix(
            (chunk.numbers[known].astype(np.float32), places[chunk.ids[known]], borders),
            shape=(len(chunk.lengths), self._width),
        )
        counts.sort_indices()
        return counts

    def rows(self, rows: NDArray[np.int64]) -> csr_matrix:
        """Return documents, shape (len(rows), V), in that order."""
        starts, lengths = self._borders[rows], np.diff(self._borders)[rows]
        borders = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(borders[-1]) + np.repeat(starts - borders[:-1], lengths)
        ids, numbers = self._map("ids", np.int32), self._map("numbers", np.float32)
        return csr_matrix((numbers[places], ids[places], borders), shape=(len(rows), self._width))

    def about(self, rows: NDArray[np.int64]) -> bytes:
        """Return the JSON lines about documents, in that order."""
        content = self._map("about", np.uint8)
        return b"".join(
            content[start:end].tobytes()
            for start, end in zip(self._about_borders[rows], self._about_borders[rows + 1], strict=True)
        )

    def _map(self, name: str, kind: type[np.generic]) -> NDArray[np.generic]:
        path = self._folder / name
        return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)


def _borders(lengths: list[NDArray[np.int32]] | list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], *lengths]).astype(np.int64).cumsum()
