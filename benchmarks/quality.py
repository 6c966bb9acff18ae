"""Topics, predictions, time and memory, beside what a user would take instead, in one run.

    scripts/benchmark quality --data DIR [--topics K] [--seeds 0,1,2] [--only topicdock,gensim,...]

DIR holds train.npz and test.npz, scipy CSR matrices of counts; test_h1.npz and test_h2.npz, halves of the test
documents, are taken if they are there, else the test documents are halved at random. Each library runs in a process of
its own, with the settings its documentation shows. A library that is not installed is left out and named; the peers are
`pip install tomotopy topica` (gensim and scikit-learn come with the tests).
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, load_npz

from benchmarks.peers import LIBRARIES, Floats
from topicdock.evaluation import npmi, perplexity, topic_diversity, topic_uniqueness

_FOLD_IN_ITERATIONS = 100
_COLUMNS = ("NPMI", "TU", "TD", "perplexity", "seconds", "documents/s", "peak MB")


def main() -> None:
    """Run every library in a process of its own and print one table; or, in such a process, one library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--only", default=",".join(LIBRARIES))
    parser.add_argument(
        "--one-fold-in", action="store_true", help="theta by EM with 1/K pseudo-counts a topic, whatever the library's"
    )
    parser.add_argument("--one", choices=LIBRARIES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        seed = int(arguments.seeds)
        print(json.dumps(_measure(arguments.one, arguments.data, arguments.topics, seed, arguments.one_fold_in)))
        return
    print(f"{arguments.data.name}, K = {arguments.topics}, seeds {arguments.seeds}")
    print("| " + " | ".join(("library", *_COLUMNS)) + " |")
    print("| --- " + "| ---: " * len(_COLUMNS) + "|")
    for name in arguments.only.split(","):
        if not all(importlib.util.find_spec(module) for module in LIBRARIES[name].modules):
            print(f"| {name} | not installed |", flush=True)
            continue
        rows = [
            _run(name, arguments.data, arguments.topics, seed, arguments.one_fold_in)
            for seed in arguments.seeds.split(",")
        ]
        means = [statistics.mean(row[column] for row in rows) for column in _COLUMNS]
        cells = [f"{value:.3f}" if value < 2 else f"{value:,.0f}" for value in means]
        print("| " + " | ".join((name, *cells)) + " |", flush=True)


def _run(name: str, data: Path, topics: int, seed: str, one_fold_in: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.quality", "--data", str(data), "--topics", str(topics)]
    command += ["--one-fold-in"] if one_fold_in else []
    result = subprocess.run([*command, "--seeds", seed, "--one", name], capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{name} failed:\n{result.stderr}")
    measured: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return measured


def _measure(name: str, data: Path, topics: int, seed: int, one_fold_in: bool) -> dict[str, float]:
    train = _load(data / "train.npz")
    seen, held_out = _halves(data)
    library = LIBRARIES[name]
    library.prepare()  # imports are not what is measured
    started = time.perf_counter()
    model = library.fit(train, topics, seed)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theta = _fold_in(seen, model.beta) if one_fold_in and model.beta is not None else model.transform(seen)
    scores = model.scores
    top = np.argsort(-scores, axis=1, kind="stable")
    return {
        "NPMI": float(npmi(train, top[:, :10]).mean()),
        "TU": float(topic_uniqueness(top[:, :10]).mean()),
        "TD": topic_diversity(top[:, :25]),
        "perplexity": perplexity(model.word_log_probabilities, theta, held_out),
        "seconds": seconds,
        "documents/s": model.documents / seconds,
        "peak MB": peak,
    }


def _fold_in(counts: csr_matrix, beta: Floats) -> Floats:
    from topicdock.algorithms.folding import fold_in

    return fold_in(counts, np.asarray(beta, np.float64), 1 / len(beta), _FOLD_IN_ITERATIONS)


def _load(path: Path) -> csr_matrix:
    return csr_matrix(load_npz(path), dtype=np.float32)


def _halves(data: Path) -> tuple[csr_matrix, csr_matrix]:
    if (data / "test_h1.npz").exists():
        return _load(data / "test_h1.npz"), _load(data / "test_h2.npz")
    test = _load(data / "test.npz")[:3000]
    first = test.copy()
    first.data = np.random.default_rng(0).binomial(test.data.astype(np.int64), 0.5).astype(np.float32)
    second = test - first
    first.eliminate_zeros()
    second.eliminate_zeros()
    return first, csr_matrix(second)


if __name__ == "__main__":
    main()
