"""Matrix products, by the library in torch that is quicker.

torch gives float32 products to MKL, which on processors of other makers than its own leaves their wide registers
unused. oneDNN, which is part of torch as well, uses them on all: on an AMD EPYC of 2024 one core does 230 billion
operations a second by oneDNN and 105 by MKL. Both round as float32 does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from topicdock.algorithms.threads import threads_for

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]

_PER_NUMBER = 64
"""Multiplications in the time that a simple operation on one number takes."""


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the product of two matrices, (N, M) and (M, L), plus a bias (L,); nothing is noted for autograd."""
    with threads_for(left.numel() * right.shape[1] // _PER_NUMBER):
        return _multiply(left, right, bias)


def product_of_transposed(left: Tensor, right: Tensor) -> Tensor:
    """Return ``left.T @ right``, shape (M, L), of matrices (N, M) and (N, L); nothing is noted for autograd.

    The narrower of the two is laid out anew, which oneDNN would ask of the first.
    """
    if left.shape[1] > right.shape[1]:
        return product(right.t(), left).t()
    return product(left.t(), right)


def _multiply(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    empty = not (left.numel() and right.numel())  # which oneDNN refuses
    if _ONEDNN and left.dtype == torch.float32 and left.device.type == "cpu" and not empty:
        # What torch's compiler uses for a linear layer; there is no public name. It takes the second matrix transposed.
        result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")
        return result
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)
