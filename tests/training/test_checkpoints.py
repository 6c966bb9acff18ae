"""Jobs that are interrupted, as real processes, and go on as if they had not been."""

from __future__ import annotations

import itertools
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs import Job, planted_corpus, small_job
from tests.training.test_several_hosts import ALL, by_epochs, finish, start
from topicdock.algorithms.hosts import ALONE
from topicdock.algorithms.ntm import fit
from topicdock.algorithms.progress import EpochReport, Losses
from topicdock.algorithms.snapshots import NoKeeper, Snapshot
from topicdock.artifact import load_model
from topicdock.contract.checkpoints import Checkpoint, CheckpointFolder
from topicdock.spec.registry import ALGORITHMS
from topicdock.training.checkpoints import Identity, JobCheckpoints
from topicdock.training.epochs import EpochRun

EPOCHS = 60


def job(base: Path, **hyperparameters: str) -> Job:
    """Return a job of some seconds, whose epochs are not over before a test has seen them, with checkpoints."""
    made = small_job(base, **{"epochs": str(EPOCHS), "mini_batch_size": "4", **hyperparameters})
    made.documents("validation", planted_corpus(60, seed=1))
    (base / "checkpoints").mkdir()
    return made


def weights(trained: Job) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_model(trained.model.parent).arrays.items()}


def checkpoints(trained: Job) -> list[Path]:
    return sorted((trained.base / "checkpoints").iterdir())


def restart(interrupted: Job) -> str:
    result = interrupted.train()
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"algorithm": "etm"},
        {"recipe": "sagemaker", "optimizer": "adam", "num_patience_epochs": "100"},
        {"sub_sample": "0.5"},
    ],
    ids=["ntm", "etm", "the built-in's recipe", "a share of the documents"],
)
def test_a_job_killed_again_and_again_ends_with_the_model_of_one_that_was_not(
    tmp_path: Path, given: dict[str, str]
) -> None:
    undisturbed = job(tmp_path / "undisturbed", **given)
    undisturbed_log = restart(undisturbed)
    killed = job(tmp_path / "killed", **given)
    generator = random.Random(0)
    kills = epoch = 0
    for _ in range(3):
        (host,) = start([killed])
        host.reaches(epoch + generator.randrange(1, EPOCHS // 6))
        time.sleep(generator.random() * 0.1)
        host.process.kill()
        kills += finish([host]) != [0]  # unless the job was quicker than the test
        epoch = host.epoch
    assert kills
    log = restart(killed)
    assert "Going on from the checkpoint" in log
    assert weights(killed) == weights(undisturbed)
    last = re.compile(rf"epoch={EPOCHS}, \w+ total_loss <loss>=(\S+)|Total Records Seen\S+ \{{\S+ (\S+)")
    assert last.findall(log)[-3:] == last.findall(undisturbed_log)[-3:]
    ours, theirs = (load_model(each.model.parent).metadata.training for each in (killed, undisturbed))
    assert ours == theirs


@pytest.mark.slow
def test_sigterm_at_any_moment_leaves_a_model_and_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    undisturbed = job(tmp_path / "undisturbed")
    restart(undisturbed)
    stopped = job(tmp_path / "stopped")
    for epoch in (2, 9, 30):
        (host,) = start([stopped])
        host.reaches(epoch)
        began = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        assert finish([host]) == [0], host.log
        assert time.monotonic() - began < 10
        assert "the best model so far is saved" in host.log
        assert load_model(stopped.model.parent).num_topics == 4
    restart(stopped)
    assert weights(stopped) == weights(undisturbed)


def test_a_job_that_had_ended_ends_at_once_with_the_same_model(tmp_path: Path) -> None:
    ended = job(tmp_path, num_patience_epochs="2", tolerance="0.1")
    assert "Early stop condition met" in restart(ended)
    before = weights(ended)
    ended.model.unlink()
    assert "# Starting training" not in restart(ended)
    assert weights(ended) == before


@pytest.mark.slow
def test_a_checkpoint_cut_short_never_breaks_a_start(tmp_path: Path) -> None:
    cut = job(tmp_path)
    before = weights(cut) if restart(cut) else {}
    for share in (0.0, 0.001, 0.5, 0.999):
        newest = checkpoints(cut)[-1]
        newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
        assert f"{newest} is damaged and passed over" in restart(cut)
        assert weights(cut) == before
    for path in checkpoints(cut):
        path.write_bytes(b"nothing of the kind")
    assert "# Starting training for epoch 1" in restart(cut)
    assert weights(cut) == before


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "change", ["hyperparameter", pytest.param("algorithm", marks=_SLOW), pytest.param("documents", marks=_SLOW)]
)
def test_checkpoints_of_another_job_are_refused(tmp_path: Path, change: str) -> None:
    changed = job(tmp_path, learning_rate="0.01")
    (host,) = start([changed])
    host.reaches(3)
    host.process.kill()
    finish([host])
    if change == "documents":
        changed.documents("train", planted_corpus(seed=5), shards=2)
        expected = "the channel train 400 documents (checksum "
    else:
        given = {"learning_rate": "0.02"} if change == "hyperparameter" else {"algorithm": "etm"}
        changed.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "epochs": str(EPOCHS), **given})
        expected = "learning_rate 0.01 there, 0.02 here" if change == "hyperparameter" else "algorithm ntm there"
    assert changed.train().returncode == 1
    assert changed.failure.startswith("ClientError: ")
    assert expected in changed.failure
    assert "give the job an empty checkpoint folder" in changed.failure


def test_a_folder_that_cannot_be_written_to_is_a_warning(tmp_path: Path) -> None:
    made = small_job(tmp_path)
    (tmp_path / "a file").touch()
    made.config("checkpointconfig.json", {"S3Uri": "s3://bucket/x", "LocalPath": str(tmp_path / "a file" / "folder")})
    assert "No checkpoint could be written to" in restart(made)
    assert made.model.exists()


def test_without_a_folder_there_are_no_checkpoints(tmp_path: Path) -> None:
    made = small_job(tmp_path)
    assert "Checkpoint loading and saving are disabled." in restart(made)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_several_hosts_go_on_from_the_leaders_checkpoint(tmp_path: Path) -> None:
    undisturbed = by_epochs(tmp_path / "undisturbed", "ntm", (ALL[:3], ALL[3:]))
    assert finish(start(undisturbed)) == [0, 0]
    killed = by_epochs(tmp_path / "killed", "ntm", (ALL[:3], ALL[3:]))
    (killed[0].base / "checkpoints").mkdir()
    hosts = start(killed)
    hosts[0].reaches(9)
    hosts[1].process.kill()
    assert finish(hosts)[0] == 1
    hosts = start(killed)
    assert finish(hosts) == [0, 0], hosts[1].log
    assert all("Training goes on after epoch" in host.log for host in hosts)
    assert weights(killed[0]) == weights(undisturbed[0])


def test_what_a_checkpoint_says_of_the_log_is_what_held_when_it_was_made(tmp_path: Path) -> None:
    """It is written while the next epochs run."""
    kept = JobCheckpoints(CheckpointFolder(tmp_path), Identity({}), ALONE)
    run = EpochRun(ALGORITHMS["ntm"], "algo-1", {"epochs": 3, "mini_batch_size": 1}, ALONE, kept)
    facts = kept.log_facts()
    run.epoch_finished(EpochReport(1, Losses(1.0, 0.5, 4, 4), None, None, 0.1, 0.0))
    assert facts["losses"] == []


class SlowFolder(CheckpointFolder):
    """A folder whose disk takes its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ready = threading.Event()

    def keep(self, checkpoint: Checkpoint) -> Path:
        assert self.ready.wait(60)
        return super().keep(checkpoint)


def test_training_does_not_wait_for_a_slow_disk_but_at_its_end(tmp_path: Path) -> None:
    folder = SlowFolder(tmp_path)
    kept = JobCheckpoints(folder, Identity({}), ALONE)
    made: list[int] = []

    def make(number: int) -> Snapshot:
        made.append(number)
        return Snapshot({}, {"number": number})

    assert kept.keep(lambda: make(1), wait=False)
    assert not kept.keep(lambda: make(2), wait=False)
    folder.ready.set()
    assert kept.keep(lambda: make(3), wait=True)
    kept.finish()
    assert made == [1, 3]
    restored = kept.restore()
    assert restored is not None
    assert restored.facts == {"number": 3}


class Occupied(NoKeeper):
    """A keeper that is busy with the first snapshot whenever it is not waited for."""

    def __init__(self) -> None:
        self.kept: list[Snapshot] = []

    def keep(self, make: Callable[[], Snapshot], *, wait: bool) -> bool:
        if self.kept and not wait:
            return False
        self.kept.append(make())
        return True


@pytest.mark.parametrize("stop_at", [12, 1000])
def test_the_state_at_the_end_is_kept_however_busy_the_keeper_is(stop_at: int) -> None:
    asked = itertools.count()
    keeper = Occupied()
    hyperparameters = ALGORITHMS["ntm"].hyperparameters.parse({"num_topics": "4", "feature_dim": "40", "epochs": "3"})
    fit(planted_corpus(), hyperparameters, should_stop=lambda: next(asked) >= stop_at, keeper=keeper)  # type: ignore[arg-type]
    first, last = (snapshot.facts["trainer"]["steps"] for snapshot in keeper.kept)
    assert first < last


def test_nothing_is_copied_where_nothing_is_kept() -> None:
    def make() -> Snapshot:
        raise AssertionError("a snapshot was made")

    assert not JobCheckpoints(None, Identity({}), ALONE).keep(make, wait=True)
    assert not NoKeeper().keep(make, wait=True)
