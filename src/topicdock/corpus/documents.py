"""Documents wherever they are kept: what fitting and judging a model ask of them, so that they need not be in memory.

Sums over a corpus are taken block by block, and the blocks are the same wherever the documents are kept: so are the
bits of what is computed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

BLOCK_DOCUMENTS = 1 << 15
"""Documents of a block at most."""
_BLOCK_COUNTS = 1 << 20
"""Non-zeros of a block at most, 8 MB of ids and counts; a document that has more is a block of its own."""


_HASHED_DOCUMENTS = 1 << 12
"""Hashes take many times the room of what is hashed."""


class Blocks(Protocol):
    """D documents over a vocabulary of V words, to be gone through in order."""

    @property
    def shape(self) -> tuple[int, int]:
        """D and V."""

    def blocks(self, documents: int = BLOCK_DOCUMENTS) -> Iterator[csr_matrix]:
        """Yield all documents in order, in memory, at most so many at a time; the caller leaves a block as it is.

        No block if there are no documents.
        """


class Table(Protocol):
    """Numbers for each document, shape (D, C), kept where the documents are."""

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the rows of the documents `first` to `last` - 1, written before; perhaps a view."""

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        """Put rows down, from the document `first` on."""


class Documents(Blocks, Protocol):
    """D documents over a vocabulary of V words."""

    @property
    def nnz(self) -> int:
        """How many counts of all documents together are not zero."""

    def take(self, rows: NDArray[np.integer]) -> csr_matrix:
        """Return some documents in memory, shape (len(rows), V), in the order of `rows`, to the caller's own use."""

    def table(self, columns: int) -> Table:
        """Return room for so many numbers a document."""


AnyDocuments: TypeAlias = csr_matrix | Documents
"""What the functions take that users call: a matrix of counts, (D, V), or documents kept somewhere else."""


class InMemory:
    """Documents in memory.

    Parameters
    ----------
    counts : csr_matrix of float32, shape (D, V)
    """

    def __init__(self, counts: csr_matrix) -> None:
        self._counts = counts

    @property
    def shape(self) -> tuple[int, int]:
        """D and V."""
        documents, words = self._counts.shape
        return int(documents), int(words)

    @property
    def nnz(self) -> int:
        """How many counts are not zero."""
        return int(self._counts.nnz)

    def take(self, rows: NDArray[np.integer]) -> csr_matrix:
        """Return some documents, shape (len(rows), V), in the order of `rows`."""
        return self._counts[rows]

    def blocks(self, documents: int = BLOCK_DOCUMENTS) -> Iterator[csr_matrix]:
        """Yield all documents in order, at most so many at a time; themselves, if they are no more than a block."""
        bounds = cut(self._counts.indptr, documents)
        for start, end in pairwise(bounds):
            # SciPy copies a block, which costs next to nothing beside whatever is done with it.
            yield self._counts if len(bounds) == 2 else self._counts[start:end]

    def table(self, columns: int) -> Table:
        """Return room in memory for so many numbers a document."""
        return _TableInMemory(np.empty((self._counts.shape[0], columns), np.float32))


@dataclass(frozen=True)
class _TableInMemory:
    rows: NDArray[np.float32]

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        return self.rows[first:last]

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        place = self.rows[first : first + len(rows)]
        if not np.shares_memory(place, rows):  # they are what was read, changed in place
            place[:] = rows


class Share:
    """Every n-th of some documents, beginning with one of the first n.

    Parameters
    ----------
    documents : Blocks
    first, step : int
        The documents `first`, `first` + `step`, `first` + 2 `step` ..., counted from 0.
    """

    def __init__(self, documents: Blocks, first: int, step: int) -> None:
        self._documents, self._first, self._step = documents, first, step

    @property
    def shape(self) -> tuple[int, int]:
        """D and V."""
        documents, words = self._documents.shape
        return len(range(self._first, documents, self._step)), words

    def blocks(self, documents: int = BLOCK_DOCUMENTS) -> Iterator[csr_matrix]:
        """Yield all documents in order, at most so many at a time."""
        return share(self._documents.blocks(documents), self._first, self._step)


def share(blocks: Iterable[csr_matrix], first: int, step: int, width: int = 1) -> Iterator[csr_matrix]:
    """Yield every `step`-th document of all blocks, beginning with the document `first`, counted from 0.

    With each come those after it, `width` documents in all.
    """
    seen = 0
    for block in blocks:
        number = block.shape[0]
        if width == 1:
            begin = first - seen
            chosen = block[begin if begin >= 0 else begin % step :: step]
        else:
            places = np.arange(seen - first, seen - first + number)
            chosen = block[np.flatnonzero((places >= 0) & (places % step < width))]
        seen += number
        if chosen.shape[0]:
            yield chosen


def as_documents(counts: AnyDocuments) -> Documents:
    """Return a matrix of counts, shape (D, V), as documents in memory, and documents as they are."""
    return InMemory(counts) if isinstance(counts, csr_matrix) else counts


def cut(indptr: NDArray[np.integer], documents: int) -> list[int]:
    """Return where blocks of at most so many documents begin, and the end of the last: [0] for none.

    Parameters
    ----------
    indptr : array, shape (D + 1,)
        Where each document's counts begin, and the end of the last; may begin above 0.
    """
    bounds, last = [0], len(indptr) - 1
    while bounds[-1] < last:
        start = bounds[-1]
        filled = int(np.searchsorted(indptr, int(indptr[start]) + _BLOCK_COUNTS, "right")) - 1
        bounds.append(min(max(filled, start + 1), start + documents, last))
    return bounds


def count_words(documents: Blocks) -> float:
    """Return the number of words of all documents together."""
    return float(sum(block.sum(dtype=np.float64) for block in documents.blocks()))


def count_occurrences(documents: Blocks) -> NDArray[np.float64]:
    """Return how often each word occurs, shape (V,)."""
    return _sum_by_word(documents, weigh=True)


def count_holders(documents: Blocks) -> NDArray[np.float64]:
    """Return how many documents hold each word, shape (V,)."""
    return _sum_by_word(documents, weigh=False)


def checksum(documents: Blocks) -> int:
    """Return a number of 40 bits that other documents are most unlikely to have; their order does not matter.

    The sum over documents of a hash of each, which is that of the sum of the hashes of its words and counts: so the
    parts of a corpus can be summed apart, and the sums added up.
    """
    total = np.zeros(1, np.uint64)
    for block in documents.blocks(_HASHED_DOCUMENTS):
        words = _mix(block.indices.astype(np.uint64) << np.uint64(32) | block.data.view(np.uint32))
        ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words)])
        total += _mix(ends[block.indptr[1:]] - ends[block.indptr[:-1]]).sum(keepdims=True)
    return int(total[0]) & ((1 << 40) - 1)


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return hashes of numbers: the finaliser of MurmurHash3."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(33))


def _sum_by_word(documents: Blocks, *, weigh: bool) -> NDArray[np.float64]:
    size = documents.shape[1]
    total = np.zeros(size)
    for block in documents.blocks():
        total += np.bincount(block.indices, block.data if weigh else None, size)
    return total
