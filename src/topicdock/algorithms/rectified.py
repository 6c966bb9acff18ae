"""The units of relu layers that some document of a batch reaches, which alone go on.

Shown shares of words, whose sums are small beside a unit's bias, two in three units of the authors' ETM are zero for
every document of a batch. They add nothing to the layer above, and relu asks for no gradient there: left out, the
layer's block and the products above and below it are as much smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 16
"""Numbers in a block from which on it is looked through for units that no document reaches."""
_MULTIPLE = 64
"""Of which the number of units that go on is one: oneDNN prepares, and keeps, a kernel for each shape it meets."""
_MOST = 0.8
"""Of the units: where more are reached, to gather them costs more than to multiply zeros."""


@dataclass
class Reached:
    """The units of a layer that go on, rising, a few of the others among them; None are all.

    Filled in by :func:`rectify`, for the layer above.
    """

    units: Tensor | None = None


def rectify(block: Tensor, reached: Reached) -> Tensor:
    """Return what relu makes of a block (B, N), which is overwritten, for the units that go on: (B, U).

    On one core: what is done to each number is so little, and the block so near it, that a second one would come late.
    Nothing is noted for autograd.
    """
    block = block.relu_()
    if block.numel() >= _LARGE and block.device.type == "cpu":  # any other would have to be waited for
        reached.units = _find(block)
    return take(block, 1, reached.units)


def _find(block: Tensor) -> Tensor | None:
    """Return the units that go on, of a block without negative numbers; None where to leave out others does not pay."""
    # What is not a number goes on. Of so few numbers numpy makes ten times as short work as torch.
    used = block.sum(0).numpy() != 0
    units = math.ceil(np.count_nonzero(used) / _MULTIPLE) * _MULTIPLE
    if units > _MOST * len(used):
        return None
    chosen = np.argsort(~used, kind="stable")[:units]
    return torch.from_numpy(np.sort(chosen))


def hold_back(upstream: Tensor, kept: Tensor) -> Tensor:
    """Return the gradient, (B, U), of what :func:`rectify` was given, for that of what it returned."""
    held: Tensor = torch.ops.aten.threshold_backward(upstream, kept, 0)
    return held


def take(block: Tensor, dimension: int, places: Tensor | None) -> Tensor:
    """Return some places of a dimension; itself, for None."""
    return block if places is None else block.index_select(dimension, places)


def place(part: Tensor, dimension: int, places: Tensor | None, length: int) -> Tensor:
    """Return zeros with `part`, of one or two dimensions, at some places of one that has so many; itself, for None."""
    if places is None:
        return part
    if dimension == 0:
        return part.new_zeros(length, *part.shape[1:]).index_copy_(0, places, part)
    return part.new_zeros(len(part), length).scatter_(
        1, places.expand(part.shape), part
    )  # twice as fast as index_copy_
