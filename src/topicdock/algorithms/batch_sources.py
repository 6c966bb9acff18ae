"""Where a fit's batches come from: laid out on the host for a processor's kernels, or on a device for a device's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.batches import Batch, BatchSettings, Epoch
from topicdock.algorithms.device_batches import DeviceBatches
from topicdock.corpus.documents import Documents


class AnyBatch(Protocol):
    """B documents: a ``Batch`` or a ``DeviceBatch``, each with an input for its own kind of first layer."""

    @property
    def input(self) -> Any:
        """What the encoder is given."""

    @property
    def input_by_word(self) -> Any:
        """The same, as the gradient of the first layer needs it."""

    @property
    def values(self) -> Tensor:
        """The counts that the decoder is to predict."""

    @property
    def lengths(self) -> Tensor:
        """The sum of each document's counts to predict, shape (B,)."""

    def __len__(self) -> int:
        """Return B."""

    def words(self) -> float | Tensor:
        """Return how many words there are to predict."""


class BatchSource(Protocol):
    """The batches of a corpus."""

    def epoch(self, epoch: int, first: int = 0) -> Iterator[AnyBatch]:
        """Yield the batches of one epoch from number `first` on; the same seed and epoch give the same batches."""

    def of(self, counts: csr_matrix) -> AnyBatch:
        """Lay out documents, shape (B, V), to be scored as they are."""

    def forget(self) -> None:
        """Let go of what has been prepared for training, which is over."""


@dataclass(frozen=True)
class _Group:
    """Batches that are being prepared: of which epoch, and which of its groups."""

    epoch: Epoch
    number: int
    batches: Future[list[Batch]]


class HostBatches:
    """Batches for a processor, prepared in a thread while it trains on those before.

    Parameters
    ----------
    epochs : int
        After the last of which nothing is prepared: while any other epoch ends, the next one is.
    """

    def __init__(self, documents: Documents, settings: BatchSettings, epochs: int) -> None:
        self._documents, self._settings, self._epochs = documents, settings, epochs
        self._thread = ThreadPoolExecutor(1)
        self._upcoming: _Group | None = None

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch from number `first` on."""
        current = self._upcoming.epoch if self._upcoming is not None else None
        if current is None or current.number != epoch:
            current = Epoch(self._documents, self._settings, epoch)
        begin, skipped = divmod(first, current.in_group)
        for number in range(begin, len(current)):
            batches = self._take(current, number)
            if number + 1 < len(current):
                self._begin(current, number + 1)
            elif epoch < self._epochs:
                self._begin(Epoch(self._documents, self._settings, epoch + 1), 0)
            yield from batches[skipped:]
            skipped = 0

    def _begin(self, epoch: Epoch, number: int) -> None:
        self._upcoming = _Group(epoch, number, self._thread.submit(epoch.prepare, number))

    def _take(self, epoch: Epoch, number: int) -> list[Batch]:
        upcoming, self._upcoming = self._upcoming, None
        if upcoming is not None and (upcoming.epoch.number, upcoming.number) == (epoch.number, number):
            return upcoming.batches.result()
        return epoch.prepare(number)

    def of(self, counts: csr_matrix) -> Batch:
        """Lay out documents, shape (B, V), to be scored as they are."""
        return Batch.of(counts, self._settings.encoder_input)

    def forget(self) -> None:
        """Let go of what has been prepared, and of the thread that does it."""
        self._upcoming = None
        self._thread.shutdown(wait=False, cancel_futures=True)


def open_source(documents: Documents, settings: BatchSettings, device: torch.device | None, epochs: int) -> BatchSource:
    """Return the batches of documents on a device, or, without one, for the processor."""
    return HostBatches(documents, settings, epochs) if device is None else DeviceBatches(documents, settings, device)
