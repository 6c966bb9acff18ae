"""A folder laid out as SageMaker lays out /opt/ml, and the container's programs run on it as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.corpus import RECORDIO, parse_media_type, write_counts

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
RESOURCES = {
    "current_group_name": "homogeneousCluster",
    "current_host": "algo-1",
    "hosts": ["algo-1"],
    "network_interface_name": "eth0",
    "topology": None,
}


def planted_corpus(
    documents: int = 400, vocabulary_size: int = 40, num_topics: int = 4, *, length: int = 40, seed: int = 0
) -> csr_matrix:
    """Return counts of documents that each draw their words mostly from one block of the vocabulary."""
    generator = np.random.default_rng(seed)
    beta = np.kron(np.eye(num_topics), np.ones(vocabulary_size // num_topics)) + 0.02
    beta /= beta.sum(1, keepdims=True)
    theta = generator.dirichlet(np.full(num_topics, 0.1), documents)
    lengths = generator.poisson(length, documents)
    counts = np.stack([generator.multinomial(n, p / p.sum()) for n, p in zip(lengths, theta @ beta, strict=True)])
    return csr_matrix(counts.astype(np.float32))


def environment(base: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a container whose /opt/ml is `base`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(base), **extra}


@dataclass
class Job:
    """One training job's folder."""

    base: Path
    channels: dict[str, Any] = field(default_factory=dict)

    def config(self, name: str, content: object) -> None:
        """Write one of the three configuration files."""
        path = self.base / "input" / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def channel(self, name: str, settings: Mapping[str, str] | None = None) -> Path:
        """Declare a channel and return its folder; a manifest lies beside it, as SageMaker leaves one."""
        folder = self.base / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / f"{name}-manifest").write_text("[]")
        self.channels[name] = dict(settings or {"TrainingInputMode": "File"})
        self.config("inputdataconfig.json", self.channels)
        return folder

    def documents(
        self, name: str, counts: csr_matrix, media_type: str = RECORDIO, *, shards: int = 1, suffix: str = ""
    ) -> None:
        """Fill a channel with documents."""
        settings = {"TrainingInputMode": "File", **({} if media_type == RECORDIO else {"ContentType": media_type})}
        folder = self.channel(name, settings)
        for shard in range(shards):
            path = folder / f"part-{shard}{suffix}"
            write_counts(path, counts[shard::shards], parse_media_type(media_type))

    def text(self, name: str, file: str, content: str | bytes) -> None:
        """Put a file into a channel."""
        folder = self.channel(name, self.channels.get(name))
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    def train(self, *arguments: str, timeout: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run container/train to its end."""
        return subprocess.run(
            self.command(arguments), env=environment(self.base, **extra), cwd=self.base, timeout=timeout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def command(self, arguments: Sequence[str] = ()) -> list[str]:
        """Return the command that trains."""
        return [str(ROOT / "container" / "train"), *arguments]

    @property
    def failure(self) -> str:
        """The failure file's text; empty if there is none."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""

    @property
    def model(self) -> Path:
        """Where model_algo-1 is expected."""
        return self.base / "model" / "model_algo-1"


def small_job(base: Path, **hyperparameters: str) -> Job:
    """Return a job that trains in a few seconds."""
    job = Job(base)
    job.config("resourceconfig.json", RESOURCES)
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "epochs": "3", **hyperparameters})
    job.documents("train", planted_corpus(), shards=2)
    return job
