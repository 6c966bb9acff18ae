"""ETM with its authors' settings, beside their architecture in plain dense PyTorch: speed and memory in one run.

    scripts/benchmark etm --data DIR [--topics K] [--rounds N] [--steps N] [--poisson]
                          [--numpyro PYTHON [--package] | --authors CHECKOUT]

DIR holds train.npz, a scipy CSR matrix of counts. Each of these runs in a process of its own, in turn, A B A B, and
the median of the ratios is what to quote; on a machine with other work that of documents by second of processor time,
which waiting for others does not add to. Memory is the process's largest, and what fitting added to it. Both see the
authors' settings: two layers of 800, embeddings of 300 learned, batches of 1,000, Adam at 0.005, weight decay 1.2e-6.
With --authors, a clone of their repository, the other is their own code (`benchmarks/authors_etm.py`). With --numpyro,
the path of an interpreter that has NumPyro and flax, it is `benchmarks/numpyro_etm.py`, and ours has its settings: a
Poisson likelihood and given embeddings of 300, kept; and the two log-likelihoods of 200 documents are told, at the same
theta and as means over samples of the same posterior. With --package besides, it is poisson-topicmodels itself, which
the interpreter then has. What each finds is compared by `scripts/benchmark quality`.
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
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz

from benchmarks import ENVIRONMENT
from topicdock.algorithms.survey import Survey
from topicdock.corpus.documents import as_documents

_COMPARED, _SAMPLES = 200, 400
"""Documents and samples of the comparison of log-likelihoods."""
NUMPYRO_SCRIPT = str(Path(__file__).with_name("numpyro_etm.py"))
"""By its path: an interpreter that has NumPyro has no topicdock."""
_COLUMNS = ("rate", "rate of processor", "peak", "added")
OURS, PLAIN = "topicdock", "topicdock, plain call"
DENSE, AUTHORS, NUMPYRO, PACKAGE = "plain dense PyTorch", "the authors' code", "NumPyro", "poisson-topicmodels"


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
    parser.add_argument("--package", action="store_true", help="with --numpyro: poisson-topicmodels itself")
    parser.add_argument("--authors", default="", metavar="CHECKOUT")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        torch.set_num_threads(arguments.threads)
        print(json.dumps(_theirs(arguments) if arguments.one == DENSE else _ours(arguments)))
        return
    numpyro = PACKAGE if arguments.package else NUMPYRO
    names = (numpyro if arguments.numpyro else AUTHORS if arguments.authors else DENSE, OURS, PLAIN)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            rows[name].append(_run(name, arguments))
    likelihood = "poisson" if arguments.poisson or arguments.numpyro else "multinomial"
    print(
        f"{arguments.data.name}, K = {arguments.topics}, {likelihood}, {arguments.threads} threads, median of "
        f"{arguments.rounds} rounds"
    )
    print("| | documents/s | documents/s of processor time | peak MB | of which fitting added MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        cells = [f"{statistics.median(row[column] for row in rows[name]):,.0f}" for column in _COLUMNS]
        print("| " + " | ".join((name, *cells)) + " |")
    for name in names[1:]:
        for column in _COLUMNS:
            ratios = sorted(
                ours[column] / theirs[column] for ours, theirs in zip(rows[name], rows[names[0]], strict=True)
            )
            spread = f"from {ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"{name}, ratio of {column}: {statistics.median(ratios):.2f} ({spread})")
    if arguments.numpyro and not arguments.package:
        _compare_likelihoods(arguments)


def _run(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    given = ["--data", str(arguments.data), "--topics", str(arguments.topics), "--steps", str(arguments.steps)]
    threads = ["--threads", str(arguments.threads)]
    if name in (NUMPYRO, PACKAGE):
        command = [arguments.numpyro, NUMPYRO_SCRIPT, *given, *["--package"] * (name == PACKAGE)]
    elif name == AUTHORS:
        command = [sys.executable, "-m", "benchmarks.authors_etm", "--checkout", arguments.authors, *given, *threads]
    else:
        command = [sys.executable, "-m", "benchmarks.etm", *given, *threads, "--one", name]
        command += ["--poisson"] * arguments.poisson + ["--numpyro", arguments.numpyro] * bool(arguments.numpyro)
    # What others wrote runs as whoever installs it would run it.
    environment = ENVIRONMENT if name in (NUMPYRO, PACKAGE, AUTHORS) else None
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
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
    steps = min(arguments.steps, counts.shape[0] // 1000)  # of an epoch
    given = {
        "num_topics": arguments.topics, "feature_dim": counts.shape[1],
        "recipe": "topicdock" if arguments.one == PLAIN else "authors",
        "likelihood": "poisson" if arguments.poisson or arguments.numpyro else "multinomial",
        "sub_sample": steps * 1000 / counts.shape[0],  # whole batches, as the others take
    }  # fmt: skip
    hyperparameters = ETMHyperparameters.parse(given)
    vectors = None
    if arguments.numpyro:
        rows = np.random.default_rng(0).normal(0, 0.6, (counts.shape[1], 300)).astype(np.float32)
        vectors = WordVectors(rows, np.ones(len(rows), bool))
    trainer = _Trainer(
        as_documents(counts), Survey.of(counts), hyperparameters, hyperparameters.plan(counts.shape[0]), vectors
    )
    trainer.train_epoch()
    documents = 0
    started, busy = time.perf_counter(), time.process_time()
    for _ in range(round(arguments.steps / steps)):
        losses = trainer.train_epoch()
        documents += 0 if losses is None else losses.documents
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return _figures(documents, seconds, busy, before)


def _figures(documents: int, seconds: float, busy: float, before: float) -> dict[str, float]:
    peak = _peak()
    return {
        "rate": documents / seconds, "rate of processor": documents / busy, "peak": peak, "added": peak - before
    }  # fmt: skip


def _compare_likelihoods(arguments: argparse.Namespace) -> None:
    """Print the Poisson log-likelihood of documents by NumPyro and by topicdock, for the same weights."""
    from topicdock.algorithms.batches import Batch
    from topicdock.algorithms.etm import _Trainer
    from topicdock.spec.etm import ETMHyperparameters

    counts = _read(arguments.data)[:_COMPARED]
    given = {
        "num_topics": arguments.topics, "feature_dim": counts.shape[1], "recipe": "authors", "likelihood": "poisson",
        "epochs": 5, "mini_batch_size": 50, "probability_floor": 0,
    }  # fmt: skip
    hyperparameters = ETMHyperparameters.parse(given)
    trainer = _Trainer(as_documents(counts), Survey.of(counts), hyperparameters, hyperparameters.plan(_COMPARED), None)
    for _ in range(5):  # so that neither beta nor the posterior are as they were drawn
        trainer.train_epoch()
    network, documents = trainer.network, Batch.of(counts, hyperparameters.encoder_input)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        mu, logvar = network.posterior(documents, training=False)

        def draw() -> torch.Tensor:
            return torch.softmax(mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=generator), 1)

        theta, beta = draw(), torch.softmax(network.logits(), 0).t()
        np.savez(f"{folder}/given.npz", counts=counts.toarray(), theta=theta, beta=beta, mu=mu, logvar=logvar)
        command = [arguments.numpyro, NUMPYRO_SCRIPT, "--likelihood", f"{folder}/given.npz"]
        theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        same = -float(network.reconstruct(theta, documents)[0])
        samples = np.array([-float(network.reconstruct(draw(), documents)[0]) for _ in range(_SAMPLES)])
    error = samples.std(ddof=1) / len(samples) ** 0.5
    print(f"log-likelihood at the same theta: NumPyro {theirs['same']:,.1f}, topicdock {same:,.1f}")
    print(
        f"its mean over samples: NumPyro {theirs['mean']:,.1f} +- {theirs['error']:.1f}, "
        f"topicdock {samples.mean():,.1f} +- {error:.1f}"
    )


def _theirs(arguments: argparse.Namespace) -> dict[str, float]:
    from benchmarks.dense_etm import DenseETM, optimizer_of, train_epoch

    counts = _read(arguments.data)
    before = _peak()
    model = DenseETM(counts.shape[1], arguments.topics, poisson=arguments.poisson)
    optimizer = optimizer_of(model)
    train_epoch(counts, model, optimizer, 2)
    started, busy = time.perf_counter(), time.process_time()
    documents = train_epoch(counts, model, optimizer, arguments.steps)
    return _figures(documents, time.perf_counter() - started, time.process_time() - busy, before)


if __name__ == "__main__":
    main()
