"""docker-compose.yml: train, then serve, on one local folder; and the loop from S3 over hosts to an endpoint."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.container.docker import PATIENCE, find_compose, wait_until
from tests.container.image import BUILDING
from tests.jobs import ROOT, small_job

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]

Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def compose(image: str, tmp_path: Path, port: int) -> Iterator[Compose]:
    """Return Compose, old or new, in a project of its own that is gone afterwards."""
    program = find_compose()
    if not program:
        pytest.skip("neither `docker compose` nor docker-compose is installed")
    project = f"topicdock-test-{uuid.uuid4().hex[:8]}"
    environment = {
        "DOCKER_BUILDKIT": "0", **os.environ, "ML": str(tmp_path), "PORT": str(port), "TOPICDOCK_IMAGE": image,
    }  # fmt: skip

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, "--project-name", project, *arguments], cwd=ROOT, env=environment | variables, check=False,
            timeout=BUILDING, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    yield run
    run("--profile", "loop", "down", "--volumes")


def test_the_file_is_valid_without_any_variable_set(image: str, compose: Compose) -> None:
    result = compose("config", "--quiet")
    assert (result.returncode, result.stdout) == (0, "")


def test_compose_trains_and_then_serves_what_was_trained(compose: Compose, tmp_path: Path, port: int) -> None:
    job = small_job(tmp_path, epochs="1")
    trained = compose("run", "--rm", "train")
    assert trained.returncode == 0, trained.stdout
    assert job.model.exists()
    started = compose("up", "--detach")
    assert started.returncode == 0, started.stdout
    wait_until(lambda: _answers(f"http://127.0.0.1:{port}/ping"), "an answer to /ping")
    services = compose("ps", "--services").stdout.split()
    assert "serve" in services


@pytest.mark.parametrize(("hosts", "algorithm"), [("2", "ntm"), ("1", "lda")])
def test_the_loop_goes_from_s3_over_hosts_to_an_answer(compose: Compose, hosts: str, algorithm: str) -> None:
    result = compose("--profile", "loop", "run", "--rm", "loop", HOSTS=hosts, ALGORITHM=algorithm)
    assert result.returncode == 0, result.stdout
    answered = re.findall(r"^[a-z ]{30,62}((?: [01]\.\d\d){4})$", result.stdout.replace("\r", ""), re.MULTILINE)
    theta = np.array([line.split() for line in answered], dtype=float)
    assert sorted(theta[:4].argmax(axis=1)) == [0, 1, 2, 3]  # the four themes are four topics
    assert set(np.argsort(theta[4])[2:]) == {theta[0].argmax(), theta[3].argmax()}  # and a mixture is of both
    placed = compose("--profile", "loop", "logs", "--no-color", "place").stdout
    shards = [re.findall(r"part-\d+", line) for line in placed.splitlines() if "algo-" in line and "vocab" in line]
    assert [len(parts) for parts in shards] == ([3, 3] if hosts == "2" else [5])  # with the one for validation
    log = compose("--profile", "loop", "logs", "--no-color", "algo-2").stdout
    assert ("host=algo-2" in log) == (hosts == "2")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
