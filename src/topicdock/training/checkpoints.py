"""A job's checkpoints: where a fit's snapshots are kept, and whether they are of this very job."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.snapshots import Snapshot
from topicdock.contract.checkpoints import Checkpoint, CheckpointFolder
from topicdock.contract.config import read_checkpoint_path
from topicdock.contract.layout import Layout
from topicdock.corpus.documents import checksum
from topicdock.errors import CustomerError
from topicdock.spec.hyperparameters import spell
from topicdock.training.data import TrainingData
from topicdock.training.variables import read_number

INTERVAL_VARIABLE = "TOPICDOCK_CHECKPOINT_SECONDS"
_INTERVAL = 300
"""Seconds between two checkpoints at most, if epochs are longer."""
_ALGORITHM = "algorithm"
_NAMED = 5
"""Differences between two jobs that are told."""
_logger = logging.getLogger(__name__)

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What makes a job the one that a checkpoint is of.

    Attributes
    ----------
    facts : mapping
        What has to be the same, in words and figures.
    shards : sequence of str
        Which training documents each host has. They may be dealt to the hosts anew.
    """

    facts: Facts
    shards: Sequence[str] = ()


class JobCheckpoints:
    """Keeps the snapshots of a job, on the leader; all hosts go on from the leader's.

    They are written while training goes on; what a checkpoint costs a step is a copy of the weights. Where writing
    takes longer than an epoch, some epochs have none.

    Parameters
    ----------
    folder : CheckpointFolder, optional
        The leader's; None on other hosts, and where the job has no checkpoints.
    identity : Identity
    hosts : Hosts
    seconds : float
        Between two checkpoints at most.
    """

    def __init__(
        self, folder: CheckpointFolder | None, identity: Identity, hosts: Hosts, seconds: float = _INTERVAL
    ) -> None:
        self._folder, self._hosts, self._seconds = folder, hosts, seconds
        self._identity, self._shards = dict(identity.facts), list(identity.shards)
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._kept = time.monotonic()
        self.log_facts: Callable[[], Facts] = dict
        """Asked for what the job's log needs to go on."""
        self.log_restored: Callable[[Facts], None] = lambda _: None
        """Told what :attr:`log_facts` gave."""

    def restore(self) -> Snapshot | None:
        """Return the snapshot to go on from, if there is one.

        Raises
        ------
        CustomerError
            It is of another job.
        """
        found = self._folder.find() if self._folder is not None else None
        data = self._hosts.share(found or b"")
        if not data:
            return None
        checkpoint = Checkpoint.decode(data)
        self._check(checkpoint.facts["identity"])
        self.log_restored(checkpoint.facts["log"])
        dealt_anew = checkpoint.facts["shards"] != self._shards
        if dealt_anew:
            _logger.warning(
                "The training documents are dealt to the hosts in another way than when the checkpoint was made; an "
                "epoch that had begun begins again."
            )
        return Snapshot(checkpoint.arrays, checkpoint.facts["fit"], dealt_anew)

    def due(self) -> bool:
        """Return whether so much time has gone by that a snapshot is due before the epoch is over."""
        return self._folder is not None and time.monotonic() - self._kept > self._seconds

    def keep(self, make: Callable[[], Snapshot], *, wait: bool) -> bool:
        """Begin to write a snapshot, unless the one before it is still being written; return whether it was begun.

        With `wait`, wait for that one. A failure to write is a warning.
        """
        if self._folder is None or (self._writing is not None and not self._writing.done() and not wait):
            return False
        self.finish()
        self._kept = time.monotonic()
        snapshot = make()
        facts = {
            "identity": self._identity, "shards": self._shards, "fit": snapshot.facts, "log": self.log_facts(),
        }  # fmt: skip
        self._writing = self._writer.submit(_write, self._folder, Checkpoint(snapshot.arrays, facts))
        return True

    def finish(self) -> None:
        """Wait until the last snapshot is written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _check(self, kept: Facts) -> None:
        names = [name for name in {**kept, **self._identity} if kept.get(name) != self._identity.get(name)]
        if _ALGORITHM in names:  # then the others follow from it
            names = [_ALGORITHM]
        other = [f"{name} {kept.get(name)} there, {self._identity.get(name)} here" for name in names[:_NAMED]]
        if other:
            raise CustomerError(
                "the checkpoints are those of another job, which this one cannot go on from",
                where=str(self._folder.path) if self._folder is not None else "the leader's checkpoint folder",
                got="; ".join(other),
                allowed="checkpoints of the same algorithm, hyperparameters, documents and number of hosts",
                todo="give the job an empty checkpoint folder (CheckpointConfig's S3Uri), or what that job was given",
            )


def open_checkpoints(
    layout: Layout, environment: Mapping[str, str], identity: Identity, hosts: Hosts
) -> JobCheckpoints:
    """Return the checkpoints of a job, in the folder that it gave the leader, if it did.

    Raises
    ------
    CustomerError
        TOPICDOCK_CHECKPOINT_SECONDS is not a number of seconds.
    """
    seconds = read_number(environment, INTERVAL_VARIABLE, _INTERVAL, 86400)
    path = read_checkpoint_path(layout) if hosts.rank == 0 else None
    where = hosts.share(str(path or "").encode()).decode()
    if where:
        _logger.info("A checkpoint is written after every epoch, and every %d seconds, to %s.", seconds, where)
    else:
        _logger.info("Checkpoint loading and saving are disabled.")
    return JobCheckpoints(CheckpointFolder(path) if path else None, identity, hosts, seconds)


def describe_job(algorithm: str, hyperparameters: Facts, data: TrainingData, hosts: Hosts) -> Identity:
    """Return what makes a job this one: algorithm, hyperparameters, documents and hosts, each in words and figures."""
    facts = {name: spell(value) for name, value in hyperparameters.items()}
    shards: dict[str, list[str]] = {}
    for name, documents in (("train", data.train), ("validation", data.validation)):
        if documents is not None:
            own = orjson.dumps([documents.shape[0], checksum(documents)])
            everyone = [orjson.loads(told) for told in hosts.gather(own)]
            shards[name] = [_describe(*shard) for shard in everyone]
            facts[f"the channel {name}"] = _describe(*map(sum, zip(*everyone, strict=True)))
    if data.embeddings is not None:
        facts["the word vectors"] = f"checksum {zlib.crc32(data.embeddings.vectors.tobytes()):x}"
    return Identity(facts | {_ALGORITHM: algorithm, "the number of hosts": _count(hosts)}, shards["train"])


def _count(hosts: Hosts) -> str:
    """Return in words how many hosts there are, and how many processes each has if any has several."""
    number = str(len(hosts.processes))
    several = hosts.size > len(hosts.processes)
    return f"{number}, with {', '.join(map(str, hosts.processes))} processes" if several else number


def _describe(documents: int, total: int) -> str:
    return f"{documents} documents (checksum {total:x})"


def _write(folder: CheckpointFolder, checkpoint: Checkpoint) -> None:
    try:
        folder.keep(checkpoint)
    except OSError as error:
        _logger.warning(
            "No checkpoint could be written to %s: %s. Training goes on.", folder.path, error.strerror or error
        )
