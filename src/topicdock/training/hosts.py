"""The hosts of a job, met over the network."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.samples import sample
from topicdock.contract.config import Cluster
from topicdock.contract.failure import FAILURE, report_failure
from topicdock.contract.layout import Layout
from topicdock.corpus.documents import Documents, InMemory
from topicdock.errors import CustomerError, PlatformError
from topicdock.report.summary import MOST_DOCUMENTS
from topicdock.training.data import TrainingData

PORT_VARIABLE = "TOPICDOCK_PORT"
_PORT = 9000
"""Where the built-in's hosts meet, too."""
SILENCE_VARIABLE = "TOPICDOCK_HOST_SILENCE_SECONDS"
_SILENCE = 60
"""Seconds after which a host that says nothing is given up."""


def join(cluster: Cluster, environment: Mapping[str, str], layout: Layout) -> Hosts:
    """Return the hosts of a job, connected.

    A host that falls silent from then on ends this process, with a failure file that names it: whatever waits for the
    silent host could wait for hours.

    Raises
    ------
    CustomerError
        TOPICDOCK_PORT is not a port, TOPICDOCK_HOST_SILENCE_SECONDS no number of seconds.
    PlatformError
        The hosts cannot reach each other.
    """
    if len(cluster.hosts) == 1:
        return ALONE
    port = _read_number(environment, PORT_VARIABLE, _PORT, 65535)
    silence = _read_number(environment, SILENCE_VARIABLE, _SILENCE, 86400)
    hosts: Hosts = importlib.import_module("topicdock.algorithms.connection").ConnectedHosts(
        cluster.hosts, cluster.current_host, cluster.interface, port, silence, lambda error: _give_up(error, layout)
    )
    return hosts


def _read_number(environment: Mapping[str, str], variable: str, default: int, largest: int) -> int:
    given = environment.get(variable, "") or str(default)
    if not given.isdecimal() or not 1 <= int(given) <= largest:
        raise CustomerError(
            "the environment variable has no such value",
            where=f"environment variable {variable}",
            got=repr(given),
            allowed=f"a whole number from 1 to {largest}",
        )
    return int(given)


def _give_up(error: PlatformError, layout: Layout) -> None:
    report_failure(error, layout)
    os._exit(FAILURE)


def gather_sample(documents: Documents, hosts: Hosts) -> Documents:
    """Return a sample of the documents of all hosts, for a report; the same on every host."""
    return InMemory(sample(documents, MOST_DOCUMENTS, np.random.default_rng(0), hosts))


def complete(data: TrainingData, hosts: Hosts) -> TrainingData:
    """Return `data` with no documents, where this host has no channel that other hosts have."""
    present = hosts.sum(np.array([float(data.validation is not None), float(data.test is not None)])) > 0
    nothing = InMemory(csr_matrix((0, data.train.shape[1]), dtype=np.float32))
    return replace(
        data,
        validation=(data.validation or nothing) if present[0] else None,
        test=(data.test or nothing) if present[1] else None,
    )
