"""What the hosts of a training job do together: they add up arrays, and tell each other bytes.

A host with several GPUs has a process for each; then these are what does it together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from topicdock.errors import PlatformError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Doubles = NDArray[np.float64]
T = TypeVar("T", bound="np.generic[Any]")


class HostLostError(PlatformError):
    """The connection to another host is gone, for a reason that is known there."""


class Pending(Protocol):
    """Something that the hosts have begun to do together."""

    def wait(self) -> None:
        """Return when it is done."""


class Hosts(Protocol):
    """The processes of a job, this one among them. What one of them calls, all must call, in one order."""

    rank: int
    """This process's number among them, from 0, host by host."""

    size: int
    """How many there are."""

    processes: tuple[int, ...]
    """How many of them each host has: mostly one."""

    def sum(self, array: Doubles) -> Doubles:
        """Return the sum of every host's `array`, the same bits on every host."""

    def reduce(self, tensor: Tensor, *, largest: bool = False) -> Pending:
        """Begin to replace `tensor` by the sum of every host's, or by the largest of each number."""

    def use(self, device: torch.device) -> None:
        """Prepare to reduce tensors on `device`, this host's; every host has one."""

    def gather(self, data: bytes) -> list[bytes]:
        """Return every host's `data`, by rank."""

    def share(self, data: bytes) -> bytes:
        """Return the leader's `data`, that of rank 0."""

    def leave(self) -> None:
        """Wait until every host is here, and part."""


@dataclass(frozen=True)
class Seat:
    """One of the processes of a host, before it has met the others.

    Attributes
    ----------
    place, size : int
        Its number, from 0, and how many the host has.
    port : int
        On which the leader waits, if these are the processes of a single host; else 0.
    listener : int, optional
        The descriptor of the leader's socket there, if this is the leader.
    """

    place: int = 0
    size: int = 1
    port: int = 0
    listener: int | None = None


ONLY = Seat()
"""That of a host's only process."""


class Done:
    """Nothing to wait for."""

    def wait(self) -> None:
        """Return."""


class OneHost:
    """A job on one host: every sum is its own."""

    rank = 0
    size = 1
    processes: tuple[int, ...] = (1,)

    def sum(self, array: Doubles) -> Doubles:
        """Return `array`."""
        return array

    def reduce(self, tensor: Tensor, *, largest: bool = False) -> Pending:
        """Leave `tensor` as it is."""
        return Done()

    def use(self, device: torch.device) -> None:
        """Do nothing."""

    def gather(self, data: bytes) -> list[bytes]:
        """Return the one host's `data`."""
        return [data]

    def share(self, data: bytes) -> bytes:
        """Return `data`."""
        return data

    def leave(self) -> None:
        """Do nothing."""


ALONE: Hosts = OneHost()


def share_array(hosts: Hosts, array: NDArray[T]) -> NDArray[T]:
    """Return the leader's `array`, which on every host has the same shape and type.

    For what is alike on hosts but for rounding, which differs between kinds of processors, and has to be the same.
    """
    if hosts.size == 1:
        return array
    return np.frombuffer(hosts.share(array.tobytes()), array.dtype).reshape(array.shape)


def locate(processes: Sequence[int], rank: int) -> tuple[int, int]:
    """Return the number of a process's host, and its own number there, both from 0; see :attr:`Hosts.processes`."""
    ends = list(accumulate(processes))
    host = bisect_right(ends, rank)
    return host, rank - ends[host] + processes[host]


def describe(hosts: Hosts, rank: int) -> str:
    """Return in words which host has a rank, and which of its processes if there are several."""
    host, place = locate(hosts.processes, rank)
    number = hosts.processes[host]
    process = f"process {place + 1} of {number} of " if number > 1 else ""
    return f"{process}host {host + 1} of {len(hosts.processes)}"
