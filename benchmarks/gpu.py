"""NTM and ETM on a GPU beside the processor, in one run: documents a second, topics and predictions, equal bits.

    scripts/benchmark gpu [--data DIR] [--topics K] [--seeds 0,1,2] [--shapes V:K:B,...] [--algorithms ntm,etm]

Speed is measured on synthetic documents of 60 words, whole epochs after a first one; on the GPU with anything forbidden
that would have the host wait for it within an epoch. Quality is that of the plain call on DIR, which holds train.npz
and halves of test documents, test_h1.npz and test_h2.npz; the first seed is
fitted twice on the GPU, and the bits compared. `--devices cpu` measures the processor alone, as `--devices cuda` the
GPU; `cpu-as-device` runs the GPU's code on the processor.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.sparse import csr_matrix, load_npz

from topicdock.algorithms.loss_sums import LossSums
from topicdock.algorithms.survey import Survey
from topicdock.algorithms.threads import use_available_cores
from topicdock.corpus.documents import as_documents
from topicdock.evaluation import npmi, perplexity, topic_uniqueness
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.registry import ALGORITHMS

_WORDS = 60
DEVICES = {"cpu": None, "cuda": torch.device("cuda", 0), "cpu-as-device": torch.device("cpu")}


def main() -> None:
    """Print a table of speed, and one of quality where there are data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--shapes", default="3072:50:256,20000:100:256,20000:100:1024,100000:100:1024")
    parser.add_argument("--algorithms", default="ntm,etm")
    parser.add_argument("--devices", default="cuda,cpu")
    parser.add_argument("--seconds", type=float, default=3.0, help="of training that are timed, about")
    parser.add_argument(
        "--profile", action="store_true", help="print which kernels a step of the GPU spends its time in"
    )
    arguments = parser.parse_args()
    chosen = [(name, DEVICES[name]) for name in arguments.devices.split(",")]
    if any(device is not None and device.type == "cuda" for _, device in chosen):
        print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}")
    print(f"{use_available_cores()} cores")
    for algorithm in arguments.algorithms.split(","):
        if arguments.shapes:
            print("| model | V | K | batch | device | documents/s | ms a step | peak MB of the GPU |")
            print("| --- " + "| ---: " * 7 + "|")
        for shape in filter(None, arguments.shapes.split(",")):
            words, topics, batch = map(int, shape.split(":"))
            for name, device in chosen:
                print(_measure_speed(algorithm, words, topics, batch, name, device, arguments), flush=True)
        if arguments.data is not None:
            _measure_quality(algorithm, arguments, chosen)


def _measure_speed(
    algorithm: str, words: int, topics: int, batch: int, name: str, device: torch.device | None, arguments: Any
) -> str:
    """Time whole epochs of a trainer; return a line of the table."""
    trainer = _open(algorithm, _draw(max(32 * batch, 16_384), words), topics, batch, device)
    on_gpu = device is not None and device.type == "cuda"
    trainer.train_epoch()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    rates: list[float] = []
    began = time.perf_counter()
    while not rates or time.perf_counter() - began < arguments.seconds:
        started = time.perf_counter()
        losses = _train_epoch(trainer, on_gpu)
        rates.append(losses.documents / (time.perf_counter() - started))
    rate = statistics.median(rates)
    peak = f"{torch.cuda.max_memory_allocated() / 1e6:,.0f}" if on_gpu else ""
    if on_gpu and arguments.profile:
        _profile(trainer)
    return f"| {algorithm} | {words} | {topics} | {batch} | {name} | {rate:,.0f} | {1000 * batch / rate:.2f} | {peak} |"


def _train_epoch(trainer: Any, on_gpu: bool) -> Any:
    """Train an epoch; on a GPU, with an error wherever the host would wait for it before the losses are read."""
    if not on_gpu:
        return trainer.train_epoch()
    read = LossSums.losses

    def reading(sums: LossSums) -> Any:
        torch.cuda.set_sync_debug_mode("default")
        return read(sums)

    try:
        with mock.patch.object(LossSums, "losses", reading):
            torch.cuda.set_sync_debug_mode("error")
            return trainer.train_epoch()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _profile(trainer: Any) -> None:
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        trainer.train_epoch()
    print(profiler.key_averages().table(sort_by="self_cuda_time_total", row_limit=25, max_name_column_width=60))


def _open(algorithm: str, counts: csr_matrix, topics: int, batch: int, device: torch.device | None) -> Any:
    """Return a trainer as ``fit`` makes it; ETM with drawn embeddings, whose making is not what is measured."""
    specification = ALGORITHMS[algorithm]
    given = {"num_topics": topics, "feature_dim": counts.shape[1], "mini_batch_size": batch, "epochs": 10}
    if algorithm == "etm":
        given |= {"initial_embeddings": "random", "initial_topics": "random"}
    hyperparameters: Any = specification.hyperparameters.parse(given)
    hyperparameters = hyperparameters.resolve(CorpusSize(counts.shape[0], float(counts.sum())))
    module = importlib.import_module(specification.module)
    more = (None,) if specification.takes_word_vectors else ()
    plan = hyperparameters.plan(counts.shape[0])
    return module._Trainer(as_documents(counts), Survey.of(counts), hyperparameters, plan, *more, device=device)


def _draw(documents: int, words: int) -> csr_matrix:
    """Return documents of 60 words each, drawn by Zipf's law."""
    generator = np.random.default_rng(0)
    share = 1 / np.arange(10, words + 10)
    ids = generator.choice(words, documents * _WORDS, p=share / share.sum())
    rows = np.repeat(np.arange(documents), _WORDS)
    return csr_matrix((np.ones(len(ids), np.float32), (rows, ids)), (documents, words))


def _measure_quality(algorithm: str, arguments: Any, chosen: list[tuple[str, torch.device | None]]) -> None:
    train, seen, held_out = (
        csr_matrix(load_npz(arguments.data / f"{name}.npz"), dtype=np.float32)
        for name in ("train", "test_h1", "test_h2")
    )
    print(f"{arguments.data.name}, K = {arguments.topics}: the plain call")
    print("| model | device | seed | NPMI | TU | perplexity | seconds | the same bits again |")
    print("| --- | --- " + "| ---: " * 6 + "|")
    specification = ALGORITHMS[algorithm]
    module = importlib.import_module(specification.module)
    for name, device in chosen:
        for seed in map(int, arguments.seeds.split(",")):
            given = {"num_topics": arguments.topics, "feature_dim": train.shape[1], "seed": seed}
            hyperparameters = specification.hyperparameters.parse(given)
            started = time.perf_counter()
            model = module.fit(train, hyperparameters, device=device).model
            seconds, again = time.perf_counter() - started, ""
            if device is not None and device.type == "cuda" and seed == int(arguments.seeds.split(",")[0]):
                other = module.fit(train, hyperparameters, device=device).model.arrays
                again = str(all(other[key].tobytes() == array.tobytes() for key, array in model.arrays.items()))
            top = np.argsort(-model.topic_scores, axis=1, kind="stable")[:, :10]
            print(
                f"| {algorithm} | {name} | {seed} | {npmi(train, top).mean():.4f} | {topic_uniqueness(top).mean():.4f} "
                f"| {perplexity(model.word_log_probabilities, model.transform(seen), held_out):.1f} | {seconds:.1f} "
                f"| {again} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
