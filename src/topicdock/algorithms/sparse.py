"""Sparse documents as torch's kernels take them, by document and by word, and sums over what occurs in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.threads import threads_for

with warnings.catch_warnings():
    # torch says once a process that its CSR tensors are in beta; what is used of them here is covered by tests.
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.sparse_csr_tensor(
        torch.tensor([0, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([]), (1, 1), check_invariants=False
    )

_PER_NUMBER = 20
"""Numbers of the rows that are summed in the time that a simple operation on one number takes."""
_LARGEST = np.iinfo(np.int32).max
_MOST = 0.5
"""Of the vocabulary: where a batch holds more of it, rows of zeros cost less than to tell the others by number."""


@dataclass(frozen=True)
class WordMajor:
    """Documents by word: the ids of words, shape (R,), and their counts, a sparse (R, B) tensor.

    The words are those that occur; all of them, where these are most.
    """

    words: Tensor
    counts: Tensor

    def filled(self, numbers: Tensor) -> WordMajor:
        """Return the same documents with other numbers in place of the counts, shape (nnz,)."""
        return WordMajor(self.words, with_values(self.counts, numbers))


def group_by_word(documents: csr_matrix, bounds: Sequence[int]) -> list[WordMajor]:
    """Return the documents of each batch by word; batch i is the rows from ``bounds[i]`` to ``bounds[i + 1]``.

    All batches are turned at once: each has columns of its own in one matrix of (D, batches times V), and the matrix is
    put into column order.
    """
    vocabulary_size, batches = documents.shape[1], len(bounds) - 1
    most = batches * vocabulary_size
    firsts = np.arange(0, most, vocabulary_size, dtype=np.int64 if most > _LARGEST else np.int32)
    entries = np.diff(documents.indptr)
    columns = documents.indices + np.repeat(np.repeat(firsts, np.diff(bounds)), entries)
    wide = csr_matrix((documents.data, columns, documents.indptr), (documents.shape[0], most)).tocsc()
    begins = np.asarray(bounds[:-1], wide.indices.dtype)
    rows = wide.indices - np.repeat(begins, np.diff(wide.indptr[::vocabulary_size]))
    occurrences = np.diff(wide.indptr)
    every_word = np.arange(vocabulary_size)
    found = []
    for batch, size in enumerate(np.diff(bounds)):
        begin, end = batch * vocabulary_size, (batch + 1) * vocabulary_size
        words = np.flatnonzero(occurrences[begin:end])
        if len(words) > _MOST * vocabulary_size:
            words = every_word
        first, last = wide.indptr[begin], wide.indptr[end]
        starts = np.append(wide.indptr[begin + words], last) - first
        found.append(
            WordMajor(
                torch.from_numpy(words),
                _to_tensor(
                    starts, rows[first:last].astype(starts.dtype), wide.data[first:last], (len(words), int(size))
                ),
            )
        )
    return found


def cut_rows(matrix: csr_matrix, start: int, end: int) -> Tensor:
    """Return some rows as a sparse tensor that shares the memory of `matrix`."""
    first, last = matrix.indptr[start], matrix.indptr[end]
    starts = matrix.indptr[start : end + 1] - first
    return _to_tensor(starts, matrix.indices[first:last], matrix.data[first:last], (end - start, matrix.shape[1]))


def _to_tensor(starts: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], shape: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(
        torch.from_numpy(starts), torch.from_numpy(columns), torch.from_numpy(values), shape, check_invariants=False
    )


def with_values(pattern: Tensor, values: Tensor) -> Tensor:
    """Return a CSR tensor with the places of `pattern` and other values."""
    return torch.sparse_csr_tensor(
        pattern.crow_indices(), pattern.col_indices(), values, pattern.shape, check_invariants=False
    )


def multiply(pattern: Tensor, values: Tensor, matrix: Tensor) -> Tensor:
    """Return a sparse matrix times a dense one, (V, H); nothing is noted for autograd.

    The sparse one, (B, V), has the places of `pattern`, a CSR tensor, and the numbers `values`. Two to four times as
    fast as ``torch.sparse.mm``.
    """
    return sum_rows(matrix, pattern.col_indices(), pattern.crow_indices(), values)


def sum_rows(matrix: Tensor, rows: Tensor, starts: Tensor, factors: Tensor) -> Tensor:
    """Return sums of rows of a matrix, (V, H), each times its factor; sum i is of those from ``starts[i]`` on."""
    if not matrix.shape[1]:  # which torch refuses
        return matrix.new_empty(len(starts) - 1, 0)
    result: Tensor
    with threads_for(len(rows) * matrix.shape[1] // _PER_NUMBER):
        result = torch.embedding_bag(
            matrix, rows, starts, mode=0, per_sample_weights=factors, include_last_offset=True
        )[0]
    return result
