"""The code of ETM's authors itself, with its own settings: documents a second and memory.

    python -m benchmarks.authors_etm --checkout DIR --data DIR --topics K --steps N

The checkout is of github.com/adjidieng/ETM at commit 52b090b, before others changed it for a project of theirs. Its
network, its batches and the steps of its `main.py`, on documents in its own form: arrays of word ids and of counts for
each one. What it prints, plots and evaluates between epochs is left out, as it is for topicdock.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz

WIDTH, SIZE, BATCH, EPOCHS, UNCOUNTED = 800, 300, 1000, 100, 2


def main() -> None:
    """Time some steps and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sys.path.insert(0, str(arguments.checkout))
    tokens, counts, vocabulary_size = lay_out(csr_matrix(load_npz(arguments.data / "train.npz"), dtype=np.float32))
    before = _peak()
    documents, seconds, busy = _train(tokens, counts, vocabulary_size, arguments.topics, arguments.steps)
    rates = {"rate": documents / seconds, "rate of processor": documents / busy}
    print(json.dumps({**rates, "peak": _peak(), "added": _peak() - before}))


def lay_out(documents: csr_matrix) -> tuple[Any, Any, int]:
    """Return word ids and counts as the authors' files have them, an array of one row for each document."""
    bounds = list(zip(documents.indptr[:-1], documents.indptr[1:], strict=True))
    tokens, counts = np.empty(len(bounds), object), np.empty(len(bounds), object)
    for document, (first, last) in enumerate(bounds):
        tokens[document] = documents.indices[None, first:last].astype(np.int64)
        counts[document] = documents.data[None, first:last].astype(np.int64)
    return tokens, counts, documents.shape[1]


def _train(tokens: Any, counts: Any, vocabulary_size: int, topics: int, steps: int) -> tuple[int, float, float]:
    """Return how many documents were taken in the steps that count, in how many seconds, and of processor time."""
    documents, started, busy = 0, 0.0, 0.0
    learning = learn(tokens, counts, vocabulary_size, create(vocabulary_size, topics))
    for step, number in enumerate(islice(learning, steps + UNCOUNTED)):
        if step == UNCOUNTED - 1:
            documents, started, busy = 0, time.perf_counter(), time.process_time()
        elif step >= UNCOUNTED:
            documents += number
    return documents, time.perf_counter() - started, time.process_time() - busy


def create(vocabulary_size: int, topics: int) -> Any:
    """Return the authors' network, embeddings to be learned."""
    from etm import ETM

    return ETM(topics, vocabulary_size, WIDTH, SIZE, SIZE, "relu", None, 1, 0.0)


def learn(tokens: Any, counts: Any, vocabulary_size: int, model: Any) -> Iterator[int]:
    """Take the steps of epoch after epoch, without end; yield after each how many documents it took."""
    import data

    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1.2e-6)
    model.train()
    while True:
        for chosen in torch.split(torch.randperm(len(tokens)), BATCH):
            optimizer.zero_grad()
            model.zero_grad()
            batch = data.get_batch(tokens, counts, chosen, vocabulary_size, torch.device("cpu"))
            recon, divergence = model(batch, batch / batch.sum(1).unsqueeze(1))
            (recon + divergence).backward()
            optimizer.step()
            recon.item(), divergence.item()
            yield len(chosen)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
