"""What is asked of the training documents of all hosts before training begins."""

from __future__ import annotations

import numpy as np

from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.corpus.documents import AnyDocuments, as_documents, count_holders, count_words
from topicdock.spec.corpus_size import CorpusSize


def measure(counts: AnyDocuments, hosts: Hosts = ALONE) -> CorpusSize:
    """Return how large all hosts' documents are together."""
    documents, words = hosts.sum(np.array([float(counts.shape[0]), count_words(as_documents(counts))])).tolist()
    return CorpusSize(int(documents), words)


def expected_share(counts: AnyDocuments, batch: int, hosts: Hosts = ALONE) -> float:
    """Return the share of the vocabulary that `batch` documents of all hosts can be expected to hold."""
    sums = hosts.sum(np.append(count_holders(as_documents(counts)), float(counts.shape[0])))
    held_by = sums[:-1] / sums[-1]
    return float(np.mean(-np.expm1(batch * np.log1p(-np.minimum(held_by, 1 - 1e-9)))))
