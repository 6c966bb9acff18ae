"""Documents a second in training, beside a plain dense PyTorch NTM of the same architecture and batch, in one run.

    scripts/benchmark throughput --data DIR [--topics K] [--batch B] [--steps N]

DIR holds train.npz, a scipy CSR matrix of counts; without --data a synthetic corpus is drawn. The two are timed in
turn, A B A B, and the median of the ratios is what to quote.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz, random_array

from benchmarks.dense_ntm import DenseNTM, train_steps
from topicdock.algorithms.ntm import _Trainer
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.threads import use_available_cores
from topicdock.spec.ntm import NTMHyperparameters


def main() -> None:
    """Time both and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    counts = _read(arguments.data)
    use_available_cores()
    ours = _ours(counts, arguments)
    theirs = _theirs(counts, arguments)
    rates: dict[str, list[float]] = {"topicdock": [], "plain dense PyTorch": []}
    for _ in range(arguments.rounds):
        for name, run in (("topicdock", ours), ("plain dense PyTorch", theirs)):
            started = time.perf_counter()
            documents = run()
            rates[name].append(documents / (time.perf_counter() - started))
    print(
        f"{counts.shape[0]} documents, V = {counts.shape[1]}, K = {arguments.topics}, batch {arguments.batch}, "
        f"{torch.get_num_threads()} threads, median of {arguments.rounds} rounds"
    )
    print(f"| {'':<20} | documents/s | ms a step |")
    print(f"| {'-' * 20} | ----------: | --------: |")
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"| {name:<20} | {rate:11,.0f} | {1000 * arguments.batch / rate:9.1f} |")
    ratios = [a / b for a, b in zip(rates["topicdock"], rates["plain dense PyTorch"], strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


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
        }
    )  # fmt: skip
    trainer = _Trainer(counts, hyperparameters, hyperparameters.plan(counts.shape[0]))

    def run() -> int:
        losses = trainer.train_epoch()
        return losses.documents if losses is not None else 0

    return run


def _theirs(counts: csr_matrix, arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    width = max(200, 2 * arguments.topics)
    model = DenseNTM(counts.shape[1], arguments.topics, width, Prior.laplace(0.02, arguments.topics).variance)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    steps = min(arguments.steps, counts.shape[0] // arguments.batch)
    return lambda: train_steps(counts, model, optimizer, arguments.batch, steps)


if __name__ == "__main__":
    main()
