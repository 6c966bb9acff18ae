"""Jobs that are interrupted within an epoch, and what they find changed when they start again."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.jobs import Job, planted_corpus
from tests.training.test_checkpoints import job, restart, weights
from tests.training.test_several_hosts import ALL, HOSTS, by_epochs, finish, start
from topicdock.contract.checkpoints import Checkpoint, CheckpointFolder

SECONDS = {"TOPICDOCK_CHECKPOINT_SECONDS": "1"}


def place(stopped: Job) -> tuple[int, int]:
    """Return the epoch and batch at which a job's newest checkpoint stands; batch 0 if the epoch is over."""
    data = CheckpointFolder(stopped.base / "checkpoints").find()
    assert data is not None
    trainer = Checkpoint.decode(data).facts["fit"]["trainer"]
    return trainer["epoch"], trainer["batch"]


@pytest.mark.slow
def test_a_job_killed_within_its_first_epoch_goes_on_from_there_with_the_same_bits(tmp_path: Path) -> None:
    undisturbed, killed = (job(tmp_path / name, epochs="2", mini_batch_size="1") for name in ("undisturbed", "killed"))
    for each in (undisturbed, killed):
        each.documents("train", planted_corpus(3000))
    (host,) = start([killed], **SECONDS)
    end = time.monotonic() + 60
    while not any((killed.base / "checkpoints").glob("checkpoint-????????")):
        assert host.process.poll() is None, host.log
        assert time.monotonic() < end, host.log
        time.sleep(0.02)
    host.process.kill()
    finish([host])
    assert "Finished training epoch 1" not in host.log
    epoch, batch = place(killed)
    assert epoch == 1
    assert batch > 0
    assert "Training goes on after epoch 0." in restart(killed)
    restart(undisturbed)
    assert weights(killed) == weights(undisturbed)


def stopped_within_an_epoch(base: Path) -> list[Job]:
    jobs = by_epochs(base, "ntm", (ALL[:3], ALL[3:]), epochs="10", mini_batch_size="2")
    (jobs[0].base / "checkpoints").mkdir()
    hosts = start(jobs)
    hosts[1].reaches(3)
    hosts[1].process.send_signal(signal.SIGTERM)
    assert finish(hosts) == [0, 0], hosts[0].log
    return jobs


@pytest.mark.slow
def test_hosts_to_which_the_documents_are_dealt_anew_begin_the_epoch_again(tmp_path: Path) -> None:
    jobs = stopped_within_an_epoch(tmp_path)
    epoch, batch = place(jobs[0])
    moved = jobs[1].base / "input" / "data" / "train" / "part-3"
    moved.rename(jobs[0].base / "input" / "data" / "train" / "part-3")
    hosts = start(jobs)
    assert finish(hosts) == [0, 0], hosts[0].log
    first = epoch if batch else epoch + 1
    for host in hosts:
        assert "an epoch that had begun begins again" in host.log
        finished = re.findall(r"Finished training epoch (\d+) on (\d+) examples", host.log)
        assert finished == [(str(number), "400") for number in range(first, 11)]


@pytest.mark.slow
def test_another_number_of_hosts_is_refused_by_all_of_them(tmp_path: Path) -> None:
    two = stopped_within_an_epoch(tmp_path / "two")
    three = by_epochs(tmp_path / "three", "ntm", (ALL[:3], ALL[3:6], ALL[6:]), epochs="10", mini_batch_size="2")
    (two[0].base / "checkpoints").rename(three[0].base / "checkpoints")
    hosts = start(three)
    assert finish(hosts) == [1] * len(HOSTS), hosts[0].log
    assert all("the number of hosts 2 there, 3 here" in each.failure for each in three)


def test_an_interval_that_is_no_number_is_a_mistake(tmp_path: Path) -> None:
    made = job(tmp_path)
    assert made.train(TOPICDOCK_CHECKPOINT_SECONDS="5 minutes").returncode == 1
    assert made.failure.startswith("ClientError: environment variable TOPICDOCK_CHECKPOINT_SECONDS: ")
