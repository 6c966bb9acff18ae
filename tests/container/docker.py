"""Docker's command line, for tests: containers that are gone when the test is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 100
"""Seconds for what takes two or three on an idle machine."""


def docker(*arguments: str, timeout: float = PATIENCE, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``docker`` with both of its streams in `stdout`."""
    result = subprocess.run(
        ["docker", *arguments],
        timeout=timeout,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert not check or result.returncode == 0, f"docker {' '.join(arguments)}: {result.stdout[-2000:]}"
    return result


def find_compose() -> list[str]:
    """Return the command of Compose, new or old; empty if there is neither."""
    if docker("compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def inspect(name: str) -> dict[str, Any]:
    """Return what Docker knows about an image or a container."""
    described: dict[str, Any] = json.loads(docker("inspect", name).stdout)[0]
    return described


def mount(base: Path) -> tuple[str, str]:
    """Return the options that make `base` the container's /opt/ml."""
    return "--volume", f"{base}:/opt/ml"


def wait_until(happened: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Return once `happened` says so; fail if it does not in time."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} seconds"
        time.sleep(0.1)


class Container:
    """A running container."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    @property
    def log(self) -> str:
        """What it printed so far, both streams."""
        return docker("logs", self.identity).stdout

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return bool(inspect(self.identity)["State"]["Running"])

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code once it has ended."""
        return int(docker("wait", self.identity, timeout=timeout).stdout)

    def stop(self, seconds: int) -> float:
        """Stop it as SageMaker does, SIGKILL after `seconds`; return how long it took to end."""
        began = time.monotonic()
        docker("stop", "--time", str(seconds), self.identity, timeout=seconds + PATIENCE)
        return time.monotonic() - began

    def wait_for_log(self, text: str) -> None:
        """Return once it has printed `text`."""
        wait_until(lambda: text in self.log or not self.running, f"the line {text!r}")
        assert text in self.log, self.log

    def wait_for_ping(self, port: int = 8080) -> None:
        """Return once ``/ping`` answers 200."""
        wait_until(lambda: not self.running or self._answers_ping(port), "an answer to /ping")
        assert self.running, self.log

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command inside it; return the exit code and what was printed."""
        result = docker("exec", self.identity, *command, check=False)
        return result.returncode, result.stdout

    def request(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, port: int = 8080
    ) -> tuple[int, bytes]:
        """Send a request to a published port and return the status and the body of the answer."""
        published = inspect(self.identity)["NetworkSettings"]["Ports"][f"{port}/tcp"][0]
        url = f"http://{published['HostIp']}:{published['HostPort']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, dict(headers or {})), timeout=PATIENCE) as answer:
            return answer.status, answer.read()

    def _answers_ping(self, port: int) -> bool:
        try:
            return self.request("/ping", port=port)[0] == 200
        except (urllib.error.URLError, OSError):
            return False


class Engine:
    """Starts containers of one image and removes them."""

    def __init__(self, image: str) -> None:
        self.image = image
        self._started: list[str] = []

    def start(self, options: Sequence[str], command: Sequence[str] = ()) -> Container:
        """Start a container in the background: ``docker run OPTIONS IMAGE COMMAND``."""
        identity = docker("run", "--detach", *options, self.image, *command).stdout.split()[-1]
        self._started.append(identity)
        return Container(identity)

    def run(self, options: Sequence[str], command: Sequence[str] = ()) -> tuple[int, str]:
        """Run a container to its end; return its exit code and what it printed."""
        container = self.start(options, command)
        code = container.wait()
        return code, container.log

    def serve(self, *options: str, port: int = 8080) -> Container:
        """Start serving on a free port of loopback, and wait until it answers."""
        container = self.start(["--publish", f"127.0.0.1::{port}", *options], ["serve"])
        container.wait_for_ping(port)
        return container

    def remove_all(self) -> None:
        """Remove what was started here."""
        for identity in self._started:
            docker("rm", "--force", "--volumes", identity, check=False)
        self._started.clear()

    def give_back(self, base: Path) -> None:
        """Hand files that a container's root wrote to whoever runs the tests, so that they can be deleted."""
        if os.getuid():
            owner = f"{os.getuid()}:{os.getgid()}"
            docker("run", "--rm", *mount(base), self.image, "chown", "--recursive", owner, "/opt/ml", check=False)
