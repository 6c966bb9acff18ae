"""A training job on this machine, from prepared data to a model, without the files that SageMaker would write."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from topicdock.cli.files import write_whole
from topicdock.cli.models import guess_media_type
from topicdock.contract.layout import BASE_VARIABLE, Layout
from topicdock.errors import CustomerError
from topicdock.spec.registry import choose_algorithm
from topicdock.text.manifest import MANIFEST

LOG_FILE = "training.log"
_VOCABULARY = "vocab.txt"
_AUXILIARY = "auxiliary"
_PERCENT = re.compile(r"#progress_metric: host=\S+, completed (\S+) %")
_TRAIN_LOSS = re.compile(r"#quality_metric: host=\S+, epoch=(\d+), train \S+ <\w+>=(\S+)")
_VALIDATION_LOSS = re.compile(r"#validation_score \(\d+\): (\S+)")
# As container/train sets them: memory that was freed stays with the process, and idle threads sleep.
_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000", "PYTHONUNBUFFERED": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """How far training is: percent of the epochs, and what the last epoch's losses were, in words."""

    percent: float
    note: str


def lay_out(data: Path, output: Path, hyperparameters: Mapping[str, str], preferred: str) -> Layout:
    """Write a job's configuration below `output`, and link its channels to `data`.

    Parameters
    ----------
    data : Path
        What ``topicdock prepare`` wrote, or a folder with a folder for each channel.
    hyperparameters : mapping of str to str
        ``feature_dim`` may be left out where the data tell.
    preferred : str
        The algorithm, where the hyperparameters name none.

    Raises
    ------
    CustomerError
        There is no training data in `data`, or no way to tell the size of its vocabulary.
    """
    specification = choose_algorithm(hyperparameters, preferred)
    if not (data / "train").is_dir():
        raise CustomerError(
            "there is no folder train with documents to learn from",
            where=str(data),
            got=", ".join(sorted(path.name for path in data.iterdir())[:8]) if data.is_dir() else "no such folder",
            todo="make it with topicdock prepare",
        )
    given = dict(hyperparameters)
    if "feature_dim" not in given:
        given["feature_dim"] = str(_feature_dim(data))
    layout = Layout(output)
    channels = {}
    for channel in specification.channels:
        if not (data / channel.name).is_dir():
            continue
        auxiliary = channel.name == _AUXILIARY
        media_type = "text/plain" if auxiliary else guess_media_type(data / channel.name)
        channels[channel.name] = {"ContentType": media_type, "TrainingInputMode": "File"}
        _link(layout.channel(channel.name), (data / channel.name).resolve())
    for path, content in (
        (layout.hyperparameters, given),
        (layout.input_data_config, channels),
        (layout.resource_config, {"current_host": "algo-1", "hosts": ["algo-1"]}),
    ):
        write_whole(path, json.dumps(content, indent=2).encode() + b"\n")
    return layout


def _feature_dim(data: Path) -> int:
    try:
        return int(json.loads((data / _AUXILIARY / MANIFEST).read_text(encoding="utf-8"))["feature_dim"])
    except (OSError, ValueError, KeyError, TypeError):
        vocabulary = data / _AUXILIARY / _VOCABULARY
        if not vocabulary.is_file():
            raise CustomerError(
                "nothing tells the size of the vocabulary",
                where=str(data),
                got=f"neither {_AUXILIARY}/{MANIFEST} nor {_AUXILIARY}/{_VOCABULARY}",
                todo="give it with --feature-dim",
            ) from None
        return len(vocabulary.read_bytes().rstrip(b"\n").split(b"\n"))


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        if link.resolve() == target:
            return
        raise CustomerError(
            "there are data already, which are not those of --data",
            where=str(link),
            todo="name another --output, or remove this folder",
        )
    link.symlink_to(target, target_is_directory=True)


def run(layout: Layout, environment: Mapping[str, str], on_progress: Callable[[Standing], object]) -> int:
    """Train in a process of its own, its log in ``output/training.log``; return its exit code.

    SIGTERM and Ctrl-C reach that process, which then saves the best model so far.
    """
    log = layout.output_data.parent / LOG_FILE
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "topicdock", "train"]
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(
            command, env={**_ENVIRONMENT, **environment, BASE_VARIABLE: str(layout.base)}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        ) as process,
    ):  # fmt: skip
        before = {sign: signal.signal(sign, _passing_on(process)) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            for standing in read_standing(_copied(process, copy.write)):
                on_progress(standing)
            return process.wait()
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)
            if process.poll() is None:
                process.terminate()


def _passing_on(process: subprocess.Popen[str]) -> Callable[[int, FrameType | None], Any]:
    return lambda *_: process.send_signal(signal.SIGTERM)


def _copied(process: subprocess.Popen[str], write: Callable[[str], object]) -> Iterator[str]:
    for line in process.stdout or ():
        write(line)
        yield line


def read_standing(lines: Iterator[str]) -> Iterator[Standing]:
    """Find in a job's log how far it is."""
    train = validation = ""
    for line in lines:
        if match := _TRAIN_LOSS.search(line):
            train = f"epoch {match[1]}, loss {float(match[2]):.3f}"
        elif match := _VALIDATION_LOSS.search(line):
            validation = f", validation {float(match[1]):.3f}"
        elif match := _PERCENT.search(line):
            yield Standing(float(match[1]), train + validation)


def parse_hyperparameters(arguments: Sequence[str]) -> dict[str, str]:
    """Return hyperparameters from ``--name value`` or ``--name=value``, hyphens in names or underscores.

    Raises
    ------
    CustomerError
        Something else stands between them.
    """
    found = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or not (equals or rest):
            raise CustomerError(
                "this is no hyperparameter and its value",
                got=repr(name),
                allowed="--name value, for example --epochs 20",
            )
        found[name.removeprefix("--").replace("-", "_")] = value if equals else rest.pop(0)
    return found
