"""The real service in a process of its own, as SageMaker starts it, on a free port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "container" / "serve"
PATIENCE = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_for(base: Path, extra: Mapping[str, str]) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Which kernels of the linear algebra compute here and there: the last digits are theirs.
    kernels = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    return {"PATH": path, "SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1", **kernels, **extra}


class Service:
    """``container/serve`` between ``with`` and its end; its standard output and error are in `log`."""

    def __init__(self, base: Path, extra: Mapping[str, str] | None = None) -> None:
        self.port = find_free_port()
        environment = environment_for(base, {"SAGEMAKER_BIND_TO_PORT": str(self.port), **(extra or {})})
        self._log = base / f"log-{self.port}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([COMMAND], env=environment, cwd=base, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        try:
            self.wait_until(self.answers_ping)
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit status and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - started

    def connect(self, timeout: float = PATIENCE) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        """Send one request on a connection of its own; an iterable body is sent in chunks."""
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def answers_ping(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log}")
        try:
            return self.ask("GET", "/ping", timeout=2).status == 200
        except OSError:
            return False

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{condition} did not come true within {PATIENCE} seconds")
            time.sleep(0.02)  # only until the other process is ready
