"""One job in several processes of each host, as a host with several GPUs trains it: real processes, on processors."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.jobs import Job, planted_corpus, small_job
from tests.training.test_checkpoints import weights
from tests.training.test_input_modes import CORPUS, piped, write
from tests.training.test_several_hosts import ALL, Host, by_epochs, finish, losses, prepare, start
from topicdock.algorithms import devices
from topicdock.artifact import load_model
from topicdock.corpus import encode_counts
from topicdock.errors import CustomerError
from topicdock.spec.registry import ALGORITHMS
from topicdock.training import processes
from topicdock.training.processes import count_processes

TWO = {"TOPICDOCK_PROCESSES": "2"}
BOTH = pytest.mark.parametrize("algorithm", ["ntm", "etm"])


def one_host(base: Path, algorithm: str = "ntm", **given: str) -> Job:
    """Return a job of a host that has all documents."""
    (job,) = by_epochs(base, algorithm, [ALL], **given)
    return job


def start_with(jobs: Sequence[Job], numbers: Sequence[int], **extra: str) -> list[Host]:
    """Start each job's host with so many processes."""
    commands = [
        ["env", f"TOPICDOCK_PROCESSES={number}", *job.command()] for job, number in zip(jobs, numbers, strict=True)
    ]
    return start(jobs, commands, **extra)


def others(host: Host, number: int = 1) -> list[int]:
    """Return the processes that a host's first one has started, once it has."""
    end = time.monotonic() + 30
    children = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children")
    while len(found := children.read_text().split()) < number:
        assert time.monotonic() < end, host.log
        time.sleep(0.02)
    return [int(pid) for pid in found]


def gone(pids: Sequence[int], seconds: float = 10) -> bool:
    """Wait until processes have ended."""
    end = time.monotonic() + seconds
    while any(map(_runs, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def patch(folder: Path, program: str) -> dict[str, str]:
    """Return an environment in which every Python process begins with a program."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
@BOTH
def test_two_processes_of_a_host_give_the_bits_of_two_hosts(tmp_path: Path, algorithm: str) -> None:
    """The hosts have all documents, and take every second one, in batches of half the size."""
    given = {"algorithm": algorithm, "num_topics": "4", "feature_dim": "40", "epochs": "4"}
    two = prepare(tmp_path / "two", (ALL, ALL), sharded=False)
    one = one_host(tmp_path / "one", algorithm)
    for job in (*two, one):
        job.documents("validation", planted_corpus(60, seed=1))
        job.config("hyperparameters.json", given | {"mini_batch_size": "40" if job is one else "20"})
    hosts = start(two)
    assert finish(hosts) == [0, 0], hosts[0].log
    (host,) = start([one], **TWO)
    assert finish([host]) == [0], host.log
    assert weights(one) == weights(two[0])
    assert losses(host.log) == losses(hosts[0].log)
    assert "Training in 2 processes on this host, 2 on all hosts." in host.log
    figures = [load_model(job.model.parent).metadata.training for job in (one, two[0])]
    assert figures[0] == figures[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "shards", "numbers"),
    [
        ("etm", (ALL,), (3,)),
        ("ntm", (ALL[:6], ALL[6:]), (2, 2)),
        ("etm", (ALL, ()), (2, 2)),
        ("ntm", (ALL[:2], ALL[2:]), (1, 3)),
    ],
    ids=["one host", "unequal shards", "a host without an object", "hosts with one and with three"],
)
def test_processes_learn_what_one_learns(
    tmp_path: Path, algorithm: str, shards: Sequence[Sequence[int]], numbers: Sequence[int]
) -> None:
    jobs = by_epochs(tmp_path, algorithm, shards)
    hosts = start_with(jobs, numbers)
    assert finish(hosts) == [0] * len(jobs), "\n".join(host.log for host in hosts)
    for host in hosts:
        assert len(losses(host.log)) == 42
        assert losses(host.log) == losses(hosts[0].log)
        assert "Finished training epoch 1 on 400 examples" in host.log
        assert host.log.count("Docker entrypoint called") == 1
    assert [job.model.exists() for job in jobs] == [True] + [False] * (len(jobs) - 1)
    alone = one_host(tmp_path / "alone", algorithm)
    assert alone.train().returncode == 0
    several, single = (load_model(job.model.parent).metadata.training for job in (jobs[0], alone))
    assert several["documents"] == 400
    assert several["validation_total_loss"] == pytest.approx(single["validation_total_loss"], rel=0.03)
    assert several["test_perplexity"] == pytest.approx(single["test_perplexity"], rel=0.08)
    assert several["npmi"] == pytest.approx(single["npmi"], abs=0.05)


@pytest.mark.slow
def test_the_log_of_several_processes_has_the_lines_of_one(tmp_path: Path) -> None:
    logs = []
    for number in ("1", "2"):
        job = small_job(tmp_path / number, mini_batch_size="30", num_patience_epochs="9")
        job.text("auxiliary", "vocab.txt", "\n".join(f"word{word}" for word in range(40)))
        done = job.train(TOPICDOCK_PROCESSES=number)
        assert done.returncode == 0, done.stdout
        logs.append([re.sub(r"\d\S*", "0", line) for line in done.stdout.splitlines() if " processes on " not in line])
        assert "word39" in done.stdout
    shapes = [[line for line in log if not re.search(r"word0|Coherence", line)] for log in logs]
    assert shapes[0] == shapes[1]


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["0", "100"], ids=["on disk", "in memory"])
def test_documents_are_read_once_from_a_pipe_and_handed_to_the_others(tmp_path: Path, memory: str) -> None:
    files = small_job(tmp_path / "files")
    files.documents("train", CORPUS)
    (files.base / "input" / "data" / "train" / "part-1").unlink()
    assert files.train(TOPICDOCK_PROCESSES="2").returncode == 0
    job = piped(tmp_path / "pipe")
    write(job, encode_counts(CORPUS))
    spools = tmp_path / "spools"
    spools.mkdir()
    done = job.train(TOPICDOCK_MEMORY_MB=memory, TMPDIR=str(spools), TOPICDOCK_PROCESSES="2")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Channel train is read once") == 1
    assert weights(job) == weights(files)
    assert list(spools.iterdir()) == []


ON_A_DEVICE = """
import sys, torch
from topicdock.algorithms import devices
def choose(*given):
    sys.stderr.write(f"device {given[-1]}\\n")
    return torch.device("cpu")
devices.choose_device = choose
"""
"""The processor is the device of each process, which says where it would look for one."""


@pytest.mark.slow
def test_a_process_with_a_device_is_named_with_it(tmp_path: Path) -> None:
    job = one_host(tmp_path / "job", epochs="100000")
    (host,) = start([job], **TWO, **patch(tmp_path / "patch", ON_A_DEVICE))
    host.reaches(2)
    os.kill(others(host)[0], signal.SIGBUS)
    assert finish([host], timeout=30) == [1], host.log
    text = (
        "On host 127.0.0.1, process 2 of 2 (cpu:1) was ended by the signal SIGBUS, as happens when a file of documents"
    )
    assert text in job.failure


@pytest.mark.slow
@BOTH
def test_processes_with_devices_are_given_one_each(tmp_path: Path, algorithm: str) -> None:
    job = one_host(tmp_path / "job", algorithm)
    (host,) = start([job], **TWO, **patch(tmp_path / "patch", ON_A_DEVICE))
    assert finish([host]) == [0], host.log
    assert sorted(re.findall(r"^device (\d)$", host.log, re.MULTILINE)) == ["0", "1"]
    assert "Number of GPUs being used: 2" in host.log
    alone = one_host(tmp_path / "alone", algorithm)
    assert alone.train().returncode == 0
    several, single = (load_model(each.model.parent).metadata.training for each in (job, alone))
    assert several["validation_total_loss"] == pytest.approx(single["validation_total_loss"], rel=0.03)
    assert several["npmi"] == pytest.approx(single["npmi"], abs=0.05)


def test_word_vectors_reach_every_process(tmp_path: Path) -> None:
    job = one_host(tmp_path, "etm", epochs="2")
    lines = [f"w{word} {word % 4} {word // 10} 1\n" for word in range(39)]
    job.text("auxiliary", "vocab.txt", "\n".join(f"w{word}" for word in range(40)))
    job.text("auxiliary", "vectors.txt", "".join(lines))
    done = job.train(TOPICDOCK_PROCESSES="2")
    assert done.returncode == 0, done.stdout
    assert "39 words have given vectors of 3 numbers" in done.stdout
    assert load_model(job.model.parent).metadata.training["words_without_vectors"] == 1


def test_lda_trains_in_one_process(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "algorithm": "lda"})
    done = job.train(TOPICDOCK_PROCESSES="2")
    assert done.returncode == 0, done.stdout
    assert "processes on this host" not in done.stdout


def test_a_stop_ends_the_training_of_all_processes_with_a_model(tmp_path: Path) -> None:
    job = one_host(tmp_path, epochs="100000")
    (host,) = start([job], **TWO)
    host.reaches(3)
    pids = others(host)
    host.process.terminate()
    began = time.monotonic()
    assert finish([host], timeout=30) == [0], host.log
    assert time.monotonic() - began < 10
    assert gone(pids, 1)
    assert load_model(job.model.parent).metadata.training["best_epoch"] >= 1


def test_a_stop_while_documents_are_waited_for_ends_all_processes(tmp_path: Path) -> None:
    job = piped(tmp_path)
    (host,) = start([job], **TWO)
    pids = others(host)
    assert host.says("Waiting for the pipe")
    host.process.terminate()
    assert finish([host], timeout=30) == [143], host.log
    assert gone(pids, 1)


@pytest.mark.parametrize("number", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_ends_the_job_with_its_name(tmp_path: Path, number: int) -> None:
    job = one_host(tmp_path, epochs="100000")
    (host,) = start_with([job], [number])
    host.reaches(3)
    pids = others(host, number - 1)
    os.kill(pids[-1], signal.SIGKILL)
    began = time.monotonic()
    assert finish([host], timeout=30) == [1], host.log
    assert time.monotonic() - began < 10
    assert gone(pids, 1)
    assert job.failure == (
        f"PlatformError: On host 127.0.0.1, process {number} of {number} was ended by the signal SIGKILL, as a system "
        "does that has no memory left. Run the job again; where there are checkpoints it goes on from the last."
    )
    assert "Traceback" not in host.log


@pytest.mark.slow
def test_every_host_names_the_process_that_was_lost(tmp_path: Path) -> None:
    jobs = by_epochs(tmp_path, "ntm", (ALL[:4], ALL[4:]), epochs="100000")
    hosts = start_with(jobs, (2, 2))
    hosts[0].reaches(3)
    pids = [others(host) for host in hosts]
    os.kill(pids[1][0], signal.SIGKILL)
    assert finish(hosts, timeout=30) == [1, 1], hosts[0].log
    assert "connection to host 127.0.0.2 (process 2 of 2) was lost" in jobs[0].failure
    assert "On host 127.0.0.2, process 2 of 2 was ended by the signal SIGKILL" in jobs[1].failure
    assert gone([pid for each in pids for pid in each], 1)


@pytest.mark.slow
def test_a_process_that_hangs_ends_the_job_with_its_name_and_is_not_left(tmp_path: Path) -> None:
    job = one_host(tmp_path, epochs="100000")
    (host,) = start([job], TOPICDOCK_HOST_SILENCE_SECONDS="6", **TWO)
    host.reaches(3)
    pids = others(host)
    os.kill(pids[0], signal.SIGSTOP)
    assert finish([host], timeout=60) == [1], host.log
    assert "Nothing was heard from host 127.0.0.1 (process 2 of 2) for 6 seconds" in job.failure
    assert gone(pids, 1)


def test_processes_end_when_the_first_is_killed(tmp_path: Path) -> None:
    job = piped(tmp_path)
    (host,) = start([job], **TWO)
    pids = others(host)
    assert host.says("Waiting for the pipe")
    host.process.kill()
    finish([host])
    assert gone(pids, 5)


def test_what_a_process_fails_of_is_the_text_of_the_job(tmp_path: Path) -> None:
    """A GPU without memory left is one process's own trouble."""
    program = (
        "import sys\n"
        "if 'process' in sys.orig_argv:\n"
        "    import torch\n"
        "    from topicdock.algorithms import fitting\n"
        "    def run(*_): raise torch.OutOfMemoryError('CUDA out of memory')\n"
        "    fitting._Course.run = run\n"
    )
    job = one_host(tmp_path / "job", epochs="100000")
    (host,) = start([job], **TWO, **patch(tmp_path / "patch", program))
    assert finish([host], timeout=60) == [1], host.log
    assert job.failure.startswith("PlatformError: on host 127.0.0.1, process 2 of 2: The GPU has no memory left")


@pytest.mark.slow
def test_a_process_that_fails_while_the_first_reads_ends_the_job(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "if 'process' in sys.orig_argv:\n"
        "    from topicdock.training import job\n"
        "    def fail(*_): raise RuntimeError('it cannot')\n"
        "    job.join = fail\n"
    )
    job = piped(tmp_path / "job")
    (host,) = start([job], **TWO, **patch(tmp_path / "patch", program))
    assert finish([host], timeout=60) == [1], host.log
    assert job.failure.startswith("AlgorithmError: on host algo-1, process 2 of 2: topicdock failed in a way it should")
    assert "RuntimeError: it cannot" in job.failure


def job_with_checkpoints(base: Path, algorithm: str = "ntm") -> Job:
    job = one_host(base, algorithm, epochs="12", mini_batch_size="16")
    (base / "host0" / "checkpoints").mkdir()
    return job


@pytest.mark.slow
@BOTH
def test_a_job_that_was_killed_goes_on_with_the_same_bits(tmp_path: Path, algorithm: str) -> None:
    undisturbed, killed = (job_with_checkpoints(tmp_path / name, algorithm) for name in ("undisturbed", "killed"))
    (host,) = start([killed], **TWO)
    host.reaches(5)
    pids = others(host)
    host.process.kill()
    finish([host])
    assert gone(pids, 5)
    again = killed.train(TOPICDOCK_PROCESSES="2")
    assert again.returncode == 0, again.stdout
    assert re.search(r"Training goes on after epoch [1-9]", again.stdout)
    assert undisturbed.train(TOPICDOCK_PROCESSES="2").returncode == 0
    assert weights(killed) == weights(undisturbed)


@pytest.mark.slow
def test_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    job = job_with_checkpoints(tmp_path)
    assert job.train(TOPICDOCK_PROCESSES="2").returncode == 0
    assert job.train(TOPICDOCK_PROCESSES="3").returncode == 1
    assert "the number of hosts 1, with 2 processes there, 1, with 3 processes here" in job.failure


@pytest.mark.parametrize(
    ("environment", "files", "gpus", "expected"),
    [
        ({}, 0, 0, 1),
        ({}, 1, 1, 1),
        ({}, 4, 4, 4),
        ({}, 4, 2, 2),
        ({}, 4, 0, 1),
        ({"TOPICDOCK_DEVICE": "cpu"}, 4, 4, 1),
        ({"TOPICDOCK_DEVICE": "cuda"}, 4, 4, 4),
        ({"TOPICDOCK_PROCESSES": "3"}, 0, 0, 3),
        ({"TOPICDOCK_PROCESSES": "1"}, 4, 4, 1),
    ],
)
def test_a_host_trains_in_as_many_processes_as_it_has_gpus_unless_it_is_told(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], files: int, gpus: int, expected: int
) -> None:
    monkeypatch.setattr(processes, "count_gpu_files", lambda: files)
    monkeypatch.setattr(devices, "count_gpus", lambda: gpus)
    assert count_processes(environment, ALGORITHMS["ntm"]) == expected
    assert count_processes(environment, ALGORITHMS["lda"]) == 1


@pytest.mark.parametrize("given", ["0", "two", "65"])
def test_a_number_of_processes_that_is_none_is_a_mistake(given: str) -> None:
    with pytest.raises(CustomerError, match="TOPICDOCK_PROCESSES"):
        count_processes({"TOPICDOCK_PROCESSES": given}, ALGORITHMS["ntm"])
