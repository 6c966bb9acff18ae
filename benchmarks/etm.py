"""ETM with its authors' settings, beside their architecture in plain dense PyTorch: speed and memory in one run.

    scripts/benchmark etm --data DIR [--topics K] [--rounds N] [--steps N] [--poisson]

DIR holds train.npz, a scipy CSR matrix of counts. Each of the two runs in a process of its own, in turn, A B A B, and
the median of the ratios is what to quote; memory is the process's largest, and what fitting added to it. Both see the
authors' settings: two layers of 800, embeddings of 300 learned, batches of 1,000, Adam at 0.005, weight decay 1.2e-6.
What either of them finds is compared by `scripts/benchmark quality`.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz

NAMES = ("topicdock", "plain dense PyTorch")


def main() -> None:
    """Run each in turn and print one table; or, in such a process, run one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="steps of 1,000 documents that are timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--poisson", action="store_true")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        torch.set_num_threads(arguments.threads)
        print(json.dumps((_ours if arguments.one == "topicdock" else _theirs)(arguments)))
        return
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
    for _ in range(arguments.rounds):
        for name in NAMES:
            rows[name].append(_run(name, sys.argv[1:]))
    likelihood = "poisson" if arguments.poisson else "multinomial"
    print(
        f"{arguments.data.name}, K = {arguments.topics}, {likelihood}, {arguments.threads} threads, median of "
        f"{arguments.rounds} rounds"
    )
    print("| | documents/s | peak MB | of which fitting added MB |")
    print("| --- | ---: | ---: | ---: |")
    for name in NAMES:
        cells = [statistics.median(row[column] for row in rows[name]) for column in ("rate", "peak", "added")]
        print(f"| {name} | {cells[0]:,.0f} | {cells[1]:,.0f} | {cells[2]:,.0f} |")
    for column in ("rate", "peak", "added"):
        ratios = sorted(ours[column] / theirs[column] for ours, theirs in zip(*rows.values(), strict=True))
        print(f"ratio of {column}: {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


def _run(name: str, given: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.etm", *given, "--one", name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{name} failed:\n{result.stderr}")
    measured: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return measured


def _read(folder: Path) -> csr_matrix:
    return csr_matrix(load_npz(folder / "train.npz"), dtype=np.float32)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ours(arguments: argparse.Namespace) -> dict[str, float]:
    from topicdock.algorithms.etm import _Trainer
    from topicdock.spec.etm import ETMHyperparameters

    counts = _read(arguments.data)
    before = _peak()
    given = {
        "num_topics": arguments.topics, "feature_dim": counts.shape[1], "recipe": "authors",
        "likelihood": "poisson" if arguments.poisson else "multinomial",
        "sub_sample": min(1.0, arguments.steps * 1000 / counts.shape[0]),
    }  # fmt: skip
    hyperparameters = ETMHyperparameters.parse(given)
    trainer = _Trainer(counts, hyperparameters, hyperparameters.plan(counts.shape[0]), None)
    trainer.train_epoch(lambda: False)
    started = time.perf_counter()
    losses = trainer.train_epoch(lambda: False)
    seconds = time.perf_counter() - started
    documents = 0 if losses is None else losses.documents
    return {"rate": documents / seconds, "peak": _peak(), "added": _peak() - before}


def _theirs(arguments: argparse.Namespace) -> dict[str, float]:
    from benchmarks.dense_etm import DenseETM, optimizer_of, train_epoch

    counts = _read(arguments.data)
    before = _peak()
    model = DenseETM(counts.shape[1], arguments.topics, poisson=arguments.poisson)
    optimizer = optimizer_of(model)
    train_epoch(counts, model, optimizer, 2)
    started = time.perf_counter()
    documents = train_epoch(counts, model, optimizer, arguments.steps)
    return {"rate": documents / (time.perf_counter() - started), "peak": _peak(), "added": _peak() - before}


if __name__ == "__main__":
    main()
