"""One LDA job on several hosts: processes of this machine, each with a folder of its own, that meet over loopback."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.jobs import Job, environment, planted_corpus
from topicdock.artifact import load_model

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def prepare(
    base: Path, shards: Sequence[Sequence[int]], *, sharded: bool = True, interface: str = "lo", **hyperparameters: str
) -> list[Job]:
    """Return a job for each host; `shards` are the numbers of the objects, of eight, that each host has."""
    corpus = planted_corpus(400)
    jobs = []
    for rank, numbers in enumerate(shards):
        job = Job(base / f"host{rank}")
        job.config("resourceconfig.json", {
            "current_host": HOSTS[rank], "hosts": list(HOSTS[: len(shards)]), "network_interface_name": interface,
        })  # fmt: skip
        given = {"algorithm": "lda", "num_topics": "4", "feature_dim": "40", "perplexity_allowance": "0"}
        job.config("hyperparameters.json", given | hyperparameters)
        for number in numbers:
            job.documents(f"shard{number}", corpus[number::8])
        folder = job.channel("train", {"S3DistributionType": "ShardedByS3Key"} if sharded else None)
        for number in numbers:
            (job.base / "input" / "data" / f"shard{number}" / "part-0").rename(folder / f"part-{number}")
            del job.channels[f"shard{number}"]
        job.documents("test", planted_corpus(50, seed=2))
        jobs.append(job)
    return jobs


def start(jobs: Sequence[Job]) -> list[subprocess.Popen[str]]:
    port = free_port()
    return [
        subprocess.Popen(
            job.command(), env=environment(job.base, TOPICDOCK_PORT=port), cwd=job.base,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for job in jobs
    ]  # fmt: skip


def finish(processes: Sequence[subprocess.Popen[str]], timeout: float = 120) -> list[str]:
    return [process.communicate(timeout=timeout)[0] for process in processes]


ALL = range(8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shards",
    [(ALL[:4], ALL[4:]), (ALL[:3], ALL[3:6], ALL[6:]), ((), ALL[:1], ALL[1:])],
    ids=["two hosts", "three hosts", "one of three without an object, the leader"],
)
def test_hosts_with_shards_fit_what_one_host_fits(tmp_path: Path, shards: Sequence[Sequence[int]]) -> None:
    jobs = prepare(tmp_path, shards)
    processes = start(jobs)
    logs = finish(processes)
    assert [process.returncode for process in processes] == [0] * len(jobs), "\n".join(logs)
    scores = [re.findall(r"test pwll <score>=(\S+)", log) for log in logs]
    assert len(scores[0]) == 1
    assert all(score == scores[0] for score in scores)
    assert [job.model.exists() for job in jobs] == [True] + [False] * (len(jobs) - 1)
    model = load_model(jobs[0].model.parent)
    assert model.metadata.training["documents"] == 400
    (alone,) = prepare(tmp_path / "alone", [ALL])
    alone.config("resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    assert alone.train().returncode == 0
    single = load_model(alone.model.parent)
    order = np.abs(model.beta[:, None] - single.beta[None]).sum(2).argmin(1)
    np.testing.assert_allclose(model.beta, single.beta[order], atol=2e-3)
    assert model.metadata.training["npmi"] == pytest.approx(single.metadata.training["npmi"], abs=0.02)


@pytest.mark.slow
def test_documents_that_every_host_has_are_divided_among_them(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL, ALL), sharded=False, interface="ethwe")
    processes = start(jobs)
    logs = finish(processes)
    assert [process.returncode for process in processes] == [0, 0], "\n".join(logs)
    assert "number 1 of 2, takes 200 of them" in logs[0]
    assert "number 2 of 2, takes 200 of them" in logs[1]
    assert all("There is no network interface ethwe" in log for log in logs)
    assert load_model(jobs[0].model.parent).metadata.training["documents"] == 400


def test_a_host_that_fails_ends_the_job_of_the_others_with_its_name(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]))
    next((jobs[1].base / "input" / "data" / "train").iterdir()).write_bytes(b"not a record")
    began = time.monotonic()
    processes = start(jobs)
    logs = finish(processes)
    assert time.monotonic() - began < 60
    assert [process.returncode for process in processes] == [1, 1], "\n".join(logs)
    assert jobs[1].failure.startswith("ClientError: ")
    assert "connection to host 127.0.0.2 was lost" in jobs[0].failure
    assert not jobs[0].model.exists()


@pytest.mark.slow
def test_a_host_killed_while_training_ends_the_job_of_the_others(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]), refinement_iterations="1000000", refinement_tolerance="0")
    processes = start(jobs)
    assert processes[1].stdout is not None
    assert any("[Refinement] iter=1/" in line for line in processes[1].stdout)
    processes[1].kill()
    began = time.monotonic()
    log = finish(processes[:1])[0]
    processes[1].communicate()
    assert time.monotonic() - began < 60
    assert processes[0].returncode == 1, log
    assert "was lost; it has failed or was stopped" in jobs[0].failure


@pytest.mark.slow
def test_no_words_on_any_host_is_said_by_every_host(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, ((), ()))
    processes = start(jobs)
    finish(processes)
    assert [process.returncode for process in processes] == [1, 1]
    assert all("there is nothing to learn from" in job.failure for job in jobs)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_host_that_waits_for_another_heeds_a_stop(tmp_path: Path, rank: int) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]))
    (waiting,) = start(jobs[rank : rank + 1])
    assert waiting.stdout is not None
    assert any(f"is number {rank + 1} of 2" in line for line in waiting.stdout)
    time.sleep(1)
    waiting.terminate()
    log = finish([waiting], timeout=30)[0]
    assert waiting.returncode == 143, log
    assert "Stopped before training had begun" in log


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = jobs[0].train(TOPICDOCK_PORT=str(port))
    assert result.returncode == 1
    assert (
        f"Port {port}, on which the hosts meet, is in use on the leader 127.0.0.1; set TOPICDOCK_PORT"
        in jobs[0].failure
    )


def test_ntm_on_several_hosts_is_refused(tmp_path: Path) -> None:
    (job,) = prepare(tmp_path, [ALL])
    job.config("resourceconfig.json", {"current_host": "a", "hosts": ["a", "b"]})
    job.config("hyperparameters.json", json.dumps({"num_topics": "4", "feature_dim": "40"}))
    assert job.train().returncode == 1
    assert "NTM and ETM on one host, LDA on several" in job.failure
