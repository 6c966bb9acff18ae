"""``container/serve`` as a process of its own, and the requests that SageMaker would send it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.job import CONTAINER, DemoError, environment_of, started
from topicdock.contract.layout import Layout

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """A running service."""

    port: int

    @property
    def url(self) -> str:
        """Where documents are posted."""
        return f"http://{_HOST}:{self.port}/invocations"

    def answers_ping(self) -> bool:
        """Ask ``GET /ping`` whether the service is ready."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str) -> Answer:
        """Post documents and return what came back.

        Raises
        ------
        DemoError
            The service refused, or did not answer.
        """
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_REQUEST_SECONDS)
        began = time.perf_counter()
        try:
            headers = {"Content-Type": content_type, "Accept": "application/json"}
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"POST {self.url} was not answered: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise DemoError(f"POST {self.url} was answered with {response.status}: {content.decode()[:500]}")
        predictions = json.loads(content)["predictions"]
        theta = np.array([prediction["topic_weights"] for prediction in predictions])
        return Answer(theta, content, time.perf_counter() - began)


@dataclass(frozen=True)
class Answer:
    """What ``POST /invocations`` returned.

    Attributes
    ----------
    theta : array, shape (D, K)
        Topic proportions, one row for each document sent.
    body : bytes
        The same as JSON.
    seconds : float
        From sending to the last byte.
    """

    theta: NDArray[np.float64]
    body: bytes
    seconds: float


@contextmanager
def serving(layout: Layout, log: Path) -> Iterator[Endpoint]:
    """Run ``container/serve`` on a free port while the block lasts; it answers ``/ping`` when the block begins.

    Raises
    ------
    DemoError
        It ended, or was not ready within a minute.
    """
    endpoint = Endpoint(_find_free_port())
    environment = environment_of(layout, SAGEMAKER_BIND_TO_PORT=str(endpoint.port))
    with (
        log.open("w", encoding="utf-8") as output,
        started(CONTAINER / "serve", environment, stdout=output.fileno()) as process,
    ):
        deadline = time.monotonic() + _START_SECONDS
        while not endpoint.answers_ping():
            if process.poll() is not None:
                raise DemoError(f"container/serve ended with exit code {process.returncode}. {_last_line(log)}")
            if time.monotonic() > deadline:
                raise DemoError(
                    f"container/serve did not answer /ping within {_START_SECONDS:.0f} s. {_last_line(log)}"
                )
            time.sleep(0.1)
        yield endpoint


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "It printed nothing.")
