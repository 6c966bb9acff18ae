"""Where a fit's batches come from: laid out on the host for a processor's kernels, or on a device for a device's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.batches import Batch, BatchSettings, iterate
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


class HostBatches:
    """Batches for a processor, prepared in a thread while it trains on those before."""

    def __init__(self, documents: Documents, settings: BatchSettings) -> None:
        self._documents, self._settings = documents, settings

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch from number `first` on."""
        return iterate(self._documents, self._settings, epoch, first)

    def of(self, counts: csr_matrix) -> Batch:
        """Lay out documents, shape (B, V), to be scored as they are."""
        return Batch.of(counts, self._settings.encoder_input)


def open_source(documents: Documents, settings: BatchSettings, device: torch.device | None) -> BatchSource:
    """Return the batches of documents on a device, or, without one, for the processor."""
    return HostBatches(documents, settings) if device is None else DeviceBatches(documents, settings, device)
