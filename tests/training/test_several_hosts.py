"""One job on several hosts: processes of this machine, each with a folder of its own, that meet over loopback."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass
class Host:
    """A host's process, whose log goes to a file: in a pipe that nobody reads it would have to wait."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def says(self, text: str, timeout: float = 60) -> bool:
        """Wait until the log holds a text."""
        end = time.monotonic() + timeout
        while text not in self.log and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        return text in self.log

    @property
    def epoch(self) -> int:
        """The last epoch that has begun; 0 if none has."""
        return max(map(int, re.findall(r"# Starting training for epoch (\d+)$", self.log, re.MULTILINE)), default=0)

    def reaches(self, epoch: int, timeout: float = 60) -> None:
        """Wait until an epoch, or a later one, has begun."""
        end = time.monotonic() + timeout
        while self.epoch < epoch:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)


def start(jobs: Sequence[Job], commands: Sequence[Sequence[str]] = (), **extra: str) -> list[Host]:
    """Start a process for each job: container/train, unless there are other `commands`."""
    port = free_port()
    hosts = []
    for job, command in zip(jobs, commands or [job.command() for job in jobs], strict=True):
        with (job.base / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=environment(job.base, TOPICDOCK_PORT=port, **extra), cwd=job.base,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        hosts.append(Host(process, job.base / "log"))
    return hosts


def finish(hosts: Sequence[Host], timeout: float = 120) -> list[int]:
    """Wait for the ends of processes, and return their exit codes."""
    try:
        return [host.process.wait(timeout) for host in hosts]
    finally:
        for host in hosts:
            host.process.kill()
            host.process.wait()


ALL = range(8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shards",
    [(ALL[:4], ALL[4:]), (ALL[:3], ALL[3:6], ALL[6:]), ((), ALL[:1], ALL[1:])],
    ids=["two hosts", "three hosts", "one of three without an object, the leader"],
)
def test_hosts_with_shards_fit_what_one_host_fits(tmp_path: Path, shards: Sequence[Sequence[int]]) -> None:
    jobs = prepare(tmp_path, shards)
    hosts = start(jobs)
    assert finish(hosts) == [0] * len(jobs), "\n".join(host.log for host in hosts)
    logs = [host.log for host in hosts]
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
    hosts = start(jobs)
    assert finish(hosts) == [0, 0], "\n".join(host.log for host in hosts)
    logs = [host.log for host in hosts]
    assert "number 1 of 2, takes 200 of them" in logs[0]
    assert "number 2 of 2, takes 200 of them" in logs[1]
    assert all("There is no network interface ethwe" in log for log in logs)
    assert load_model(jobs[0].model.parent).metadata.training["documents"] == 400


@pytest.mark.slow
def test_no_words_on_any_host_is_said_by_every_host(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, ((), ()))
    assert finish(start(jobs)) == [1, 1]
    assert all("there is nothing to learn from" in job.failure for job in jobs)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_host_that_waits_for_another_heeds_a_stop(tmp_path: Path, rank: int) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]))
    (waiting,) = start(jobs[rank : rank + 1])
    assert waiting.says(f"is number {rank + 1} of 2")
    time.sleep(1)
    waiting.process.terminate()
    assert finish([waiting], timeout=30) == [143], waiting.log
    assert "Stopped before training had begun" in waiting.log


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


def by_epochs(base: Path, algorithm: str, shards: Sequence[Sequence[int]], **given: str) -> list[Job]:
    """Return a job of NTM or ETM for each host."""
    hyperparameters = {"algorithm": algorithm, "num_topics": "4", "feature_dim": "40", "epochs": "40", **given}
    jobs = prepare(base, shards)
    for job in jobs:
        job.config("hyperparameters.json", hyperparameters)
        job.documents("validation", planted_corpus(60, seed=1))
    return jobs


def losses(log: str) -> list[str]:
    return re.findall(r"(?:train|validation|test) total_loss <loss>=(\S+)", log)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
@pytest.mark.parametrize(
    "shards", [(ALL[:4], ALL[4:]), ((), ALL[:1], ALL[1:])], ids=["two hosts", "three, the leader without an object"]
)
def test_ntm_and_etm_on_several_hosts_learn_what_one_host_learns(
    tmp_path: Path, algorithm: str, shards: Sequence[Sequence[int]]
) -> None:
    jobs = by_epochs(tmp_path, algorithm, shards)
    hosts = start(jobs)
    assert finish(hosts) == [0] * len(jobs), "\n".join(host.log for host in hosts)
    logs = [host.log for host in hosts]
    assert len(losses(logs[0])) == 42
    assert all(losses(log) == losses(logs[0]) for log in logs)
    assert all("Finished training epoch 1 on 400 examples" in log for log in logs)
    assert [job.model.exists() for job in jobs] == [True] + [False] * (len(jobs) - 1)
    (alone,) = by_epochs(tmp_path / "alone", algorithm, [ALL])
    alone.config("resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    assert alone.train().returncode == 0
    several, single = (load_model(job.model.parent).metadata.training for job in (jobs[0], alone))
    assert several["documents"] == 400
    assert several["validation_total_loss"] == pytest.approx(single["validation_total_loss"], rel=0.03)
    assert several["test_perplexity"] == pytest.approx(single["test_perplexity"], rel=0.08)
    assert several["npmi"] == pytest.approx(single["npmi"], abs=0.05)
    assert all(topic["size"] for topic in several["topics"])
    assert (jobs[0].base / "output" / "data" / "report.html").exists()


@pytest.mark.parametrize("what", ["learning_rate", "the word vectors"])
def test_hosts_that_were_given_unlike_jobs_say_so(tmp_path: Path, what: str) -> None:
    jobs = by_epochs(tmp_path, "etm", (ALL[:4], ALL[4:]))
    if what == "learning_rate":
        given = {"algorithm": "etm", "num_topics": "4", "feature_dim": "40", "epochs": "40", "learning_rate": "0.02"}
        jobs[1].config("hyperparameters.json", given)
    else:
        for job in jobs[1:]:
            job.text("embeddings", "vectors.npy", "")
            np.save(job.base / "input" / "data" / "embeddings" / "vectors.npy", np.ones((40, 5), np.float32))
    hosts = start(jobs)
    assert finish(hosts) == [1, 1], hosts[0].log
    for job in jobs:
        assert job.failure.startswith("ClientError: " + what), job.failure
        assert "on the leader" in job.failure
        assert "on host 2 of 2" in job.failure


@pytest.mark.slow
def test_a_stop_of_one_host_ends_the_training_of_all_with_a_model(tmp_path: Path) -> None:
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]), epochs="100000")
    hosts = start(jobs)
    assert hosts[1].says("Finished training epoch 3")
    hosts[1].process.terminate()
    assert finish(hosts, timeout=30) == [0, 0], hosts[0].log
    assert losses(hosts[0].log)[-1] == losses(hosts[1].log)[-1]
    assert load_model(jobs[0].model.parent).metadata.training["best_epoch"] >= 1
