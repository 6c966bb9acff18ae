"""Where the documents of a job are kept: in memory as far as they fit, else on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.corpus.bag_of_words import stack
from topicdock.corpus.documents import BLOCK_DOCUMENTS, Documents, InMemory, Table
from topicdock.corpus.spool import Spool, StoredTable

_GATHERED_COUNTS = 1 << 20
"""Non-zeros up to which small blocks are put together."""
_logger = logging.getLogger(__name__)


class Storage:
    """A budget of memory for all documents together, and a folder for those beyond it.

    Parameters
    ----------
    memory : int
        Bytes that documents may take.
    why : str
        Where that number comes from, for the log.
    folder : Path
        On a local disk.
    parts : int
        Into which documents are dealt, for as many processes of this machine. Then those in memory are in files there,
        too, which all of them can read.
    """

    def __init__(self, memory: int, why: str, folder: Path, parts: int = 1) -> None:
        self._memory, self._left, self._why, self._folder = memory, memory, why, folder
        self._parts = parts
        self.dealt: dict[str, list[Spool]] = {}
        """By name, the parts of documents that have been put into files."""

    def keep(self, blocks: Iterable[csr_matrix], feature_dim: int, name: str) -> Documents:
        """Return documents from wherever they have been put, or the first of their parts.

        Parameters
        ----------
        blocks : iterable of csr_matrix
            All documents in order, (D', V) each.
        feature_dim : int
            V.
        name : str
            What the log calls them.

        Raises
        ------
        PlatformError
            They fit neither in memory nor on the disk.
        """
        held: list[csr_matrix] = []
        size = 0
        coming = _gather(blocks, feature_dim)
        for block in coming:
            held.append(block)
            size += block.data.nbytes + block.indices.nbytes + block.indptr.nbytes
            if size > self._left:
                return self._spool(chain(_empty(held), coming), feature_dim, name)
        self._left -= size
        if self._parts > 1:
            return self._deal(_empty(held), feature_dim, name, None)[0]
        return _WithinBudget(stack(held, feature_dim), self, name)

    def table(self, documents: InMemory, columns: int, name: str) -> Table:
        """Return room for so many numbers beside each of some documents in memory: there too, as far as they fit."""
        size = documents.shape[0] * columns * np.dtype(np.float32).itemsize
        if size <= self._left:
            self._left -= size
            return InMemory.table(documents, columns)
        _logger.info(
            "What is kept beside the documents of %s, %.0f MB, does not fit in the memory for documents "
            "(%.0f MB: %s%s) and is in %s until the job ends.",
            name, size / 1e6, self._memory / 1e6, self._why, self._free, self._folder,
        )  # fmt: skip
        return StoredTable(columns, self._folder)

    def _spool(self, blocks: Iterable[csr_matrix], feature_dim: int, name: str) -> Documents:
        _logger.info(
            "The documents of %s do not fit in the memory for documents (%.0f MB: %s%s); they are put down once in %s "
            "and read from there.", name, self._memory / 1e6, self._why, self._free, self._folder,
        )  # fmt: skip
        spools = self._deal(blocks, feature_dim, name, self._folder)
        _logger.info(
            "%d documents of %s take %.0f MB in %s until the job ends.",
            sum(spool.shape[0] for spool in spools), name, sum(spool.nbytes for spool in spools) / 1e6, self._folder,
        )  # fmt: skip
        return spools[0]

    def _deal(self, blocks: Iterable[csr_matrix], feature_dim: int, name: str, folder: Path | None) -> list[Spool]:
        self.dealt[name] = spools = Spool.deal(blocks, feature_dim, folder, self._parts)
        return spools

    @property
    def _free(self) -> str:
        return "" if self._left == self._memory else f", {self._left / 1e6:.0f} MB of it still free"


class _WithinBudget(InMemory):
    """Documents in memory, which count towards a budget, as do the numbers that are kept beside them."""

    def __init__(self, counts: csr_matrix, storage: Storage, name: str) -> None:
        super().__init__(counts)
        self._storage, self._name = storage, name

    def table(self, columns: int) -> Table:
        """Return room for so many numbers a document, in memory or on disk."""
        return self._storage.table(self, columns, self._name)


def _gather(blocks: Iterable[csr_matrix], feature_dim: int) -> Iterator[csr_matrix]:
    """Yield the same documents in fewer blocks, where the blocks are small: of thousands of small files, say."""
    some: list[csr_matrix] = []
    documents = counts = 0
    for block in blocks:
        some.append(block)
        documents, counts = documents + block.shape[0], counts + block.nnz
        if counts > _GATHERED_COUNTS or documents > BLOCK_DOCUMENTS:
            yield stack(some, feature_dim)
            some, documents, counts = [], 0, 0
    if some:
        yield stack(some, feature_dim)


def _empty(held: list[csr_matrix]) -> Iterator[csr_matrix]:
    """Yield what is held, and let go of it."""
    held.reverse()
    while held:
        yield held.pop()
