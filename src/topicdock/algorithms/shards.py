"""How several hosts divide an epoch into steps that they take together, each with documents of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from topicdock.algorithms.hosts import Hosts, locate


@dataclass(frozen=True)
class Shards:
    """The documents of several hosts, which take their steps together: all have as many, however many documents.

    A host of fewer documents has smaller batches, of one without any they are empty. So an epoch is a pass over the
    documents of all hosts, and each batch that the hosts take together is a sample of them all. The processes of a host
    divide its documents, and with them each of its batches.

    Attributes
    ----------
    rank : int
        This process.
    documents : tuple of int
        How many each process has, by rank.
    processes : tuple of int
        How many processes each host has.
    """

    rank: int
    documents: tuple[int, ...]
    processes: tuple[int, ...]

    @classmethod
    def of(cls, hosts: Hosts, documents: int) -> Shards | None:
        """Ask the others how many documents they have, this process having so many; None if there is no other."""
        if hosts.size == 1:
            return None
        own = np.zeros(hosts.size)
        own[hosts.rank] = documents
        return cls(hosts.rank, tuple(hosts.sum(own).astype(int).tolist()), hosts.processes)

    def steps(self, batch: int, draw: Callable[[int], int]) -> int:
        """Return how many steps an epoch has, with batches of so many documents on each host at most.

        `draw` says how many of a process's documents an epoch takes.
        """
        return max(math.ceil(sum(map(draw, documents)) / batch) for documents in self._by_host())

    def share(self, batch: int) -> int:
        """Return how many documents of a host's batch are this process's, about."""
        host, _ = locate(self.processes, self.rank)
        return math.ceil(batch / self.processes[host])

    def _by_host(self) -> Iterator[tuple[int, ...]]:
        for end, number in zip(accumulate(self.processes), self.processes, strict=True):
            yield self.documents[end - number : end]
