from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.container.docker import Engine, docker, find_compose, inspect
from tests.environments import python_with
from tests.sdk.cloud import Cloud, free_port, running_cloud

HERE = Path(__file__).parent
LONGEST = 900
_CONFIG_FILES = "com.docker.compose.project.config_files"
# Kept in local mode's own place; a free port lets an endpoint of somebody else's stand on 8080.
LOCAL_MODE = "local:\n  serving_port: {port}\n  container_root: {root}\n"
PYTHON_SDK = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"


@dataclass
class Client:
    """Runs programs by a Python that has one of SageMaker's SDKs, in a folder of their own."""

    python: Path
    folder: Path
    cloud: Cloud

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of clients/ to its end and return what it printed."""
        result = subprocess.run(
            [self.python, HERE / "run_client.py", HERE / "clients" / program, *arguments],
            cwd=self.folder, env=self._environment(),
            timeout=LONGEST, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout[-6000:]
        return result.stdout

    def answers(self) -> Any:
        """Return what a program left in answers.json."""
        return json.loads((self.folder / "answers.json").read_text())

    @property
    def contacted(self) -> set[str]:
        """The hosts that the program, and every Python that it started, connected to or looked up."""
        return set((self.folder / "contacted.log").read_text().splitlines())

    def exit_codes(self, *command: str) -> list[int]:
        """Return the exit codes of the containers that were started with this command, or with none."""
        return [
            container["State"]["ExitCode"]
            for container in _containers(self.folder)
            if (container["Config"]["Cmd"] or []) == list(command)
        ]

    def _environment(self) -> dict[str, str]:
        home, scratch = self.folder / "home", self.folder / "scratch"
        for folder in (home / ".sagemaker", scratch):
            folder.mkdir(parents=True, exist_ok=True)
        (home / ".sagemaker" / "config.yaml").write_text(LOCAL_MODE.format(port=free_port(), root=scratch))
        (home / "sdk.yaml").write_text(PYTHON_SDK)
        return {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")),
            "TMPDIR": str(scratch),
            "PYTHONPATH": str(HERE / "watch"),
            "WATCH_LOG": str(self.folder / "contacted.log"),
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(home / "sdk.yaml"),
            "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
            **self.cloud.variables,
        }


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud") / "moto.log") as running:
        yield running


@pytest.fixture
def sdk2(image: str, cloud: Cloud, tmp_path: Path) -> Iterator[Client]:
    """Return a client with SageMaker's SDK 2.x."""
    yield _client("sagemaker-2", "sagemaker.estimator", cloud, tmp_path)
    _clear(tmp_path, image)


@pytest.fixture
def sdk3(image: str, cloud: Cloud, tmp_path: Path) -> Iterator[Client]:
    """Return a client with SageMaker's SDK 3.x."""
    yield _client("sagemaker-3", "sagemaker.train.model_trainer", cloud, tmp_path)
    _clear(tmp_path, image)


def _client(name: str, module: str, cloud: Cloud, folder: Path) -> Client:
    if not find_compose():
        pytest.skip("SageMaker's SDKs need Compose: neither `docker compose` nor docker-compose is installed")
    return Client(python_with(name, (HERE / f"{name}.txt").read_text(), f"import {module}"), folder, cloud)


def _clear(folder: Path, image: str) -> None:
    """Remove the containers and networks that an SDK left, which never takes any down, and give back the files."""
    containers = _containers(folder)
    for container in containers:
        docker("rm", "--force", "--volumes", container["Id"])
    for project in {container["Config"]["Labels"]["com.docker.compose.project"] for container in containers}:
        networks = docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}").stdout
        for network in networks.split():
            docker("network", "rm", network, check=False)  # local mode has one, which another run may be using
    Engine(image).give_back(folder)


def _containers(folder: Path) -> list[dict[str, Any]]:
    """Return what Docker knows about the containers that an SDK started for a program that ran in `folder`."""
    found = docker("ps", "--all", "--quiet", "--filter", f"label={_CONFIG_FILES}").stdout.split()
    known = [inspect(container) for container in found]
    return [container for container in known if container["Config"]["Labels"][_CONFIG_FILES].startswith(str(folder))]
