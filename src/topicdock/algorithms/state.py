"""The named tensors that training changes, as plain arrays and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_arrays(tensors: Iterator[tuple[str, Tensor]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return copies of named tensors, the names below `prefix`."""
    return {f"{prefix}/{name}": tensor.detach().cpu().numpy().copy() for name, tensor in tensors}


def below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, Tensor]:
    """Return what :func:`to_arrays` put below `prefix`."""
    start = f"{prefix}/"
    return {name.removeprefix(start): torch.tensor(a) for name, a in arrays.items() if name.startswith(start)}


@torch.no_grad()
def overwrite(tensors: Iterator[tuple[str, Tensor]], values: Mapping[str, Tensor]) -> None:
    """Copy values into the tensors of the same names."""
    for name, tensor in tensors:
        tensor.copy_(values[name])
