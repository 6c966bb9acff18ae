"""Word counts in torch: products of sparse documents with dense weights, forwards and backwards.

Only the non-zeros are touched: a batch of B documents costs nnz times the width, never B times V.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

with warnings.catch_warnings():
    # torch says once a process that its CSR tensors are in beta; what is used of them here is covered by tests.
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.sparse_csr_tensor(
        torch.tensor([0, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([]), (1, 1), check_invariants=False
    )


@dataclass(frozen=True)
class Batch:
    """A batch of documents.

    Parameters
    ----------
    counts : csr_matrix, shape (B, V)
    """

    counts: csr_matrix

    @cached_property
    def words(self) -> Tensor:
        """Counts as a sparse tensor, shape (B, V)."""
        return to_tensor(self.counts)

    @cached_property
    def words_transposed(self) -> Tensor:
        """Counts as a sparse tensor, shape (V, B), for gradients of weights."""
        return to_tensor(self.counts.T.tocsr())

    @cached_property
    def lengths(self) -> Tensor:
        """Tokens of each document, shape (B,)."""
        return torch.from_numpy(np.asarray(self.counts.sum(axis=1), dtype=np.float32).ravel())

    @cached_property
    def flat_positions(self) -> Tensor:
        """Of each non-zero its position in a (B, V) block laid out row by row, shape (nnz,)."""
        rows = np.repeat(np.arange(self.counts.shape[0], dtype=np.int64), np.diff(self.counts.indptr))
        return torch.from_numpy(rows * self.counts.shape[1] + self.counts.indices)

    @cached_property
    def log1p(self) -> Batch:
        """The same documents with log(1 + count) in place of each count."""
        return Batch(self.counts.log1p())


def to_tensor(matrix: csr_matrix) -> Tensor:
    """Return a sparse CSR tensor that shares the memory of `matrix`."""
    return torch.sparse_csr_tensor(
        torch.from_numpy(matrix.indptr),
        torch.from_numpy(matrix.indices),
        torch.from_numpy(matrix.data),
        matrix.shape,
        check_invariants=False,
    )


class SparseLinear(torch.autograd.Function):
    """``x @ weight + bias`` for sparse x, shape (B, V), and dense weight, shape (V, H)."""

    @staticmethod
    def forward(context: Any, weight: Tensor, bias: Tensor, batch: Batch) -> Tensor:
        """Return the product, shape (B, H)."""
        context.batch = batch
        product: Tensor = torch.sparse.mm(batch.words, weight)
        return product.add_(bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of weight and bias."""
        gradient = gradients[0].contiguous()
        return torch.sparse.mm(context.batch.words_transposed, gradient), gradient.sum(0), None


def sparse_linear(batch: Batch, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``x @ weight + bias``, shape (B, H), differentiable in weight, shape (V, H), and bias, shape (H,)."""
    return SparseLinear.apply(weight, bias, batch)  # type: ignore[no-any-return, no-untyped-call]
