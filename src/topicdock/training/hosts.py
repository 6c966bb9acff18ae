"""The hosts of a job, met over the network."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from scipy.sparse import csr_matrix

from topicdock.algorithms.hosts import ALONE, Hosts, Seat, describe
from topicdock.algorithms.samples import sample
from topicdock.contract.config import Cluster
from topicdock.corpus.documents import Documents, InMemory
from topicdock.errors import CustomerError, PlatformError
from topicdock.report.summary import MOST_DOCUMENTS
from topicdock.spec.hyperparameters import spell
from topicdock.training.data import TrainingData
from topicdock.training.variables import read_number

PORT_VARIABLE = "TOPICDOCK_PORT"
_PORT = 9000
"""Where the built-in's hosts meet, too."""
SILENCE_VARIABLE = "TOPICDOCK_HOST_SILENCE_SECONDS"
_SILENCE = 60
"""Seconds after which a host that says nothing is given up."""


def join(
    cluster: Cluster, environment: Mapping[str, str], seat: Seat, give_up: Callable[[PlatformError], None]
) -> Hosts:
    """Return the hosts of a job, connected.

    Parameters
    ----------
    seat : Seat
        Which process of its host this one is.
    give_up : callable
        Told, in another thread, of a host that falls silent from then on; it is to end this process, since whatever
        waits for the silent host could wait for hours.

    Raises
    ------
    CustomerError
        TOPICDOCK_PORT is not a port, TOPICDOCK_HOST_SILENCE_SECONDS no number of seconds.
    PlatformError
        The hosts cannot reach each other.
    """
    if len(cluster.hosts) == seat.size == 1:
        return ALONE
    port = seat.port or read_number(environment, PORT_VARIABLE, _PORT, 65535)
    silence = read_number(environment, SILENCE_VARIABLE, _SILENCE, 86400)
    hosts: Hosts = importlib.import_module("topicdock.algorithms.connection").ConnectedHosts(
        cluster.hosts, cluster.current_host, cluster.interface, port, silence, give_up, seat
    )
    return hosts


def check_alike(algorithm: str, hyperparameters: Mapping[str, Any], data: TrainingData, hosts: Hosts) -> None:
    """Raise CustomerError, on every host, unless all hosts were given the same job.

    Hosts that were not would wait for each other for ever, or add up what has nothing to do with each other.
    """
    vectors = None if data.embeddings is None else zlib.crc32(data.embeddings.vectors.tobytes())
    own = {name: spell(value) for name, value in hyperparameters.items()}
    own |= {"algorithm": algorithm, "the word vectors": "none" if vectors is None else f"checksum {vectors:x}"}
    everyone = [orjson.loads(told) for told in hosts.gather(orjson.dumps(own))]
    for rank, other in enumerate(everyone):
        names = [name for name in {**everyone[0], **other} if other.get(name) != everyone[0].get(name)]
        if names:
            name = "algorithm" if "algorithm" in names else names[0]
            raise CustomerError(
                "the hosts of a job must be given the same hyperparameters and word vectors",
                where=name,
                got=f"{everyone[0].get(name)} on the leader, {other.get(name)} on {describe(hosts, rank)}",
                todo="give every host the same; the channels of vocabulary and word vectors are to be FullyReplicated",
            )


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
