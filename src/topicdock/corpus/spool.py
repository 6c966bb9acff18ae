"""Documents on local disk, for a corpus that is larger than memory.

The counts of all documents stand end to end in one file, eight bytes each: a word id and how often the word occurs.
Only where each document begins is held in memory, eight bytes a document. Files have no name from the beginning: their
room is free again once the process has ended, however it ends. Other processes can be given their descriptors, and read
the same documents; for that there are files in memory, too.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus.documents import BLOCK_DOCUMENTS, cut
from topicdock.errors import PlatformError

_COUNT = np.dtype([("word", "<i4"), ("number", "<f4")])
_READERS = 8
"""Documents that are waited for at a time: a disk that is asked for one after the other is mostly idle."""
_READ_TOGETHER = 256
"""Documents that a reader maps at a time: with each, the system may map 64 KB around it that it has at hand."""


class Spool:
    """Documents on disk, read by number or in order.

    Parameters
    ----------
    blocks : iterable of csr_matrix
        All documents, in order; (D', V) each.
    feature_dim : int
        V.
    folder : Path, optional
        Where there is room; in memory without it.
    descriptor : int, optional
        Of a file that is there already.

    Raises
    ------
    PlatformError
        There is no room.
    """

    def __init__(
        self, blocks: Iterable[csr_matrix], feature_dim: int, folder: Path | None, descriptor: int | None = None
    ) -> None:
        self._folder, self._feature_dim = folder, feature_dim
        self._file = _NamelessFile(folder, descriptor)
        self._lengths, self._written = [np.zeros(1, np.int64)], 0
        for block in blocks:
            self._add(block)

    def _add(self, block: csr_matrix) -> None:
        self._lengths.append(np.diff(block.indptr).astype(np.int64))
        counts = np.empty(block.nnz, _COUNT)
        counts["word"], counts["number"] = block.indices, block.data
        self._file.write(self._written, counts)
        self._written += counts.nbytes

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        starts: NDArray[np.int64] = np.cumsum(np.concatenate(self._lengths))
        self._lengths.clear()
        return starts

    @classmethod
    def deal(cls, blocks: Iterable[csr_matrix], feature_dim: int, folder: Path | None, parts: int) -> list[Spool]:
        """Put documents down in several parts, of which each has every so-many-th document.

        Parameters and errors are those of :class:`Spool`.
        """
        spools = [cls((), feature_dim, folder) for _ in range(parts)]
        first = 0
        for block in blocks:
            for part, spool in enumerate(spools):
                spool._add(block[(part - first) % parts :: parts])
            first += block.shape[0]
        return spools

    def hand_over(self) -> tuple[int, int]:
        """Return what another process takes the documents over with: a descriptor of the file, and D."""
        self._file.write(self.nbytes, self._starts)
        return self._file.descriptor, self.shape[0]

    @classmethod
    def take_over(cls, descriptor: int, documents: int, feature_dim: int, folder: Path | None) -> Spool:
        """Return the documents that another process has put down; the descriptor is this process's own."""
        spool = cls((), feature_dim, folder, descriptor)
        starts = np.empty(documents + 1, np.int64)
        spool._file.read(os.fstat(descriptor).st_size - starts.nbytes, starts)
        spool._starts = starts
        return spool

    @property
    def shape(self) -> tuple[int, int]:
        """D and V."""
        return len(self._starts) - 1, self._feature_dim

    @property
    def nnz(self) -> int:
        """How many counts are not zero."""
        return int(self._starts[-1])

    @property
    def nbytes(self) -> int:
        """How much room the documents take on disk."""
        return self.nnz * _COUNT.itemsize

    def take(self, rows: NDArray[np.integer]) -> csr_matrix:
        """Return some documents in memory, shape (len(rows), V), in the order of `rows`."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        starts, lengths = self._starts[ascending], self._starts[ascending + 1] - self._starts[ascending]
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        found = np.empty(indptr[-1], _COUNT)
        if len(found):
            read = partial(self._read_some, starts, indptr, found.view(np.int64), self._mapped)
            with ThreadPoolExecutor(_READERS) as pool:
                for _ in pool.map(read, range(0, len(ascending), _READ_TOGETHER)):
                    pass
        in_file_order = self._matrix(found, indptr)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return in_file_order[back]

    def _read_some(
        self,
        starts: NDArray[np.int64],
        indptr: NDArray[np.int64],
        found: NDArray[np.int64],
        mapped: NDArray[np.int64],
        first: int,
    ) -> None:
        """Copy the counts of documents from number `first` on, whose `starts` ascend, to their places in `found`."""
        last = min(first + _READ_TOGETHER, len(starts))
        begin, end = int(indptr[first]), int(indptr[last])
        if begin == end:
            return
        places = np.arange(begin, end)
        places += np.repeat(starts[first:last] - indptr[first:last], np.diff(indptr[first : last + 1]))
        mapped.take(places, out=found[begin:end], mode="clip")
        # What stays mapped counts as the process's memory.
        self._unmap(int(places[0]), int(places[-1]) + 1)

    def blocks(self, documents: int = BLOCK_DOCUMENTS) -> Iterator[csr_matrix]:
        """Yield all documents in order, in memory, at most so many at a time."""
        for start, end in pairwise(cut(self._starts, documents)):
            counts = np.empty(int(self._starts[end] - self._starts[start]), _COUNT)
            self._file.read(int(self._starts[start]) * _COUNT.itemsize, counts)
            yield self._matrix(counts, self._starts[start : end + 1] - self._starts[start])

    def table(self, columns: int) -> StoredTable:
        """Return room on disk for so many numbers a document."""
        return StoredTable(columns, self._folder)

    def _matrix(self, counts: NDArray[Any], indptr: NDArray[np.int64]) -> csr_matrix:
        index_type = np.int32 if len(counts) < 1 << 31 else np.int64
        return csr_matrix(
            (counts["number"].copy(), counts["word"].astype(index_type), indptr.astype(index_type)),
            (len(indptr) - 1, self._feature_dim),
        )

    @cached_property
    def _mapping(self) -> mmap.mmap:
        mapping = mmap.mmap(self._file.descriptor, self.nbytes, prot=mmap.PROT_READ)
        mapping.madvise(mmap.MADV_RANDOM)  # a document is a page or two; the system would read megabytes around it
        return mapping

    @cached_property
    def _mapped(self) -> NDArray[np.int64]:
        """The file's counts, id and number as one; there must be some."""
        return np.frombuffer(self._mapping, np.int64)

    def _unmap(self, first: int, last: int) -> None:
        begin = first * _COUNT.itemsize // mmap.PAGESIZE * mmap.PAGESIZE
        self._mapping.madvise(mmap.MADV_DONTNEED, begin, last * _COUNT.itemsize - begin)


class StoredTable:
    """Numbers for each document, on disk: shape (D, C), float32.

    Parameters
    ----------
    columns : int
    folder : Path, optional
        In memory without it.
    """

    def __init__(self, columns: int, folder: Path | None) -> None:
        self._columns = columns
        self._file = _NamelessFile(folder)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the rows of the documents `first` to `last` - 1, written before."""
        rows = np.empty((last - first, self._columns), np.float32)
        self._file.read(first * self._columns * rows.itemsize, rows)
        return rows

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        """Put rows down, from the document `first` on."""
        rows = np.ascontiguousarray(rows, np.float32)
        self._file.write(first * self._columns * rows.itemsize, rows)


class _NamelessFile:
    """A file that no folder lists, gone once nobody holds it; bytes are written and read at any place."""

    def __init__(self, folder: Path | None, descriptor: int | None = None) -> None:
        self._folder = folder
        self.descriptor = self._make(folder) if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)

    @staticmethod
    def _make(folder: Path | None) -> int:
        if folder is None and hasattr(os, "memfd_create"):  # Linux has it; elsewhere the system's folder must do
            return os.memfd_create("documents")
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                return os.dup(file.fileno())
        except OSError as error:
            raise PlatformError(
                f"The documents do not fit in memory, and no file can be made for them in {folder}: "
                f"{error.strerror or error}. Set TMPDIR to a folder on a local disk, or TOPICDOCK_MEMORY_MB to more "
                "memory."
            ) from error

    def write(self, offset: int, array: NDArray[Any]) -> None:
        left = array.reshape(-1).view(np.uint8).data
        try:
            while left:
                written = os.pwrite(self.descriptor, left, offset)
                left, offset = left[written:], offset + written
        except OSError as error:
            if self._folder is None:
                raise MemoryError from error
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                why = error.strerror or error
                raise PlatformError(f"Documents could not be written to {self._folder}: {why}.") from error
            raise PlatformError(
                f"The disk of {self._folder} is full after {offset / 1e9:.1f} GB of documents, which do not fit in "
                "memory. Give the job a larger volume, set TMPDIR to a folder with more room, or TOPICDOCK_MEMORY_MB "
                "to more memory."
            ) from error

    def read(self, offset: int, array: NDArray[Any]) -> None:
        left = array.reshape(-1).view(np.uint8).data
        while left:
            taken = os.preadv(self.descriptor, [left], offset)
            if not taken:
                raise PlatformError(f"Documents that were put down in {self._folder} cannot be read again.")
            left, offset = left[taken:], offset + taken
