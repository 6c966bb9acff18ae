"""Matrix products, by the library in torch that is quicker.

torch gives float32 products to MKL, which on processors of other makers than its own leaves their wide registers
unused. oneDNN, which is part of torch as well, uses them on all: on an AMD EPYC of 2024 one core does 230 billion
operations a second by oneDNN and 105 by MKL. Both round as float32 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.sparse import RowGradient
from topicdock.algorithms.threads import threads_for

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]

_PER_NUMBER = 64
"""Multiplications in the time that a simple operation on one number takes."""


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the product of two matrices, (N, M) and (M, L), plus a bias (L,); nothing is noted for autograd."""
    with threads_for(left.numel() * right.shape[1] // _PER_NUMBER):
        return _multiply(left, right, bias)


def _multiply(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    empty = not (left.numel() and right.numel())  # which oneDNN refuses
    if _ONEDNN and left.dtype == torch.float32 and left.device.type == "cpu" and not empty:
        # What torch's compiler uses for a linear layer; there is no public name. It takes the second matrix transposed.
        result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")
        return result
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


@dataclass(frozen=True)
class FactoredGradient:
    """A gradient as the product of its factors, shapes (N, L) and (L, M): by parts, no whole one is ever in memory."""

    left: Tensor
    right: Tensor

    @property
    def rows(self) -> Tensor:
        """The numbers of all N rows."""
        return torch.arange(len(self.left))

    def part(self, first: int, last: int) -> RowGradient:
        """Return the rows from number `first` to before `last`."""
        return RowGradient(torch.arange(first, last), product(self.left[first:last], self.right))

    def whole(self) -> RowGradient:
        """Return all rows."""
        return self.part(0, len(self.left))


@dataclass
class Apart:
    """Where the backward pass leaves a gradient that the optimiser takes by parts."""

    gradient: FactoredGradient | RowGradient | None = None


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
