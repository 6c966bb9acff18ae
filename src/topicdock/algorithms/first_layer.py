"""The first layer of an encoder on sparse documents: only words that occur cost anything, forwards and backwards."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from topicdock.algorithms.gradients import RowGradient, RowProduct
from topicdock.algorithms.sparse import WordMajor, multiply
from topicdock.algorithms.threads import threads_for


class FirstLayer(Protocol):
    """``x @ weight + bias`` for documents x, laid out as its kind has them; its weight is not learned by autograd.

    Attributes
    ----------
    gradient : RowGradient, RowProduct, WordGradient or None
        That of the weight, left here by the backward pass.
    """

    weight: Tensor
    bias: Tensor
    gradient: Any

    def __call__(self, documents: Any, by_word: Any) -> Tensor:
        """Return the layer's output, shape (B, H); without `by_word` the weight gets no gradient."""


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
        self.gradient: RowGradient | RowProduct | None = None

    def __call__(self, documents: Tensor, by_word: WordMajor | None) -> Tensor:
        """Return the layer's output, shape (B, H); without `by_word` the weight gets no gradient."""
        return _SparseProduct.apply(self.bias, documents, by_word, self)  # type: ignore[no-any-return, no-untyped-call]


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, bias: Tensor, documents: Tensor, by_word: WordMajor | None, layer: SparseLayer) -> Tensor:
        context.by_word, context.layer = by_word, layer
        output = multiply(documents, documents.values(), layer.weight)
        with threads_for(output.numel()):
            return output.add_(bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        upstream = gradients[0].contiguous()
        if context.by_word is not None:
            context.layer.gradient = RowProduct(context.by_word, upstream)
        return upstream.sum(0), None, None, None
