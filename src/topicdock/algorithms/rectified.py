"""The units of relu layers that some document of a batch reaches, which alone go on.

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
