"""ETM with its authors' settings, beside their architecture in plain dense PyTorch: speed and memory in one run.

    scripts/benchmark etm --data DIR [--topics K] [--rounds N] [--steps N] [--poisson] [--numpyro PYTHON]

DIR holds train.npz, a scipy CSR matrix of counts. Each of the two runs in a process of its own, in turn, A B A B, and
the median of the ratios is what to quote; memory is the process's largest, and what fitting added to it. Both see the
authors' settings: two layers of 800, embeddings of 300 learned, batches of 1,000, Adam at 0.005, weight decay 1.2e-6.
With --numpyro, the path of an interpreter that has NumPyro and flax, the other is `benchmarks/numpyro_etm.py`, and ours
has its settings: a Poisson likelihood and given embeddings of 300, kept. What each finds is compared by
`scripts/benchmark quality`.
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

OURS, DENSE, NUMPYRO, PLAIN = "topicdock", "plain dense PyTorch", "NumPyro", "topicdock, plain call"


def main() -> None:
    """Run each in turn and print one table; or, in such a process, run one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="steps of 1,000 documents that are timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--poisson", action="store_true")
    parser.add_argument("--numpyro", default="", metavar="PYTHON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        torch.set_num_threads(arguments.threads)
        print(json.dumps(_theirs(arguments) if arguments.one == DENSE else _ours(arguments)))
        return
    names = (NUMPYRO if arguments.numpyro else DENSE, OURS, PLAIN)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            rows[name].append(_run(name, arguments))
    likelihood = "poisson" if arguments.poisson or arguments.numpyro else "multinomial"
    print(
        f"{arguments.data.name}, K = {arguments.topics}, {likelihood}, {arguments.threads} threads, median of "
        f"{arguments.rounds} rounds"
    )
    print("| | documents/s | peak MB | of which fitting added MB |")
    print("| --- | ---: | ---: | ---: |")
    for name in names:
        cells = [statistics.median(row[column] for row in rows[name]) for column in ("rate", "peak", "added")]
        print(f"| {name} | {cells[0]:,.0f} | {cells[1]:,.0f} | {cells[2]:,.0f} |")
    for name in names[1:]:
        for column in ("rate", "peak", "added"):
            ratios = sorted(
                ours[column] / theirs[column] for ours, theirs in zip(rows[name], rows[names[0]], strict=True)
            )
            spread = f"from {ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"{name}, ratio of {column}: {statistics.median(ratios):.2f} ({spread})")


def _run(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    given = ["--data", str(arguments.data), "--topics", str(arguments.topics), "--steps", str(arguments.steps)]
    if name == NUMPYRO:
        command = [arguments.numpyro, "-m", "benchmarks.numpyro_etm", *given]
    else:
        command = [sys.executable, "-m", "benchmarks.etm", *given, "--threads", str(arguments.threads), "--one", name]
        command += ["--poisson"] * arguments.poisson + ["--numpyro", arguments.numpyro] * bool(arguments.numpyro)
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
    from topicdock.corpus.word_vectors import WordVectors
    from topicdock.spec.etm import ETMHyperparameters

    counts = _read(arguments.data)
    before = _peak()
    given = {
        "num_topics": arguments.topics, "feature_dim": counts.shape[1],
        "recipe": "topicdock" if arguments.one == PLAIN else "authors",
        "likelihood": "poisson" if arguments.poisson or arguments.numpyro else "multinomial",
        "sub_sample": min(1.0, arguments.steps * 1000 / counts.shape[0]),
    }  # fmt: skip
    hyperparameters = ETMHyperparameters.parse(given)
    vectors = None
    if arguments.numpyro:
        rows = np.random.default_rng(0).normal(0, 0.6, (counts.shape[1], 300)).astype(np.float32)
        vectors = WordVectors(rows, np.ones(len(rows), bool))
    trainer = _Trainer(counts, hyperparameters, hyperparameters.plan(counts.shape[0]), vectors)
    trainer.train_epoch()
    started = time.perf_counter()
    losses = trainer.train_epoch()
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
