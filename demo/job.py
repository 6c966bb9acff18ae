"""A training job as SageMaker starts one: the tree below /opt/ml, then ``container/train`` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.contract.layout import BASE_VARIABLE, Layout
from topicdock.corpus.files import write_counts
from topicdock.corpus.media_types import RECORDIO, MediaType
from topicdock.corpus.vocabulary import write_vocabulary

CONTAINER = Path(__file__).resolve().parent.parent / "container"
"""The folder of ``train`` and ``serve``."""

_PROGRESS = re.compile(r"#progress_metric: host=\S+, completed (\S+) %")
_TRAIN_LOSS = re.compile(r"#quality_metric: host=\S+, epoch=(\d+), train total_loss <loss>=(\S+)")
_VALIDATION_LOSS = re.compile(r"#validation_score \(\d+\): (\S+)")
_FAREWELL_SECONDS = 30


class DemoError(Exception):
    """The demo cannot go on; its text is for the person in front of it."""


@dataclass(frozen=True)
class Progress:
    """How far training is.

    Attributes
    ----------
    percent : float
        Of the epochs asked for; 100 when training ended early.
    epoch : int
        Counted from 1.
    train_loss, validation_loss : float
        Nats per word.
    """

    percent: float
    epoch: int
    train_loss: float
    validation_loss: float


def lay_out(
    base: Path,
    train: csr_matrix,
    validation: csr_matrix,
    vocabulary: tuple[str, ...] | None,
    *,
    num_topics: int,
    shards: int = 4,
) -> Layout:
    """Write a job's configuration and channels below `base`, as SageMaker does below /opt/ml.

    Parameters
    ----------
    train, validation : csr_matrix, (D, V)
        Become RecordIO shards, as the SageMaker SDK uploads them.
    vocabulary : tuple of str, optional
        Becomes ``vocab.txt`` of the channel ``auxiliary``.
    num_topics : int
        With ``feature_dim`` the only hyperparameter: everything else is the algorithm's default.
    """
    layout = Layout(base)
    recordio = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "ContentType": RECORDIO}
    channels = {"train": recordio, "validation": recordio}
    for name, counts, number in (("train", train, shards), ("validation", validation, 1)):
        layout.channel(name).mkdir(parents=True)
        for shard, rows in enumerate(np.array_split(np.arange(counts.shape[0]), number)):
            write_counts(layout.channel(name) / f"matrix_{shard}.pbr", counts[rows], MediaType(RECORDIO))
    if vocabulary is not None:
        layout.channel("auxiliary").mkdir()
        write_vocabulary(layout.channel("auxiliary") / "vocab.txt", vocabulary)
        channels["auxiliary"] = {**recordio, "ContentType": "text/plain"}
    layout.hyperparameters.parent.mkdir()
    for path, content in (
        (layout.hyperparameters, {"num_topics": str(num_topics), "feature_dim": str(train.shape[1])}),
        (layout.input_data_config, channels),
        (layout.resource_config, {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}),
    ):
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return layout


def environment_of(layout: Layout, **more: str) -> dict[str, str]:
    """Return the environment in which ``container/train`` and ``container/serve`` find `layout` and this Python."""
    programs = str(Path(sys.executable).parent)
    return os.environ | {BASE_VARIABLE: str(layout.base), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"} | more


def train(layout: Layout, log: Path, on_progress: Callable[[Progress], object]) -> None:
    """Run ``container/train`` to its end.

    Parameters
    ----------
    log : Path
        Everything it prints goes here.
    on_progress : callable
        Called after each epoch with what the log says.

    Raises
    ------
    DemoError
        Training failed; carries the text of ``output/failure``.
    """
    with (
        log.open("w", encoding="utf-8") as copy,
        started(CONTAINER / "train", environment_of(layout), stdout=subprocess.PIPE) as process,
    ):
        for progress in read_progress(_copied(process, copy.write)):
            on_progress(progress)
        status = process.wait()
    if status:
        reason = layout.failure.read_text(encoding="utf-8") if layout.failure.is_file() else "It left no failure file."
        raise DemoError(f"container/train ended with exit code {status}. {reason.strip()}")


def read_progress(lines: Iterator[str]) -> Iterator[Progress]:
    """Find the progress of a training job in its log lines."""
    epoch, train_loss, validation_loss = 0, float("nan"), float("nan")
    for line in lines:
        if match := _TRAIN_LOSS.search(line):
            epoch, train_loss = int(match[1]), float(match[2])
        elif match := _VALIDATION_LOSS.search(line):
            validation_loss = float(match[1])
        elif match := _PROGRESS.search(line):
            yield Progress(float(match[1]), epoch, train_loss, validation_loss)


@contextmanager
def started(program: Path, environment: Mapping[str, str], *, stdout: int) -> Iterator[subprocess.Popen[str]]:
    """Start a program in a session of its own, and see to it that it has ended when the block is left.

    A session of its own: Ctrl-C reaches the demo alone, which then ends the program as SageMaker does, with SIGTERM.
    """
    with subprocess.Popen(
        [program], env=environment, stdout=stdout, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.communicate(timeout=_FAREWELL_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _copied(process: subprocess.Popen[str], write: Callable[[str], object]) -> Iterator[str]:
    for line in process.stdout or ():
        write(line)
        yield line
