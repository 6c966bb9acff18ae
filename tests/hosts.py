"""Hosts that are threads of one process, for tests of what is done together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from topicdock.algorithms.hosts import Done, Doubles, Pending

T = TypeVar("T")
_SECONDS = 60.0


class Threads:
    """So many hosts."""

    def __init__(self, size: int, processes: tuple[int, ...] = ()) -> None:
        self.size = size
        self.processes = processes or (1,) * size
        self._parts: list[Any] = [None] * size
        self._barrier = threading.Barrier(size, timeout=_SECONDS)

    def meet(self, rank: int, part: Any) -> list[Any]:
        """Return every host's part."""
        self._parts[rank] = part
        self._barrier.wait()
        parts = list(self._parts)
        self._barrier.wait()
        return parts

    def abort(self) -> None:
        """Let nobody wait any longer."""
        self._barrier.abort()


class Seat:
    """One of the hosts, as it sees the others."""

    def __init__(self, hosts: Threads, rank: int) -> None:
        self._hosts, self.rank, self.size, self.processes = hosts, rank, hosts.size, hosts.processes

    def sum(self, array: Doubles) -> Doubles:
        total: Doubles = np.sum(self._hosts.meet(self.rank, array), axis=0)
        return total

    def reduce(self, tensor: Tensor, *, largest: bool = False) -> Pending:
        parts = self._hosts.meet(self.rank, tensor.clone())
        total = parts[0].clone()
        for part in parts[1:]:
            total = total.maximum(part) if largest else total + part
        tensor.copy_(total)
        return Done()

    def use(self, device: torch.device) -> None:
        pass

    def gather(self, data: bytes) -> list[bytes]:
        return self._hosts.meet(self.rank, data)

    def share(self, data: bytes) -> bytes:
        told: bytes = self._hosts.meet(self.rank, data)[0]
        return told

    def leave(self) -> None:
        pass


def on_every_host(tasks: Sequence[Callable[[Seat], T]], processes: tuple[int, ...] = ()) -> list[T]:
    """Run one task on each of so many hosts; the first error of any of them is raised.

    `processes` says how many each host has; one unless it is given, and then all of them are given a task.
    """
    hosts = Threads(len(tasks), processes)

    def run(rank: int) -> T:
        try:
            return tasks[rank](Seat(hosts, rank))
        except BaseException:
            hosts.abort()
            raise

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, range(len(tasks))))
