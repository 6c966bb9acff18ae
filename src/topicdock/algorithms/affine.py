"""The dense maps of a network, with their gradients in closed form: affine ones, and similarities of embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.gradients import Apart, FactoredGradient
from topicdock.algorithms.products import product, product_of_transposed
from topicdock.algorithms.rectified import Reached, hold_back, place, rectify, take


def affine(block: Tensor, weight: Tensor, bias: Tensor, inputs: Reached, outputs: Reached | None = None) -> Tensor:
    """Return ``block @ weight + bias`` for a weight (M, N) and a bias (N,), or relu of that, with its gradients.

    Parameters
    ----------
    block : Tensor, shape (B, U)
        Of the `inputs` among M units.
    outputs : Reached, optional
        The result is relu's, for the units among N that go on, which are put here.
    """
    return _Affine.apply(block, weight, bias, inputs, outputs)  # type: ignore[no-any-return, no-untyped-call]


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, block: Tensor, weight: Tensor, bias: Tensor, inputs: Reached, outputs: Reached | None
    ) -> Tensor:
        context.inputs, context.outputs, context.shape = inputs.units, outputs, weight.shape
        weight = take(weight, 0, inputs.units)
        output = product(block, weight, bias)
        if outputs is None:
            context.save_for_backward(block, weight)
            return output
        kept = rectify(output, outputs)
        context.save_for_backward(block, weight, kept)
        return kept

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        block, weight, *kept = context.saved_tensors
        upstream, units, (height, width) = gradients[0], None, context.shape
        if context.outputs is not None:
            upstream, units = hold_back(upstream, *kept), context.outputs.units
        grad_block = product(upstream, take(weight, 1, units).t())
        grad_weight = product_of_transposed(block, upstream)
        grad_weight = place(place(grad_weight, 1, units, width), 0, context.inputs, height)
        return grad_block, grad_weight, place(upstream.sum(0), 0, units, width), None, None


def similarities(left: Tensor, right: Tensor, apart: Apart | None = None) -> Tensor:
    """Return ``left @ right.T``, shape (N, L), of rows (N, M) and (L, M), with the gradients that are asked for.

    Parameters
    ----------
    apart : Apart, optional
        Where the gradient of `left`, which then asks autograd for none, is put.
    """
    return _Similarities.apply(left, right, apart)  # type: ignore[no-any-return, no-untyped-call]


class _Similarities(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, left: Tensor, right: Tensor, apart: Apart | None) -> Tensor:
        context.save_for_backward(left, right)
        context.apart = apart
        return product(left, right.t())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        left, right = context.saved_tensors
        upstream = gradients[0]
        of_left, of_right, _ = context.needs_input_grad
        if context.apart is not None:
            context.apart.gradient = FactoredGradient(upstream, right.detach().clone())  # it is about to be updated
        return (
            product(upstream, right) if of_left else None,
            product(upstream.t(), left) if of_right else None,
            None,
        )
