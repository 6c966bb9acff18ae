"""A corpus many times as large trains from disk in the same memory."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.jobs import Job, environment
from topicdock.corpus import encode_counts

VOCABULARY, WORDS, CHUNK = 5000, 60, 25_000
CHUNK_MEGABYTES = CHUNK * WORDS * 8 / 1e6
"""What the counts of a chunk alone take in memory."""
GIVEN = {"ntm": {"epochs": "1"}, "lda": {"refinement_iterations": "1"}}


def job_of(base: Path, algorithm: str, chunks: int) -> Job:
    """Return a job of so many chunks of documents; of each, the words are those of one in ten topics."""
    job = Job(base)
    given = {"algorithm": algorithm, "num_topics": "5", "feature_dim": str(VOCABULARY), "mini_batch_size": "512"}
    job.config("hyperparameters.json", given | GIVEN[algorithm])
    folder = job.channel("train")
    generator = np.random.default_rng(0)
    for chunk in range(chunks):
        topics = generator.integers(0, 10, (CHUNK, 1))
        words = (topics + 10 * generator.integers(0, VOCABULARY // 10, (CHUNK, WORDS))).ravel()
        counts = csr_matrix(
            (np.ones(len(words), np.float32), words, np.arange(0, len(words) + 1, WORDS)), (CHUNK, VOCABULARY)
        )
        counts.sum_duplicates()
        (folder / f"part-{chunk:02d}").write_bytes(encode_counts(counts))
    return job


def peak(job: Job) -> float:
    """Train with little memory for documents, and return the most memory of the process's own that was seen, in MB.

    What it maps of files is left out: the system takes that back as it likes.
    """
    most = 0
    with (job.base / "log").open("wb") as log:
        process = subprocess.Popen(
            job.command(), env=environment(job.base, TOPICDOCK_MEMORY_MB="8", TMPDIR=str(job.base)), cwd=job.base,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        while process.poll() is None:
            own = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, int(own[1]) if own else 0)
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, (job.base / "log").read_text()
    return most * 1024 / 1e6


# In memory, 150,000 documents more take NTM 72 MB and more, and 300,000 more LDA 225. LDA's blocks are larger, and what
# a busy machine's threads have at a time moves its peak by up to a hundred.
@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "small", "large", "share"), [("ntm", 2, 8, 0.5), ("lda", 4, 16, 1.0)])
def test_a_corpus_four_times_as_large_takes_no_more_memory(
    tmp_path: Path, algorithm: str, small: int, large: int, share: float
) -> None:
    peaks = [peak(job_of(tmp_path / str(chunks), algorithm, chunks)) for chunks in (small, large)]
    assert peaks[1] - peaks[0] < share * (large - small) * CHUNK_MEGABYTES, peaks
