"""A job on several hosts that each have a device: processes of this machine, the processor being the device of each."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.training.test_several_hosts import ALL, by_epochs, finish, losses, start
from topicdock.artifact import load_model

ON_A_DEVICE = (
    "import os, sys, torch; from topicdock.algorithms import devices; "
    "devices.choose_device = lambda *_: torch.device('cpu'); "
    "from topicdock.training import train; sys.exit(train(os.environ))"
)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
@pytest.mark.parametrize("shards", [(ALL[:4], ALL[4:]), ((), ALL)], ids=["two hosts", "the leader without an object"])
def test_processes_with_devices_learn_what_one_host_learns(
    tmp_path: Path, algorithm: str, shards: tuple[range, range]
) -> None:
    jobs = by_epochs(tmp_path, algorithm, shards)
    hosts = start(jobs, [[sys.executable, "-c", ON_A_DEVICE]] * 2)
    assert finish(hosts) == [0, 0], "\n".join(host.log for host in hosts)
    logs = [host.log for host in hosts]
    assert all("Number of GPUs being used: 1" in log for log in logs)
    assert len(losses(logs[0])) == 42
    assert losses(logs[1]) == losses(logs[0])
    assert [job.model.exists() for job in jobs] == [True, False]
    (alone,) = by_epochs(tmp_path / "alone", algorithm, [ALL])
    alone.config("resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    assert alone.train().returncode == 0
    several, single = (load_model(job.model.parent).metadata.training for job in (jobs[0], alone))
    assert several["documents"] == 400
    assert several["validation_total_loss"] == pytest.approx(single["validation_total_loss"], rel=0.03)
    assert several["npmi"] == pytest.approx(single["npmi"], abs=0.05)


def test_hosts_of_which_one_has_no_gpu_use_their_processors_and_say_which(tmp_path: Path) -> None:
    """One of the hosts is told to use its processor, and the other would look for a GPU."""
    has_one = (
        "import os, sys; from topicdock.algorithms import devices; devices._refuse = lambda *_: ''; "
        "from topicdock.training import train; sys.exit(train(os.environ))"
    )
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]), epochs="2")
    hosts = start(jobs, [[sys.executable, "-c", has_one], jobs[1].command()])
    assert finish(hosts) == [0, 0], hosts[0].log
    reasons = [re.findall(r"Training on the CPU: (on host 2 of 2, .+)\.$", host.log, re.MULTILINE) for host in hosts]
    assert len(reasons[0]) == 1
    assert reasons[1] == reasons[0]
