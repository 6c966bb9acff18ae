"""A sample of the documents of all hosts, which every host is given."""

from __future__ import annotations

import math

import numpy as np
import orjson
from scipy.sparse import csr_matrix, vstack

from topicdock.algorithms.hosts import Hosts
from topicdock.corpus.documents import Documents


def sample(documents: Documents, most: int, generator: np.random.Generator, hosts: Hosts) -> csr_matrix:
    """Return the documents of all hosts, shape (D, V), or, if there are more than `most`, about so many of them.

    Parameters
    ----------
    documents : Documents, shape (D', V)
        This host's.
    generator : numpy.random.Generator
        In the same state on every host; afterwards in another on each, where a sample is drawn.
    """
    number, vocabulary_size = documents.shape
    everywhere = int(hosts.sum(np.array([float(number)]))[0])
    rows = np.arange(number)
    if everywhere > most:
        rows = np.sort(generator.choice(number, math.ceil(most * number / everywhere), replace=False))
    counts = documents.take(rows)
    if hosts.size == 1:
        return counts
    return csr_matrix(vstack([_decode(part, vocabulary_size) for part in hosts.gather(_encode(counts))], format="csr"))


def _encode(counts: csr_matrix) -> bytes:
    arrays = counts.indptr.astype("<i8"), counts.indices.astype("<i4"), counts.data.astype("<f4")
    return b"".join([orjson.dumps(list(map(len, arrays))).ljust(64), *(array.tobytes() for array in arrays)])


def _decode(data: bytes, vocabulary_size: int) -> csr_matrix:
    lengths = orjson.loads(data[:64])
    arrays, begin = [], 64
    for kind, length in zip(("<i8", "<i4", "<f4"), lengths, strict=True):
        arrays.append(np.frombuffer(data, kind, length, begin))
        begin += arrays[-1].nbytes
    starts, words, values = arrays
    return csr_matrix((values, words, starts), (len(starts) - 1, vocabulary_size))
