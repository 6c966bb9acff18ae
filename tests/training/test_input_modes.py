"""Pipe and FastFile mode: container/train as a real process, fed by real processes through real FIFOs."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs import Job, environment, planted_corpus, small_job
from topicdock.artifact import load_model
from topicdock.corpus import CSV, RECORDIO, encode_counts, encode_csv
from topicdock.corpus.recordio import frame_record

CORPUS = planted_corpus()
WRITER = """
import os, sys, time
path, late, slow, die_after = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
content = sys.stdin.buffer.read()
time.sleep(late)
if not os.path.exists(path): os.mkfifo(path)
time.sleep(late)
with open(path, "wb", buffering=0) as pipe:
    for start in range(0, len(content), 1777):
        if die_after and start >= die_after: os._exit(9)
        pipe.write(content[start : start + 1777])
        time.sleep(slow)
"""


WRITERS: list[subprocess.Popen[bytes]] = []


def piped(base: Path, media_type: str = RECORDIO, *, wrapped: bool = False, **hyperparameters: str) -> Job:
    """Return a job whose training channel is a pipe."""
    job = small_job(base, **hyperparameters)
    for entry in (base / "input" / "data" / "train").iterdir():
        entry.unlink()
    (base / "input" / "data" / "train").rmdir()
    job.channels["train"] = {
        "TrainingInputMode": "Pipe", "ContentType": media_type, "RecordWrapperType": "RecordIO" if wrapped else "None",
        "S3DistributionType": "FullyReplicated",
    }  # fmt: skip
    job.config("inputdataconfig.json", job.channels)
    return job


def write(
    job: Job, content: bytes, channel: str = "train", *, late: float = 0.0, slow: float = 0.0, die_after: int = 0
) -> subprocess.Popen[bytes]:
    """Start a process that writes into a channel's first pipe."""
    path = job.base / "input" / "data" / f"{channel}_0"
    if not late:
        os.mkfifo(path)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(late), str(slow), str(die_after)], stdin=subprocess.PIPE
    )
    WRITERS.append(writer)
    stdin = writer.stdin
    if stdin is not None:
        stdin.write(content)
        stdin.close()
    return writer


@pytest.fixture(autouse=True)
def no_writer_is_left() -> Iterator[None]:
    """End the writers whose pipe nobody read to its end."""
    yield
    while WRITERS:
        WRITERS[-1].kill()
        WRITERS.pop().wait()


def digest(job: Job) -> str:
    return hashlib.sha256(
        b"".join(a.tobytes() for _, a in sorted(load_model(job.model.parent).arrays.items()))
    ).hexdigest()


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model of the corpus in File mode."""
    job = small_job(tmp_path_factory.mktemp("files"))
    job.documents("train", CORPUS)
    (job.base / "input" / "data" / "train" / "part-1").unlink(missing_ok=True)
    assert job.train().returncode == 0
    return digest(job)


@pytest.mark.parametrize("how", ["plain", "late and slow", "gzip", "wrapped csv", "csv without last line ends"])
def test_a_pipe_gives_the_model_of_the_same_documents_in_files(tmp_path: Path, from_files: str, how: str) -> None:
    csv = [encode_csv(CORPUS[start : start + 50]) for start in range(0, 400, 50)]
    wrapped = how == "wrapped csv"
    job = piped(tmp_path, CSV if "csv" in how else RECORDIO, wrapped=wrapped)
    content = {
        "plain": encode_counts(CORPUS),
        "late and slow": encode_counts(CORPUS),
        "gzip": gzip.compress(encode_counts(CORPUS[:100])) + gzip.compress(encode_counts(CORPUS[100:])),
        "wrapped csv": b"".join(map(frame_record, csv)),
        "csv without last line ends": b"".join(part.rstrip() for part in csv),
    }[how]
    late, slow = (1.0, 0.01) if how == "late and slow" else (0.0, 0.0)
    writer = write(job, content, late=late, slow=slow)
    done = job.train()
    assert done.returncode == 0, done.stdout
    assert writer.wait(10) == 0
    assert digest(job) == from_files
    assert "Channel train is read once, from" in done.stdout
    assert not (tmp_path / "input" / "data" / "train_1").exists()


@pytest.mark.parametrize("algorithm", ["lda", "etm"])
def test_every_channel_may_be_a_pipe(tmp_path: Path, algorithm: str) -> None:
    job = piped(tmp_path)
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "algorithm": algorithm})
    for name in ("test", "auxiliary"):
        job.channels[name] = {"TrainingInputMode": "Pipe"}
    job.config("inputdataconfig.json", job.channels)
    write(job, encode_counts(CORPUS))
    write(job, encode_counts(planted_corpus(50, seed=3)), "test")
    write(job, b"".join(b"word-%d\n" % number for number in range(40)), "auxiliary")
    done = job.train()
    assert done.returncode == 0, done.stdout
    assert "Read 50 documents" in done.stdout
    vocabulary = load_model(job.model.parent).metadata.vocabulary
    assert vocabulary is not None
    assert vocabulary[3] == "word-3"


def test_a_writer_that_dies_within_a_record_fails_the_job_with_its_place(tmp_path: Path) -> None:
    job = piped(tmp_path)
    write(job, encode_counts(CORPUS), die_after=20_000)
    done = job.train()
    assert done.returncode == 1
    assert job.failure.startswith("ClientError: channel train, pipe train_0, record ")
    assert "the data end inside a record" in job.failure


def test_an_empty_pipe_is_a_channel_without_documents(tmp_path: Path) -> None:
    job = piped(tmp_path)
    write(job, b"")
    assert job.train().returncode == 1
    assert "channel train: there is nothing to learn from; got: 0 documents" in job.failure


def test_a_mistake_in_a_pipe_names_channel_and_record_and_closes_it_early(tmp_path: Path) -> None:
    job = piped(tmp_path)
    spoilt = encode_counts(CORPUS[:7]) + encode_counts(planted_corpus(3, 44)) + encode_counts(CORPUS) * 1500
    writer = write(job, spoilt)
    assert job.train().returncode == 1
    assert job.failure.startswith("ClientError: channel train, pipe train_0, record 8: the document's shape")
    assert writer.wait(10) != 0  # a broken pipe


@pytest.mark.parametrize("waits_for", ["the pipe", "its writer", "more data"])
def test_a_stop_while_waiting_for_a_pipe_ends_the_job_at_once(tmp_path: Path, waits_for: str) -> None:
    job = piped(tmp_path)
    path = job.base / "input" / "data" / "train_0"
    if waits_for != "the pipe":
        os.mkfifo(path)
    process = subprocess.Popen(
        job.command(),
        env=environment(job.base),
        cwd=job.base,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = process.stdout or ()
    assert any("Channel train is read once" in line for line in lines)
    writing = None
    if waits_for == "more data":
        writing = os.open(path, os.O_WRONLY)
        os.write(writing, encode_counts(CORPUS)[:1000])
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    output = process.communicate(timeout=20)[0]
    assert time.monotonic() - began < 5
    assert process.returncode == 143, output
    if writing is not None:
        os.close(writing)


def test_embeddings_through_a_pipe_are_refused_with_what_to_do(tmp_path: Path) -> None:
    job = piped(tmp_path, algorithm="etm")
    job.channels["embeddings"] = {"TrainingInputMode": "Pipe"}
    job.config("inputdataconfig.json", job.channels)
    assert job.train().returncode == 1
    assert "the channel embeddings has input mode Pipe" in job.failure
    assert "give this channel the input mode File" in job.failure


@pytest.mark.slow
def test_nothing_is_written_where_files_are_streamed_from(tmp_path: Path, from_files: str) -> None:
    job = small_job(tmp_path)
    job.documents("train", CORPUS)
    folder = tmp_path / "input" / "data" / "train"
    (folder / "part-1").unlink(missing_ok=True)
    job.channels["train"] = {"TrainingInputMode": "FastFile"}
    job.config("inputdataconfig.json", job.channels)
    folder.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "input").rglob("*")}
    trace = tmp_path / "trace"
    done = job.train(TOPICDOCK_MEMORY_MB="0", TMPDIR=str(tmp_path), PYTHONPYCACHEPREFIX=str(trace))
    assert done.returncode == 0, done.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "input").rglob("*")} == before
    assert digest(job) == from_files
