"""What the first process of a host has read, handed to the others: their documents, and word vectors to train with."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import orjson

from topicdock.corpus.spool import Spool
from topicdock.corpus.storage import Storage
from topicdock.corpus.word_vectors import WordVectors
from topicdock.training.channels import name_documents
from topicdock.training.data import TrainingData

END = b"\n"
"""Of a message."""
MOST_DESCRIPTORS = 4
_DOCUMENTS = ("train", "validation", "test")
_VECTORS = "vectors"


def hand_out(data: TrainingData, storage: Storage, links: Sequence[socket.socket]) -> None:
    """Send each of the other processes, by place, the documents dealt to it.

    Words, and what topics are judged by, stay with the process that writes the model. A process that is gone is passed
    over.
    """
    held = {name: storage.dealt[name_documents(name)] for name in _DOCUMENTS if getattr(data, name) is not None}
    with _put_down(data.embeddings) as vectors:
        shape = None if data.embeddings is None else data.embeddings.vectors.shape
        for place, link in enumerate(links, start=1):
            handed = {name: spools[place].hand_over() for name, spools in held.items()}
            facts = {name: documents for name, (_, documents) in handed.items()} | {_VECTORS: shape}
            descriptors = [descriptor for descriptor, _ in handed.values()] + [vectors.fileno()]
            with contextlib.suppress(OSError):
                socket.send_fds(link, [orjson.dumps(facts) + END], descriptors)


def take(message: bytes, descriptors: Sequence[int], feature_dim: int) -> TrainingData:
    """Return what was sent; the descriptors become this process's own."""
    facts = orjson.loads(message)
    left = iter(descriptors)
    folder = Path(tempfile.gettempdir())
    train, validation, test = (
        Spool.take_over(next(left), facts[name], feature_dim, folder) if name in facts else None for name in _DOCUMENTS
    )
    embeddings = _pick_up(next(left), facts[_VECTORS])
    if train is None:
        raise ValueError("no training documents were sent")
    return TrainingData(train, validation, test, None, None, embeddings=embeddings)


def _put_down(vectors: WordVectors | None) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    if vectors is not None:
        file.write(vectors.vectors.astype(np.float32, copy=False).data)
        file.write(vectors.known.astype(np.bool_, copy=False).data)
        file.flush()
    return file


def _pick_up(descriptor: int, shape: tuple[int, int] | None) -> WordVectors | None:
    with os.fdopen(descriptor, "rb") as file:
        if shape is None:
            return None
        # Mapped, not read: where the file stands is the same for all processes that have it.
        vectors = np.array(np.memmap(file, np.float32, "r", shape=tuple(shape)))
        known = np.array(np.memmap(file, np.bool_, "r", vectors.nbytes, (shape[0],)))
        return WordVectors(vectors, known)
