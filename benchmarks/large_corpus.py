"""A corpus larger than memory: the peak memory and the throughput of a whole training job, from disk and from memory.

    scripts/benchmark large_corpus [--documents N] [--memory-mb M] [--algorithm ntm|etm|lda] [--disk-only]

Draws a corpus of N documents of 60 words by a topic model, writes it as RecordIO (about 0.5 KB a document) below
--folder, and trains on it as the container does: once with so little memory for documents that it is put down on disk,
once with all of it in memory. Everything is removed at the end.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.corpus import encode_counts

_ROOT = Path(__file__).parent.parent
_CHUNK = 20_000
_WORDS = 60
_BYTES = 8 * _WORDS
"""Of a document, about."""
_MOST_MEGABYTES = 256
_TOPICS = 20


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=5_000_000)
    parser.add_argument("--vocabulary", type=int, default=20_000)
    parser.add_argument(
        "--memory-mb", type=int, default=None, help="for documents on disk: a quarter of what all take, at most 256"
    )
    parser.add_argument("--algorithm", default="ntm")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--disk-only", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="large-corpus-", dir=arguments.folder))
    try:
        write_job(base, arguments.documents, arguments.vocabulary, arguments.algorithm, arguments.epochs)
        print(f"{arguments.documents} documents, V = {arguments.vocabulary}, {arguments.algorithm}, {_TOPICS} topics")
        print("| documents | peak memory, MB | documents/s, training | seconds, whole job | of a processor |")
        print("| --------- | --------------: | --------------------: | -----------------: | -------------: |")
        # Less than the documents take, or both would be in memory.
        little = arguments.memory_mb or min(_MOST_MEGABYTES, arguments.documents * _BYTES // 4_000_000)
        budgets = {"on disk": max(1, little), "in memory": 1 << 20}
        for where in ["on disk"] if arguments.disk_only else budgets:
            peak, rate, seconds, busy = train(base, budgets[where])
            print(f"| {where:<9} | {peak:15,.0f} | {rate:21,.0f} | {seconds:18,.0f} | {busy:14,.0f} |", flush=True)
    finally:
        shutil.rmtree(base)


def write_job(base: Path, documents: int, vocabulary: int, algorithm: str, epochs: int, *, files: int = 4) -> None:
    """Write a job whose training channel are so many documents of 60 words, drawn from 20 topics."""
    generator = np.random.default_rng(0)
    frequencies = 1 / (np.arange(vocabulary) + 10.0)
    topics = frequencies * generator.gamma(0.1, size=(_TOPICS, vocabulary))
    cumulated = np.cumsum(topics / topics.sum(1, keepdims=True), axis=1)
    hyperparameters = {"algorithm": algorithm, "num_topics": str(_TOPICS), "feature_dim": str(vocabulary)}
    if algorithm != "lda":
        hyperparameters["epochs"] = str(epochs)
    channels = {"train": {"TrainingInputMode": "File"}}
    folder = base / "input" / "data" / "train"
    folder.mkdir(parents=True)
    (base / "input" / "config").mkdir()
    for name, content in (("hyperparameters", hyperparameters), ("inputdataconfig", channels)):
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    for number, start in enumerate(range(0, documents, _CHUNK)):
        chunk = _draw(min(_CHUNK, documents - start), cumulated, generator)
        with (folder / f"part-{number % files}").open("ab") as file:
            file.write(encode_counts(chunk))


def _draw(documents: int, cumulated: np.ndarray, generator: np.random.Generator) -> csr_matrix:
    """Return documents that are each mostly about three topics."""
    own = generator.integers(0, _TOPICS, (documents, 3))
    topic = np.take_along_axis(own, generator.integers(0, 3, (documents, _WORDS)), axis=1).ravel()
    chances = generator.random(documents * _WORDS)
    words = np.empty(documents * _WORDS, np.int32)
    for number in range(_TOPICS):
        of_topic = topic == number
        words[of_topic] = np.searchsorted(cumulated[number], chances[of_topic])
    words = np.minimum(words, cumulated.shape[1] - 1)
    starts = np.arange(0, documents * _WORDS + 1, _WORDS)
    counts = csr_matrix((np.ones(len(words), np.float32), words, starts), (documents, cumulated.shape[1]))
    counts.sum_duplicates()
    return counts


def train(base: Path, memory_mb: int) -> tuple[float, float, float, float]:
    """Train in a process of its own.

    Returns
    -------
    tuple of float
        Its peak memory in MB, documents/s of the epochs, its seconds, and those that it kept a processor busy.
    """
    shutil.rmtree(base / "model", ignore_errors=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {"SAGEMAKER_BASE_DIR": str(base), "TOPICDOCK_MEMORY_MB": str(memory_mb), "TMPDIR": str(base)}
    began = time.perf_counter()
    program = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print('used', used.ru_maxrss, used.ru_utime + used.ru_stime); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(_ROOT / "container" / "train")],
        env={**os.environ, "PATH": path, **given}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout)
    rates = [float(rate) for rate in re.findall(r"train throughput=(\S+)", done.stdout)]
    peak, busy = map(float, re.findall(r"^used (\S+) (\S+)$", done.stdout, re.MULTILINE)[-1])
    return peak * 1024 / 1e6, float(np.median(rates)), time.perf_counter() - began, busy


if __name__ == "__main__":
    main()
