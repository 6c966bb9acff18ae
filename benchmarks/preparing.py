"""How fast texts become channels, beside scikit-learn's CountVectorizer on the same texts.

    scripts/benchmark preparing              texts drawn at random
    scripts/benchmark preparing --data FOLDER   a folder with train.npz and vocab.txt, written out again

CountVectorizer reads the same files and counts, which is less than preparing: no shuffle, no split, nothing written.
Each way runs in a process of its own, several times in turn; shown are the medians of the time by the wall and of the
processor's time, of all processes and their imports together, and the largest resident set of any process.
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
from scipy.sparse import csr_matrix, load_npz

from benchmarks.reading import draw_corpus

FILLERS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "it",
    "for",
    "you",
    "this",
    "be",
    "on",
    "are",
    "with",
    "as",
    "have",
    "not",
    "if",
    "from",
]
"""Stop words that are strewn in, as preparing took them out of the corpora."""

WAYS = ("sklearn", "prepare-1", "prepare-all")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with train.npz and vocab.txt")
    parser.add_argument("--copies", type=int, default=1, help="write the corpus so often (default 1)")
    parser.add_argument("--runs", type=int, default=3, help="of each way (default 3)")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "INPUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one[0], Path(arguments.one[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for source in write_texts(Path(folder), arguments.data, arguments.copies):
            report(source, arguments.runs)


def write_texts(folder: Path, data: Path | None, copies: int) -> list[Path]:
    """Write texts as a file of JSON Lines and as a folder of at most 20,000 files."""
    if data is None:
        counts = draw_corpus(20_000, 20_000)
        words = [f"word{number}" for number in range(counts.shape[1])]
    else:
        counts = csr_matrix(load_npz(data / "train.npz"))
        words = (data / "vocab.txt").read_text(encoding="utf-8").split("\n")
    generator = np.random.default_rng(0)
    (folder / "files").mkdir()
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as lines:
        for copy in range(copies):
            for row in range(counts.shape[0]):
                document = counts[row]
                ids = np.repeat(document.indices, document.data.astype(int))
                generator.shuffle(ids)
                tokens = [word for number in ids for word in (words[number], FILLERS[number % len(FILLERS)])]
                text = " ".join(tokens).capitalize() + "."
                lines.write(json.dumps({"text": text}) + "\n")
                if copy == 0 and row < 20_000:
                    (folder / "files" / f"{row:06}.txt").write_text(text, encoding="utf-8")
    return [folder / "texts.jsonl", folder / "files"]


def report(source: Path, runs: int) -> None:
    """Run every way in turn and print their medians."""
    size = sum(path.stat().st_size for path in ([source] if source.is_file() else source.iterdir()))
    print(f"{source.name}: {size / 1e6:.0f} MB")
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.preparing", "--one", way, str(source)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[way].append(json.loads(output.splitlines()[-1]))
    for way, found in results.items():
        seconds = statistics.median(run["seconds"] for run in found)
        memory = max(run["memory"] for run in found)
        cpu = statistics.median(run["cpu"] for run in found)
        print(
            f"  {way:<12} {seconds:6.1f} s {cpu:6.1f} s of processors {size / 1e6 / seconds:6.1f} MB/s"
            f" {found[0]['documents'] / seconds:8,.0f} documents/s {memory:6,.0f} MB"
        )


def run_one(way: str, source: Path) -> None:
    """Do it one way and print the figures as JSON."""
    before = time.perf_counter()
    documents = count_with_sklearn(source) if way == "sklearn" else prepare_with(way, source)
    seconds = time.perf_counter() - before
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3
    print(json.dumps({"seconds": seconds, "cpu": sum(os.times()[:4]), "memory": memory, "documents": documents}))


def count_with_sklearn(source: Path) -> int:
    """Read the texts and count them with CountVectorizer."""
    from sklearn.feature_extraction.text import CountVectorizer

    if source.is_dir():
        texts = [path.read_text(encoding="utf-8") for path in sorted(source.iterdir())]
    else:
        with source.open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
    counts = CountVectorizer(stop_words="english", min_df=3, max_df=0.5, max_features=5000).fit_transform(texts)
    return int(counts.shape[0])


def prepare_with(way: str, source: Path) -> int:
    """Prepare the texts, with one process or one for each core."""
    from topicdock.prepare import Settings, Sources, prepare
    from topicdock.text import TextRules
    from topicdock.text.stop_words import ENGLISH

    rules = TextRules(stop_words=tuple(sorted(ENGLISH)))
    settings = Settings(rules, processes=1 if way == "prepare-1" else len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        return prepare(Sources((source,)), Path(folder) / "out", settings).totals.read


if __name__ == "__main__":
    main()
