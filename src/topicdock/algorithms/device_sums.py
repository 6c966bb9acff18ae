"""How tensors on the devices of several hosts are added up: from GPU to GPU over NCCL, or else by way of the hosts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from topicdock.algorithms.hosts import Pending

_CUDA = "cuda"


def can_join(device: torch.device) -> bool:
    """Return whether NCCL can be had for a device."""
    return device.type == _CUDA and torch.distributed.is_nccl_available()


def join_devices(timeout: timedelta) -> Any:
    """Return a group of all hosts' current GPUs, over NCCL; what it begins is done in the order of each GPU's work."""
    return torch.distributed.new_group(timeout=timeout, backend="nccl")


def add_ones(group: Any, device: torch.device) -> float:
    """Return the sum of every host's 1, added up in a group of devices: a trial, which waits for the device."""
    trial = torch.ones(1, device=device)
    torch.distributed.all_reduce(trial, group=group)
    return float(trial)


class ByHost:
    """A collective on a copy of a device's tensor that is on the host, for hosts whose devices do not reach each other.

    Parameters
    ----------
    tensor : Tensor
        On a device. It is replaced when the collective has been waited for.
    begin : callable
        Begins the collective on a tensor of the host.
    """

    def __init__(self, tensor: Tensor, begin: Callable[[Tensor], Pending]) -> None:
        self._tensor = tensor
        self._copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == _CUDA)
        self._copy.copy_(tensor)
        self._pending = begin(self._copy)

    def wait(self) -> None:
        """Return when the tensor is replaced, or will be before anything that the device is told to do from now on."""
        self._pending.wait()
        self._tensor.copy_(self._copy, non_blocking=True)
