"""How fast bags of words are read: every format, beside the obvious ways to do it and beside a copy of memory.

    .venv/bin/python benchmarks/reading.py                                   a corpus drawn at random
    .venv/bin/python benchmarks/reading.py --data ../shared/data/20ng_etm    a folder with train.npz

Every figure is the best of several runs, in the processor's time of this process, so that other work on the machine
disturbs it as little as possible. MB are 10**6 bytes of the format at hand.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, load_npz

from topicdock.corpus import (
    decode_csv,
    decode_json,
    decode_jsonlines,
    decode_records,
    encode_counts,
    encode_csv,
    encode_json,
    encode_jsonlines,
)
from topicdock.corpus.record_message import RecordMessage
from topicdock.corpus.recordio import read_records

SLOW_DOCUMENTS = 1000
"""Documents given to the ways that are many times slower; speeds do not depend on it."""


@dataclass(frozen=True)
class Case:
    """One row of the table: a way to read, the bytes, and how many documents they hold."""

    name: str
    body: bytes
    documents: int
    read: Callable[[bytes], Any]


def draw_corpus(documents: int, features: int, seed: int = 0) -> csr_matrix:
    """Draw documents of about 80 different words, the frequent ones first, as in real text."""
    random = np.random.default_rng(seed)
    words = np.minimum((random.pareto(0.8, (documents, 120)) * 30).astype(np.int64), features - 1)
    rows = np.repeat(np.arange(documents), 120)
    return csr_matrix((np.ones(words.size, dtype=np.float32), (rows, words.ravel())), shape=(documents, features))


def read_with_protobuf_loop(body: bytes) -> csr_matrix:
    """Read sparse records as one would write it down: a message each, a row each."""
    data: list[float] = []
    ids: list[int] = []
    ends = [0]
    features = 0
    for payload in read_records(body):
        tensor = RecordMessage.FromString(payload).features["values"].float32_tensor
        data.extend(tensor.values)
        ids.extend(tensor.keys)
        ends.append(len(data))
        features = tensor.shape[0]
    return csr_matrix((np.array(data, dtype=np.float32), ids, ends), shape=(len(ends) - 1, features))


def read_with_loadtxt(body: bytes) -> csr_matrix:
    """Read CSV through a dense matrix."""
    return csr_matrix(np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32, ndmin=2))


def make_cases(counts: csr_matrix) -> list[Case]:
    """Encode the corpus in every format, dense ones for as many documents as fit comfortably."""
    features = counts.shape[1]
    some = counts[: max(1, min(counts.shape[0], 20_000_000 // features))]
    few = counts[:SLOW_DOCUMENTS]
    sparse, csv = encode_counts(counts), encode_csv(some)

    def case(name: str, body: bytes, bag: csr_matrix, read: Callable[[bytes, int], csr_matrix]) -> Case:
        return Case(name, body, bag.shape[0], lambda data: read(data, features))

    return [
        Case("copy of memory", sparse, counts.shape[0], bytearray),
        case("RecordIO sparse float32", sparse, counts, decode_records),
        case("RecordIO sparse float64", encode_counts(counts, dtype="float64"), counts, decode_records),
        case("RecordIO sparse int32", encode_counts(counts, dtype="int32"), counts, decode_records),
        case("RecordIO dense float32", encode_counts(some, dense=True), some, decode_records),
        Case("  protobuf in a loop", encode_counts(few), few.shape[0], read_with_protobuf_loop),
        case("CSV", csv, some, decode_csv),
        case("CSV, as 0.0", csv.replace(b",", b".0,").replace(b"\n", b".0\n"), some, decode_csv),
        Case("  numpy.loadtxt", encode_csv(few), few.shape[0], read_with_loadtxt),
        case("JSON sparse", encode_json(counts), counts, decode_json),
        case("JSON dense", encode_json(few, dense=True), few, decode_json),
        case("JSON Lines sparse", encode_jsonlines(counts), counts, decode_jsonlines),
    ]


def measure(case: Case, repeats: int) -> float:
    """Return the least processor seconds of several runs, after one to warm up."""
    case.read(case.body)
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        case.read(case.body)
        best = min(best, time.process_time() - start)
    return max(best, 1e-9)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with train.npz, a scipy CSR matrix of counts")
    parser.add_argument("--documents", type=int, default=20_000, help="documents to draw when there is no --data")
    parser.add_argument("--features", type=int, default=5_000, help="words to draw from when there is no --data")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.data:
        counts = csr_matrix(load_npz(options.data / "train.npz")).astype(np.float32)
        counts.sum_duplicates()
    else:
        counts = draw_corpus(options.documents, options.features)
    out = sys.stdout
    out.write(
        f"{counts.shape[0]:,} documents, {counts.shape[1]:,} words, {counts.nnz / counts.shape[0]:.0f} a document\n"
    )
    out.write(f"{'':28}{'MB':>9}{'MB/s':>9}{'documents/s':>14}\n")
    for case in make_cases(counts):
        seconds, size = measure(case, options.repeats), len(case.body) / 1e6
        out.write(f"{case.name:28}{size:9.1f}{size / seconds:9.0f}{case.documents / seconds:14,.0f}\n")


if __name__ == "__main__":
    main()
