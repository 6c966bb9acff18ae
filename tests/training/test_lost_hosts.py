"""Jobs on several hosts, one of which fails, is killed or hangs: the others end, and say which."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.jobs import planted_corpus
from tests.training.test_several_hosts import ALL, HOSTS, by_epochs, finish, prepare, start
from topicdock.corpus import encode_counts


def test_a_host_that_fails_ends_the_job_of_the_others_with_its_name(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]))
    next((jobs[1].base / "input" / "data" / "train").iterdir()).write_bytes(b"not a record")
    began = time.monotonic()
    hosts = start(jobs)
    assert finish(hosts) == [1, 1], "\n".join(host.log for host in hosts)
    assert time.monotonic() - began < 60
    assert jobs[1].failure.startswith("ClientError: ")
    assert "connection to host 127.0.0.2 was lost" in jobs[0].failure
    assert not jobs[0].model.exists()


@pytest.mark.slow
def test_a_host_killed_while_training_ends_the_job_of_the_others(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL[:4], ALL[4:]), refinement_iterations="1000000", refinement_tolerance="0")
    hosts = start(jobs)
    assert hosts[1].says("[Refinement] iter=1/")
    hosts[1].process.kill()
    began = time.monotonic()
    assert finish(hosts)[0] == 1, hosts[0].log
    assert time.monotonic() - began < 60
    assert "was lost; it has failed or was stopped" in jobs[0].failure


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_every_host_names_the_one_of_three_that_was_lost_first(tmp_path: Path, lost: int) -> None:
    """They are all at one address here, and the first to miss it goes before the other has noticed."""
    jobs = by_epochs(tmp_path, "ntm", (ALL[:3], ALL[3:6], ALL[6:]), epochs="100000")
    hosts = start(jobs)
    hosts[lost].reaches(2)
    hosts[lost].process.kill()
    began = time.monotonic()
    others = [rank for rank in range(3) if rank != lost]
    assert finish([hosts[rank] for rank in others]) == [1, 1]
    assert time.monotonic() - began < 30
    finish(hosts)
    for rank in others:
        assert jobs[rank].failure.startswith(f"PlatformError: The connection to host {HOSTS[lost]} was lost; it"), rank
        assert "Traceback" not in hosts[rank].log


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_hosts_with_the_same_sentence(tmp_path: Path) -> None:
    given = {"recipe": "sagemaker", "optimizer": "sgd", "learning_rate": "1", "encoder_input": "counts"}
    given |= {"mini_batch_size": "8", "num_patience_epochs": "1000"}
    jobs = by_epochs(tmp_path, "ntm", (ALL[:3], ALL[3:6], ALL[6:]), **given)
    for job in jobs:
        (job.base / "input" / "data" / "train" / "enormous").write_bytes(encode_counts(1e5 * planted_corpus(50)))
    hosts = start(jobs)
    assert finish(hosts, timeout=60) == [1, 1, 1], hosts[0].log
    assert {job.failure for job in jobs} == {jobs[0].failure}
    assert jobs[0].failure.startswith("AlgorithmError: the loss is no longer a finite number in epoch ")


@pytest.mark.slow
def test_a_host_that_falls_silent_ends_the_job_of_the_others_with_its_name(tmp_path: Path) -> None:
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]), epochs="100000")
    hosts = start(jobs, TOPICDOCK_HOST_SILENCE_SECONDS="6")
    assert hosts[1].says("Finished training epoch 1")
    hosts[1].process.send_signal(signal.SIGSTOP)
    try:
        assert finish(hosts[:1], timeout=60) == [1], hosts[0].log
    finally:
        hosts[1].process.kill()
        hosts[1].process.wait()
    assert "Nothing was heard from host 127.0.0.2 for 6 seconds" in jobs[0].failure


@pytest.mark.slow
def test_a_leader_that_falls_silent_while_it_saves_ends_the_job_of_those_that_are_done(tmp_path: Path) -> None:
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]), epochs="3")
    topics = jobs[0].base / "output" / "data" / "topics.json"
    topics.parent.mkdir(parents=True)
    os.mkfifo(topics)  # to write to it waits for a reader
    hosts = start(jobs, TOPICDOCK_HOST_SILENCE_SECONDS="6")
    assert hosts[0].says("Serializing model")
    hosts[0].process.send_signal(signal.SIGSTOP)
    try:
        assert finish(hosts[1:], timeout=60) == [1], hosts[1].log
    finally:
        hosts[0].process.kill()
        hosts[0].process.wait()
    assert "Nothing was heard from host 127.0.0.1 for 6 seconds" in jobs[1].failure


@pytest.mark.slow
def test_a_host_that_hangs_as_soon_as_it_was_met_is_missed(tmp_path: Path) -> None:
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]))
    hangs = (
        "import os, signal, torch.distributed as d; d.new_group = lambda **_: os.kill(os.getpid(), signal.SIGSTOP); "
        "from topicdock.training import train; train(os.environ)"
    )
    hosts = start(jobs, commands=[jobs[0].command(), [sys.executable, "-c", hangs]], TOPICDOCK_HOST_SILENCE_SECONDS="6")
    try:
        assert finish(hosts[:1], timeout=60) == [1], hosts[0].log
    finally:
        hosts[1].process.kill()
        hosts[1].process.wait()
    assert "Nothing was heard from host 127.0.0.2 for 6 seconds" in jobs[0].failure
