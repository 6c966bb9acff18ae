"""``docker run IMAGE serve``: what answers, where, and as whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.container.docker import Engine, mount, wait_until
from tests.jobs import Job
from tests.models import random_counts, random_model
from topicdock.artifact import save_model
from topicdock.corpus import CSV, encode_csv

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]
MODEL = random_model()
COUNTS = random_counts()
PROMPT = 10
LOCKED_DOWN = ("--read-only", "--tmpfs", "/tmp", "--user", "1000", "--cap-drop", "ALL")
ASK = """
import urllib.request as http
print(http.urlopen("http://127.0.0.1:8080/ping").status)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    save_model(MODEL, tmp_path / "model")
    tmp_path.chmod(0o755)  # for the test as another user; pytest's own folders are private
    return tmp_path


def test_the_answer_is_the_models(engine: Engine, base: Path) -> None:
    container = engine.serve(*mount(base))
    assert container.request("/ping") == (200, b"")
    status, answer = container.request("/invocations", encode_csv(COUNTS), {"Content-Type": CSV})
    assert status == 200
    theta = [document["topic_weights"] for document in json.loads(answer)["predictions"]]
    np.testing.assert_allclose(theta, MODEL.transform(COUNTS), atol=1e-6)


def test_another_user_serves_from_a_read_only_file_system_and_mount(engine: Engine, base: Path) -> None:
    container = engine.serve(*LOCKED_DOWN, "--volume", f"{base}:/opt/ml:ro")
    status, _ = container.request("/invocations", encode_csv(COUNTS), {"Content-Type": CSV})
    assert status == 200


def test_what_was_trained_is_served(engine: Engine, trained: tuple[Job, int, str]) -> None:
    job, code, log = trained
    assert code == 0, log
    container = engine.serve("--volume", f"{job.base}:/opt/ml:ro")
    body = json.dumps({"instances": [{"features": [1] * 40}]}).encode()
    status, answer = container.request("/invocations", body, {"Content-Type": "application/json"})
    assert status == 200
    assert len(json.loads(answer)["predictions"][0]["topic_weights"]) == 4


def test_docker_stop_ends_serving_promptly_and_with_zero(engine: Engine, base: Path) -> None:
    container = engine.serve(*mount(base))
    assert container.stop(30) < PROMPT
    assert container.wait() == 0, container.log


def test_another_port_is_served_when_the_platform_says_so(engine: Engine, base: Path) -> None:
    container = engine.serve("--env", "SAGEMAKER_BIND_TO_PORT=9090", *mount(base), port=9090)
    assert container.request("/ping", port=9090) == (200, b"")


def test_serving_needs_no_network(engine: Engine, base: Path) -> None:
    container = engine.start(["--network", "none", *mount(base)], ["serve"])
    wait_until(lambda: not container.running or container.execute("python3", "-c", ASK) == (0, "200\n"), "an answer")
    assert container.running, container.log


def test_serving_without_a_model_ends_at_once_and_says_why(engine: Engine, tmp_path: Path) -> None:
    code, log = engine.run(mount(tmp_path), ["serve"])
    assert code != 0
    assert "no model to serve" in log
    assert "Traceback" not in log
