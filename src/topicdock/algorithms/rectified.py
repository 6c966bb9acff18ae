"""Layers of relu, of whose units those alone go on that some document of a batch reaches.

Shown shares of words, whose sums are small beside a unit's bias, two in three units of the authors' ETM are zero for
every document of a batch. They add nothing to the layer above, and relu asks for no gradient there: left out, the
layer's block and the products above and below it are as much smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.products import product
from topicdock.algorithms.threads import threads_for

_LARGE = 1 << 16
"""Numbers in a block from which on it is looked through for units that no document reaches."""
_MULTIPLE = 64
"""Of which the number of units that go on is one: oneDNN prepares, and keeps, a kernel for each shape it meets."""
_MOST = 0.8
"""Of the units: where more are reached, to gather them costs more than to multiply zeros."""


@dataclass
class Reached:
    """The units of a layer that go on, rising but for a few of the others behind them; None are all.

    Filled in by :func:`rectify`, and asked by the products of the layers on both sides, forwards and backwards.
    """

    units: Tensor | None = None


def rectify(block: Tensor, reached: Reached) -> Tensor:
    """Return what relu makes of a block (B, N), which may be overwritten, for the units that go on: (B, U)."""
    if block.numel() < _LARGE or block.device.type != "cpu":  # which would have to be waited for
        return torch.relu_(block)
    with threads_for(block.numel()):
        return _Rectify.apply(block, reached)  # type: ignore[no-any-return, no-untyped-call]


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, block: Tensor, reached: Reached) -> Tensor:
        reached.units = context.units = _find(block)
        context.shape = block.shape
        kept = torch.relu(block) if reached.units is None else block.index_select(1, reached.units).relu_()
        context.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = context.saved_tensors
        with threads_for(math.prod(context.shape)):
            gradient = torch.ops.aten.threshold_backward(gradients[0], kept, 0)
            return place(gradient, 1, context.units, context.shape[1]), None


def _find(block: Tensor) -> Tensor | None:
    """Return the units that go on; None where leaving out the others is not worth it."""
    used = (block.amax(0) <= 0).logical_not_()  # what is not a number goes on
    units = math.ceil(int(used.sum()) / _MULTIPLE) * _MULTIPLE
    if units > _MOST * block.shape[1]:
        return None
    return used.byte().argsort(descending=True, stable=True)[:units]


def affine(block: Tensor, weight: Tensor, bias: Tensor, inputs: Reached, outputs: Reached | None = None) -> Tensor:
    """Return ``block @ weight + bias`` for a weight (M, N) and a bias (N,), with its gradients.

    Parameters
    ----------
    block : Tensor, shape (B, U)
        Of the `inputs` among M units.
    outputs : Reached, optional
        Of the result's N, for which alone gradients will come; not asked, and so to be filled, before they do.
    """
    return _Affine.apply(block, weight, bias, inputs, outputs)  # type: ignore[no-any-return, no-untyped-call]


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, block: Tensor, weight: Tensor, bias: Tensor, inputs: Reached, outputs: Reached | None
    ) -> Tensor:
        context.inputs, context.outputs, context.shape = inputs.units, outputs, weight.shape
        weight = take(weight, 0, inputs.units)
        context.save_for_backward(block, weight)
        return product(block, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        block, weight = context.saved_tensors
        upstream, (height, width) = gradients[0], context.shape
        outputs = context.outputs.units if context.outputs else None
        grad_bias = upstream.sum(0)
        upstream, weight = take(upstream, 1, outputs), take(weight, 1, outputs)
        grad_block, grad_weight = product(upstream, weight.t()), product(block.t(), upstream)
        grad_weight = place(place(grad_weight, 1, outputs, width), 0, context.inputs, height)
        return grad_block, grad_weight, grad_bias, None, None


def take(block: Tensor, dimension: int, places: Tensor | None) -> Tensor:
    """Return some places of a dimension of a matrix; itself, for None."""
    return block if places is None else block.index_select(dimension, places)


def place(part: Tensor, dimension: int, places: Tensor | None, length: int) -> Tensor:
    """Return zeros with `part` at some places of a dimension of so many; itself, for None."""
    if places is None:
        return part
    if dimension == 0:
        return part.new_zeros(length, part.shape[1]).index_copy_(0, places, part)
    return part.new_zeros(len(part), length).scatter_(
        1, places.expand(part.shape), part
    )  # twice as fast as index_copy_
