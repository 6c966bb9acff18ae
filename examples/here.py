"""This machine in SageMaker's place: a training job, and an endpoint, as processes of their own.

With SageMaker the same two steps are ``Estimator(image_uri=...).fit(...)`` and ``.deploy(...)``; what goes in and what
comes out is the same.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topicdock.corpus import RECORDIO, parse_media_type, write_counts, write_vocabulary

_START_SECONDS = 60.0
TOPICDOCK = (sys.executable, "-m", "topicdock")


def write_channels(folder: Path, vocabulary: list[str] | None = None, **channels: Any) -> Path:
    """Write counts, scipy matrices of shape (D, V), as RecordIO channels, and the vocabulary beside them."""
    for name, counts in channels.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_counts(folder / name / "part-00000.pbr", counts, parse_media_type(RECORDIO))
    if vocabulary is not None:
        (folder / "auxiliary").mkdir(exist_ok=True)
        write_vocabulary(folder / "auxiliary" / "vocab.txt", vocabulary)
    return folder


def run(*arguments: object) -> None:
    """Run a topicdock command, its output shown as it comes."""
    subprocess.run([*TOPICDOCK, *map(str, arguments)], check=True)


def train(data: Path, output: Path, **hyperparameters: object) -> Path:
    """Train on prepared channels; returns the job's folder."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in hyperparameters.items()]
    run("train", "--data", data, "--output", output, *options)
    return output


@dataclass(frozen=True)
class Endpoint:
    """A running service."""

    url: str

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> Any:
        """Send a request and return what came back, parsed if it is JSON."""
        request = urllib.request.Request(  # noqa: S310 - the address is this machine's
            self.url + path, data=body if method == "POST" else None, method=method,
            headers={"Content-Type": content_type, "Accept": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None

    def predict(self, body: bytes, content_type: str, path: str = "/invocations") -> list[dict[str, Any]]:
        """Return a prediction for each document of `body`."""
        predictions: list[dict[str, Any]] = self.ask("POST", path, body, content_type)["predictions"]
        return predictions


@contextmanager
def deployed(job: Path, **environment: str) -> Iterator[Endpoint]:
    """Serve the model of a job's folder until the block is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings: Mapping[str, str] = {
        "SAGEMAKER_BASE_DIR": str(job), "SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "OPENBLAS_NUM_THREADS": "1", **environment,
    }  # fmt: skip
    log = job / "serving.log"
    with (
        log.open("wb") as lines,
        subprocess.Popen([*TOPICDOCK, "serve"], env={**os.environ, **settings}, stdout=lines, stderr=lines) as process,
    ):
        try:
            endpoint = Endpoint(f"http://127.0.0.1:{port}")
            _wait(endpoint, process, log)
            yield endpoint
        finally:
            process.terminate()


def _wait(endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            endpoint.ask("GET", "/ping")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"The endpoint did not start:\n{log.read_text(errors='replace')}")
