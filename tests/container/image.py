"""The image under test, built once for all tests that run it; a plugin of pytest's, named in tests/conftest.py."""

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

from tests.container.docker import docker
from tests.jobs import ROOT

DOCKER_UP = ROOT.parent / "shared" / "tools" / "docker-up"
IMAGE = "topicdock:test"
LDA_IMAGE = "topicdock:test-lda"
BUILDING = 1500


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image, starting an engine first if that is needed and can be done."""
    with _one_at_a_time():
        _find_engine()
        _build(IMAGE)
    return IMAGE


@pytest.fixture(scope="session")
def lda_image(image: str) -> str:
    """Build the image that fits LDA unless a job says otherwise: the same layers, and a variable."""
    with _one_at_a_time():
        _build(LDA_IMAGE, "--build-arg", "ALGORITHM=lda")
    return LDA_IMAGE


def _build(name: str, *arguments: str) -> None:
    subprocess.run(
        ["scripts/build-image", *arguments], cwd=ROOT, check=True, timeout=BUILDING,
        env={**os.environ, "DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0"), "TOPICDOCK_IMAGE": name},
    )  # fmt: skip


def _find_engine() -> None:
    if _engine_answers():
        return
    if not DOCKER_UP.exists():
        pytest.skip("this test needs a Docker engine: `docker info` does not answer")
    started = subprocess.run(
        [DOCKER_UP], check=False, timeout=BUILDING, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if started.returncode or not _engine_answers():
        pytest.skip(f"this test needs a Docker engine, which could not be started: {started.stderr[-300:]!r}")


def _engine_answers() -> bool:
    return shutil.which("docker") is not None and docker("info", check=False).returncode == 0


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    # Workers of pytest-xdist would otherwise start and build the same things at once.
    with Path(tempfile.gettempdir(), "topicdock-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
