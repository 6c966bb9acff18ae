"""Batches for tests, prepared as a fit's are."""

from __future__ import annotations

from topicdock.algorithms.batch_sources import HostBatches
from topicdock.algorithms.batches import Batch, BatchSettings
from topicdock.corpus.documents import AnyDocuments, as_documents


def batches_of(counts: AnyDocuments, settings: BatchSettings, epoch: int = 1, first: int = 0) -> list[Batch]:
    """Return the batches of one epoch from number `first` on."""
    return list(HostBatches(as_documents(counts), settings, epoch).epoch(epoch, first))
