"""Documents a second in training, beside a plain dense PyTorch NTM of the same architecture and batch, in one run.

    scripts/benchmark throughput --data DIR [--topics K] [--batch B] [--steps N] [--threads N]

DIR holds train.npz, a scipy CSR matrix of counts; without --data a synthetic corpus is drawn. The two are timed in
turn, A B A B, and the median of the ratios is what to quote; on a shared machine that of processor time says more.

The bound is what a step's dense products and its softmax would take at the rates that this machine reaches on
matrices that suit it best, with everything else for nothing.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz, random_array

from benchmarks.dense_ntm import DenseNTM, train_steps
from topicdock.algorithms.ntm import _Trainer
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.products import product
from topicdock.algorithms.survey import Survey
from topicdock.algorithms.threads import use_available_cores
from topicdock.corpus.documents import as_documents
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.ntm import NTMHyperparameters


def main() -> None:
    """Time both and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="as many as there are cores, unless given")
    arguments = parser.parse_args()
    counts = _read(arguments.data)
    torch.set_num_threads(arguments.threads or use_available_cores())
    runs = {"topicdock": _ours(counts, arguments), "plain dense PyTorch": _theirs(counts, arguments)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    bounds = []
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            started, used = time.perf_counter(), time.process_time()
            steps = run() / arguments.batch
            times[name].append(((time.perf_counter() - started) / steps, (time.process_time() - used) / steps))
        bounds.append(_bound(counts.shape[1], arguments.topics, arguments.batch))
    print(
        f"{counts.shape[0]} documents, V = {counts.shape[1]}, K = {arguments.topics}, batch {arguments.batch}, "
        f"{torch.get_num_threads()} threads, median of {arguments.rounds} rounds"
    )
    _print(times, arguments.batch)
    print(f"bound {1000 * statistics.median(bounds):.1f} ms a step")


def _print(times: dict[str, list[tuple[float, float]]], batch: int) -> None:
    print(f"| {'':<20} | documents/s | ms a step | ms of processors a step |")
    print(f"| {'-' * 20} | ----------: | --------: | ----------------------: |")
    for name, values in times.items():
        elapsed, used = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"| {name:<20} | {batch / elapsed:11,.0f} | {1000 * elapsed:9.1f} | {1000 * used:23.1f} |")
    for what, column in (("time", 0), ("processor time", 1)):
        ratios = [b[column] / a[column] for a, b in zip(times["topicdock"], times["plain dense PyTorch"], strict=True)]
        print(f"ratio of {what} {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


def _bound(vocabulary_size: int, topics: int, batch: int) -> float:
    """Return how many seconds a step's products and its softmax take at this machine's best rates."""
    square, rows = torch.rand(512, 512), torch.rand(256, 1024)
    products = 2 * len(square) ** 3 / _quickest(lambda: product(square, square))
    exponentials = rows.numel() / _quickest(lambda: torch.softmax(rows, 1))
    multiplied = batch * ((topics + 1) * vocabulary_size + _width(topics) * 2 * topics)
    # Forwards, and backwards for the weight and for the input; 2 operations each.
    return 3 * 2 * multiplied / products + batch * vocabulary_size / exponentials


def _quickest(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _width(topics: int) -> int:
    """Return the width of the encoder of topicdock's plain call."""
    return max(200, 2 * topics)


def _read(folder: Path | None) -> csr_matrix:
    if folder is not None:
        return csr_matrix(load_npz(folder / "train.npz"), dtype=np.float32)
    counts = csr_matrix(random_array((5000, 3072), density=0.02, rng=np.random.default_rng(0)), dtype=np.float32)
    counts.data = np.ceil(counts.data * 3)
    return counts


def _ours(counts: csr_matrix, arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    hyperparameters = NTMHyperparameters.parse(
        {
            "num_topics": arguments.topics, "feature_dim": counts.shape[1], "mini_batch_size": arguments.batch,
            "sub_sample": min(1.0, arguments.steps * arguments.batch / counts.shape[0]),
            "epochs": 1,  # or the first steps would be without the priors on W
        }
    ).resolve(CorpusSize(counts.shape[0], float(counts.sum())))  # fmt: skip
    trainer = _Trainer(as_documents(counts), Survey.of(counts), hyperparameters, hyperparameters.plan(counts.shape[0]))

    def run() -> int:
        losses = trainer.train_epoch()
        return losses.documents if losses is not None else 0

    return run


def _theirs(counts: csr_matrix, arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    width = _width(arguments.topics)
    model = DenseNTM(counts.shape[1], arguments.topics, width, Prior.laplace(0.02, arguments.topics).variance)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    steps = min(arguments.steps, counts.shape[0] // arguments.batch)
    return lambda: train_steps(counts, model, optimizer, arguments.batch, steps)


if __name__ == "__main__":
    main()
