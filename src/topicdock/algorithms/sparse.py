"""The first layer of an encoder on sparse documents: only words that occur cost anything, forwards and backwards."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
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
class WordMajor:
    """Documents by word: the ids of the words that occur, shape (R,), and their counts, a sparse (R, B) tensor."""

    words: Tensor
    counts: Tensor

    @classmethod
    def of(cls, documents: csr_matrix) -> WordMajor:
        """Return the documents, shape (B, V), by word."""
        by_word = documents.tocsc()
        occurrences = np.diff(by_word.indptr)
        words = np.flatnonzero(occurrences)
        starts = np.zeros(len(words) + 1, by_word.indptr.dtype)
        np.cumsum(occurrences[words], out=starts[1:])
        rows = csr_matrix((by_word.data, by_word.indices, starts), (len(words), documents.shape[0]))
        return cls(torch.from_numpy(words), to_tensor(rows))


@dataclass(frozen=True)
class RowGradient:
    """A gradient that is zero but in some rows: their numbers, shape (R,), and their values, shape (R, H)."""

    rows: Tensor
    values: Tensor

    def densify(self, weight: Tensor) -> Tensor:
        """Return it in the shape of `weight`, zeros included."""
        return torch.zeros_like(weight).index_copy_(0, self.rows, self.values)


def to_tensor(matrix: csr_matrix) -> Tensor:
    """Return a sparse CSR tensor that shares the memory of `matrix`."""
    return torch.sparse_csr_tensor(
        torch.from_numpy(matrix.indptr),
        torch.from_numpy(matrix.indices),
        torch.from_numpy(matrix.data),
        matrix.shape,
        check_invariants=False,
    )


class SparseLayer:
    """``x @ weight + bias`` for sparse x, shape (B, V).

    Parameters
    ----------
    weight : Tensor, shape (V, H)
        Learned, but not through autograd: its gradient is left in `gradient` by the backward pass, rows only of the
        words that occurred.
    bias : Tensor, shape (H,)
        Learned through autograd.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias
        self.gradient: RowGradient | None = None

    def __call__(self, documents: Tensor, by_word: WordMajor | None) -> Tensor:
        """Return the layer's output, shape (B, H); without `by_word` the weight gets no gradient."""
        return _SparseProduct.apply(self.bias, documents, by_word, self)  # type: ignore[no-any-return, no-untyped-call]


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, bias: Tensor, documents: Tensor, by_word: WordMajor | None, layer: SparseLayer) -> Tensor:
        context.by_word, context.layer = by_word, layer
        product: Tensor = torch.sparse.mm(documents, layer.weight)
        return product.add_(bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        upstream = gradients[0].contiguous()
        if context.by_word is not None:
            values = torch.sparse.mm(context.by_word.counts, upstream)
            context.layer.gradient = RowGradient(context.by_word.words, values)
        return upstream.sum(0), None, None, None
