"""The first layer of an encoder on sparse documents: only words that occur cost anything, forwards and backwards."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from topicdock.algorithms.gradients import RowGradient, RowProduct
from topicdock.algorithms.rectified import Reached, hold_back, place, rectify
from topicdock.algorithms.sparse import WordMajor, multiply


class FirstLayer(Protocol):
    """``x @ weight + bias``, or relu of that, for documents x, laid out as its kind has them.

    Its weight is not learned by autograd.

    Attributes
    ----------
    gradient : RowGradient, RowProduct, WordGradient or None
        That of the weight, left here by the backward pass.
    """

    weight: Tensor
    bias: Tensor
    gradient: Any

    def __call__(self, documents: Any, by_word: Any, outputs: Reached | None = None) -> Tensor:
        """Return the layer's output, shape (B, H); without `by_word` the weight gets no gradient.

        With `outputs` it is relu's, shape (B, U), for the units that go on, which are put there.
        """


class SparseLayer:
    """``x @ weight + bias``, or relu of that, for sparse x, shape (B, V).

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

    def __call__(self, documents: Tensor, by_word: WordMajor | None, outputs: Reached | None = None) -> Tensor:
        """Return the layer's output, shape (B, H) or (B, U); without `by_word` the weight gets no gradient."""
        arguments = (self.bias, documents, by_word, outputs, self)
        return _SparseProduct.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        bias: Tensor,
        documents: Tensor,
        by_word: WordMajor | None,
        outputs: Reached | None,
        layer: SparseLayer,
    ) -> Tensor:
        context.by_word, context.layer, context.outputs = by_word, layer, outputs
        output = multiply(documents, documents.values(), layer.weight).add_(bias)
        if outputs is None:
            return output
        kept = rectify(output, outputs)
        context.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        upstream, units = gradients[0].contiguous(), None
        if context.outputs is not None:
            upstream, units = hold_back(upstream, *context.saved_tensors), context.outputs.units
        (width,) = context.layer.bias.shape
        if context.by_word is not None:
            context.layer.gradient = RowProduct(context.by_word, upstream, width, units)
        return place(upstream.sum(0), 0, units, width), None, None, None, None
