"""One channel of a job, in whatever mode it comes, to documents in memory or on disk."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.contract.config import ChannelConfig
from topicdock.contract.pipe import open_pipe
from topicdock.corpus.bag_of_words import check_exact
from topicdock.corpus.documents import Documents, share
from topicdock.corpus.files import read_blocks
from topicdock.corpus.media_types import RECORDIO, MediaType, parse_media_type
from topicdock.corpus.storage import Storage
from topicdock.corpus.streams import read_stream, unpack, unwrap
from topicdock.errors import CustomerError
from topicdock.machine import Machine

MEMORY_VARIABLE = "TOPICDOCK_MEMORY_MB"
PIPE = "Pipe"
MODES = ("File", "FastFile", PIPE)
_SHARE_OF_MEMORY = 4
"""One in so many bytes of memory is for documents: putting them together takes as much again, and there are models."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What a host takes of documents that every host has.

    Attributes
    ----------
    host : int
        Its number, from 0.
    processes : tuple of int
        How many processes each host has. Each of them takes every so-many-th document.
    """

    host: int = 0
    processes: tuple[int, ...] = (1,)

    def share(self, blocks: Iterable[csr_matrix]) -> Iterator[csr_matrix]:
        """Yield the documents for this host's processes."""
        return share(blocks, sum(self.processes[: self.host]), sum(self.processes), self.processes[self.host])


EVERYTHING = Part()


def open_storage(environment: Mapping[str, str], processes: int) -> Storage:
    """Return where a job's documents are to be kept, for so many processes of this host.

    Raises
    ------
    CustomerError
        TOPICDOCK_MEMORY_MB is not a number.
    """
    given = environment.get(MEMORY_VARIABLE, "")
    folder = Path(tempfile.gettempdir())
    if not given:
        memory = Machine.probe().memory // _SHARE_OF_MEMORY
        return Storage(memory, f"a quarter of this machine's; {MEMORY_VARIABLE} sets it", folder, processes)
    if not given.isdecimal():
        raise CustomerError(
            "the memory for documents is not a number of megabytes",
            where=f"environment variable {MEMORY_VARIABLE}",
            got=repr(given),
            allowed="a whole number",
        )
    return Storage(int(given) * 1_000_000, MEMORY_VARIABLE, folder, processes)


def media_type_of(channel: ChannelConfig) -> MediaType:
    """Return what a channel of documents says it is, or else what the built-in algorithms take it for."""
    return parse_media_type(channel.content_type or RECORDIO)


def name_documents(channel: str) -> str:
    """Return what documents of a channel are called, in the log and in the storage."""
    return f"channel {channel}"


def read_documents(
    channel: ChannelConfig, feature_dim: int, storage: Storage, part: Part = EVERYTHING
) -> tuple[Documents, float]:
    """Read a channel of documents, once and from beginning to end.

    Parameters
    ----------
    part : Part
        What this host keeps of documents that every host has.

    Returns
    -------
    Documents and float
        This process's documents, those of the host's others being dealt in the storage; the words of the whole channel,
        as far as this host has it.

    Raises
    ------
    CustomerError
        The channel holds something else than word counts; the first bad record is named.
    """
    started = time.perf_counter()
    divided = len(part.processes) > 1 and not channel.sharded
    seen, kept = _Seen(channel), _Seen(channel)
    try:
        blocks = seen.passing(_blocks(channel, feature_dim))
        own = kept.passing(part.share(blocks)) if divided else blocks
        documents = storage.keep(own, feature_dim, name_documents(channel.name))
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error
    _logger.info(
        "Read %d documents with %d words from channel %s in %.2f seconds.",
        seen.documents, seen.words, channel.name, time.perf_counter() - started,
    )  # fmt: skip
    if divided:
        _logger.info(
            "Every host has all documents of channel %s; this one, number %d of %d, takes %d of them.",
            channel.name, part.host + 1, len(part.processes), kept.documents,
        )  # fmt: skip
    return documents, seen.words


def read_bytes(channel: ChannelConfig) -> bytes:
    """Read the one object that comes through the pipe of a channel.

    Raises
    ------
    CustomerError
        There are several, which in a pipe have no names.
    """
    with open_pipe(channel.pipe) as stream:
        if not channel.wrapped:
            return b"".join(unpack(iter(stream.read, b"")))
        objects = [b"".join(unpack(pieces)) for pieces in unwrap(stream)]
    if len(objects) != 1:
        raise CustomerError(
            "in a pipe files have no names, so that the channel must be one file",
            where=f"channel {channel.name}, in input mode {PIPE}",
            got=f"{len(objects)} files",
            todo="give this channel the input mode File; channels may differ in it",
        )
    return objects[0]


def _blocks(channel: ChannelConfig, feature_dim: int) -> Iterator[csr_matrix]:
    media_type = media_type_of(channel)
    if channel.input_mode != PIPE:
        yield from read_blocks(channel.folder, media_type, feature_dim)
        return
    _logger.info(
        "Channel %s is read once, from %s; every epoch is of the documents kept then, and no other pipe is opened.",
        channel.name, channel.pipe,
    )  # fmt: skip
    with open_pipe(channel.pipe) as stream:
        try:
            yield from read_stream(stream, media_type, feature_dim, wrapped=channel.wrapped)
        except CustomerError as error:
            raise error.inside(f"pipe {channel.pipe.name}") from error


class _Seen:
    """Counts what passes, and stops at a count that is too large."""

    def __init__(self, channel: ChannelConfig) -> None:
        self._channel = channel
        self.documents, self.words = 0, 0.0

    def passing(self, blocks: Iterable[csr_matrix]) -> Iterator[csr_matrix]:
        for block in blocks:
            check_exact(block, lambda row: f"document {self.documents + row + 1} of all its files")
            self.documents += block.shape[0]
            self.words += float(block.data.sum(dtype=np.float64))
            yield block
