"""The hosts of a job, met over the network."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from topicdock.algorithms.hosts import Hosts, OneHost
from topicdock.contract.config import Cluster
from topicdock.errors import CustomerError

PORT_VARIABLE = "TOPICDOCK_PORT"
_PORT = 9000
"""Where the built-in's hosts meet, too."""


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
        return OneHost()
    given = environment.get(PORT_VARIABLE, "") or str(_PORT)
    if not given.isdecimal() or not 1 <= int(given) <= 65535:
        raise CustomerError(
            "the port on which hosts meet is not one",
            where=f"environment variable {PORT_VARIABLE}",
            got=repr(given),
            allowed="a number from 1 to 65535",
        )
    hosts: Hosts = importlib.import_module("topicdock.algorithms.connection").ConnectedHosts(
        cluster.hosts, cluster.current_host, cluster.interface, int(given)
    )
    return hosts
