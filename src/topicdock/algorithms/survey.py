"""What is asked of the training documents of all hosts before training begins, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.corpus.documents import AnyDocuments, as_documents
from topicdock.spec.corpus_size import CorpusSize


@dataclass(frozen=True)
class Survey:
    """All hosts' documents, counted.

    Attributes
    ----------
    size : CorpusSize
    holders : array of float64, shape (V,)
        How many documents hold each word.
    """

    size: CorpusSize
    holders: NDArray[np.float64]

    @classmethod
    def of(cls, counts: AnyDocuments, hosts: Hosts = ALONE) -> Survey:
        """Count this host's documents, shape (D, V), and add up over the hosts."""
        words, holders = 0.0, np.zeros(counts.shape[1])
        for block in as_documents(counts).blocks():
            words += float(block.sum(dtype=np.float64))
            holders += np.bincount(block.indices, minlength=len(holders))
        documents, words, *_ = sums = hosts.sum(np.concatenate([[float(counts.shape[0]), words], holders]))
        return cls(CorpusSize(int(documents), float(words)), sums[2:])

    def expected_share(self, batch: int) -> float:
        """Return the share of the vocabulary that `batch` documents can be expected to hold."""
        held_by = self.holders / self.size.documents
        return float(np.mean(-np.expm1(batch * np.log1p(-np.minimum(held_by, 1 - 1e-9)))))
