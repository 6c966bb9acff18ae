from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.container.docker import Engine, docker, mount
from tests.jobs import ROOT, Job, small_job

DOCKER_UP = ROOT.parent / "shared" / "tools" / "docker-up"
IMAGE = "topicdock:test"
BUILDING = 1500


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image, starting an engine first if that is needed and can be done."""
    with _one_at_a_time():
        _find_engine()
        subprocess.run(
            ["scripts/build-image"], cwd=ROOT, check=True, timeout=BUILDING,
            env={**os.environ, "DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0"), "TOPICDOCK_IMAGE": IMAGE},
        )  # fmt: skip
    return IMAGE


@pytest.fixture(scope="session")
def trained(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, int, str]]:
    """Train once: the job, the container's exit code and its log."""
    job = small_job(tmp_path_factory.mktemp("ml"))
    starter = Engine(image)
    yield job, *starter.run(mount(job.base), ["train"])
    starter.give_back(job.base)
    starter.remove_all()


@pytest.fixture
def engine(image: str, tmp_path: Path) -> Iterator[Engine]:
    starter = Engine(image)
    yield starter
    starter.give_back(tmp_path)
    starter.remove_all()


def _find_engine() -> None:
    if _engine_answers():
        return
    if not DOCKER_UP.exists():
        pytest.skip("the container tests need a Docker engine: `docker info` does not answer")
    started = subprocess.run(
        [DOCKER_UP], check=False, timeout=BUILDING, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if started.returncode or not _engine_answers():
        pytest.skip(f"the container tests need a Docker engine, which could not be started: {started.stderr[-300:]!r}")


def _engine_answers() -> bool:
    return shutil.which("docker") is not None and docker("info", check=False).returncode == 0


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    # Workers of pytest-xdist would otherwise start and build the same things at once.
    with Path(tempfile.gettempdir(), "topicdock-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
