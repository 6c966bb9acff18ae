"""The hosts of a job, met over the network."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from topicdock.contract.config import Cluster
from topicdock.errors import CustomerError

PORT_VARIABLE = "TOPICDOCK_PORT"
_PORT = 9000
"""Where the built-in's hosts meet, too."""


class Hosts(Protocol):
    """What a job needs of its hosts."""

    rank: int
    size: int

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of every host's `array`."""

    def leave(self) -> None:
        """Wait for the others, and part."""


class _Alone:
    """A job on one host, for which nothing is imported."""

    rank = 0
    size = 1

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        return array

    def leave(self) -> None:
        pass


def join(cluster: Cluster, environment: Mapping[str, str]) -> Hosts:
    """Return the hosts of a job, connected.

    Raises
    ------
    CustomerError
        TOPICDOCK_PORT is not a port.
    PlatformError
        The hosts cannot reach each other.
    """
    if len(cluster.hosts) == 1:
        return _Alone()
    given = environment.get(PORT_VARIABLE, "") or str(_PORT)
    if not given.isdecimal() or not 1 <= int(given) <= 65535:
        raise CustomerError(
            "the port on which hosts meet is not one",
            where=f"environment variable {PORT_VARIABLE}",
            got=repr(given),
            allowed="a number from 1 to 65535",
        )
    hosts: Hosts = importlib.import_module("topicdock.algorithms.hosts").ConnectedHosts(
        cluster.hosts, cluster.current_host, cluster.interface, int(given)
    )
    return hosts
