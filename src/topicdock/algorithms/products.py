"""Matrix products, by the library in torch that is quicker.

torch gives float32 products to MKL, which on processors of other makers than its own leaves their wide registers
unused. oneDNN, which is part of torch as well, uses them on all: on an AMD EPYC of 2024 one core does 230 billion
operations a second by oneDNN and 105 by MKL. Both round as float32 does.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.threads import threads_for

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]

_PER_NUMBER = 64
"""Multiplications in the time that a simple operation on one number takes."""
_LARGE = 1 << 16
"""Numbers in a block from which on it is looked through for columns of zeros."""
_MULTIPLE = 64
"""Of which the number of gathered columns is one: oneDNN prepares, and keeps, a kernel for each shape it meets."""
_MOST = 0.8
"""Of the columns: where more are used, to gather them costs more than to multiply zeros."""


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of two matrices, (N, M) and (M, L); nothing is noted for autograd."""
    with threads_for(left.numel() * right.shape[1] // _PER_NUMBER):
        return _multiply(left, right)


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    empty = not (left.numel() and right.numel())  # which oneDNN refuses
    if _ONEDNN and left.dtype == torch.float32 and left.device.type == "cpu" and not empty:
        # What torch's compiler uses for a linear layer; there is no public name. It takes the second matrix transposed.
        result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
        return result
    return torch.mm(left, right)


def affine(block: Tensor, weight: Tensor, bias: Tensor, *, rectified: bool = False) -> Tensor:
    """Return ``block @ weight + bias`` for a block (B, M), a weight (M, N) and a bias (N,), with its gradients.

    Parameters
    ----------
    rectified : bool
        The block comes out of relu. Its columns of zeros, units that no document of the batch reaches, are left out of
        the products, in which they are nothing; relu asks for no gradient there. Shown shares of words, whose sums are
        small beside a unit's bias, two in three units of the authors' ETM are such.
    """
    return _Affine.apply(block, weight, bias, rectified)  # type: ignore[no-any-return, no-untyped-call]


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, block: Tensor, weight: Tensor, bias: Tensor, rectified: bool) -> Tensor:
        context.width = block.shape[1]
        context.units = units = _used(block) if rectified else None
        if units is not None:
            block, weight = block.index_select(1, units), weight.index_select(0, units)
        context.save_for_backward(block, weight)
        return product(block, weight).add_(bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        block, weight = context.saved_tensors
        upstream, units, width = gradients[0], context.units, context.width
        grad_bias = upstream.sum(0)
        outputs = _used(upstream)
        if outputs is not None:
            upstream, weight = upstream.index_select(1, outputs), weight.index_select(1, outputs)
        grad_block, grad_weight = product(upstream, weight.t()), product(block.t(), upstream)
        if outputs is not None:
            grad_weight = _place(grad_weight, 1, outputs, len(grad_bias))
        if units is not None:
            grad_block, grad_weight = _place(grad_block, 1, units, width), _place(grad_weight, 0, units, width)
        return grad_block, grad_weight, grad_bias, None


def _used(block: Tensor) -> Tensor | None:
    """Return the numbers of columns beside which all are zeros; None where leaving those out is not worth it."""
    if block.numel() < _LARGE or block.device.type != "cpu":  # which would have to be waited for
        return None
    used = block.abs().amax(0) != 0  # what is not a number is used
    columns = math.ceil(int(used.sum()) / _MULTIPLE) * _MULTIPLE
    if columns > _MOST * block.shape[1]:
        return None
    return used.byte().argsort(descending=True, stable=True)[:columns]


def _place(part: Tensor, dimension: int, places: Tensor, length: int) -> Tensor:
    """Return zeros with `part` at some places of a dimension of so many."""
    shape = list(part.shape)
    shape[dimension] = length
    return part.new_zeros(shape).index_copy_(dimension, places, part)


def similarities(left: Tensor, right: Tensor) -> Tensor:
    """Return ``left @ right.T``, shape (N, L), of rows (N, M) and (L, M), with the gradients that are asked for."""
    return _Similarities.apply(left, right)  # type: ignore[no-any-return, no-untyped-call]


class _Similarities(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, left: Tensor, right: Tensor) -> Tensor:
        context.save_for_backward(left, right)
        return product(left, right.t())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, right = context.saved_tensors
        upstream = gradients[0]
        of_left, of_right = context.needs_input_grad
        return (
            product(upstream, right) if of_left else None,
            product(upstream.t(), left) if of_right else None,
        )
