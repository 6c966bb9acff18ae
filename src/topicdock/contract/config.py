"""The three configuration files of a training job, read leniently where the contract leaves things out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topicdock.contract.layout import Layout
from topicdock.errors import CustomerError, PlatformError


@dataclass(frozen=True)
class ChannelConfig:
    """One input channel as the job declared it; empty where the job said nothing.

    Attributes
    ----------
    content_type : str
        As given, parameters included.
    input_mode : str
        ``File``, ``FastFile`` or ``Pipe``.
    sharded : bool
        Whether each host has a part of the objects (``ShardedByS3Key``), not all of them.
    wrapped : bool
        Whether each object comes as a RecordIO record (``RecordWrapperType``), in Pipe mode.
    """

    name: str
    folder: Path
    content_type: str = ""
    input_mode: str = "File"
    sharded: bool = False
    wrapped: bool = False

    @property
    def pipe(self) -> Path:
        """The FIFO of the first pass over the channel, in Pipe mode."""
        return self.folder.with_name(f"{self.folder.name}_0")


@dataclass(frozen=True)
class Cluster:
    """This host and its peers."""

    current_host: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    interface: str = ""

    @property
    def leads(self) -> bool:
        """Whether this is the host that writes the model."""
        return self.current_host == self.hosts[0]


def read_hyperparameters(layout: Layout) -> dict[str, Any]:
    """Return hyperparameters.json as it stands; a missing file is an empty one.

    Raises
    ------
    CustomerError
        The file is no JSON object, or a value is an object.
    """
    content = _read_object(layout.hyperparameters) or {}
    for name, value in content.items():
        if isinstance(value, dict):
            raise CustomerError(
                "a hyperparameter must be a string",
                where=f"{layout.hyperparameters}, {name}",
                got=json.dumps(value)[:60],
                todo="write every value as a string",
            )
    return content


def read_channels(layout: Layout, declared: Iterable[str]) -> dict[str, ChannelConfig]:
    """Return the job's channels by name.

    Parameters
    ----------
    declared : iterable of str
        The algorithm's channels. They matter only where inputdataconfig.json is missing, as it may be under a plain
        ``docker run``: then those of them that have a folder are taken.

    Raises
    ------
    CustomerError
        The file is no JSON object of JSON objects.
    """
    content = _read_object(layout.input_data_config)
    if content is None:
        content = {name: {} for name in declared if layout.channel(name).is_dir()}
    channels = {}
    for name, given in content.items():
        settings = {} if given is None else given
        if not isinstance(settings, dict):
            raise CustomerError(
                "a channel's settings must be a JSON object",
                where=f"{layout.input_data_config}, {name}",
                got=json.dumps(settings)[:60],
                allowed='{} or for example {"ContentType": "text/csv"}',
            )
        channels[name] = ChannelConfig(
            name,
            layout.channel(name),
            content_type=str(settings.get("ContentType") or ""),
            input_mode=str(settings.get("TrainingInputMode") or "File"),
            sharded=settings.get("S3DistributionType") == "ShardedByS3Key",
            wrapped=settings.get("RecordWrapperType") == "RecordIO",
        )
    return channels


def read_cluster(layout: Layout) -> Cluster:
    """Return the hosts of the job; a missing resourceconfig.json is a single host.

    Raises
    ------
    CustomerError
        The file contradicts itself.
    """
    content = _read_object(layout.resource_config) or {}
    hosts = content.get("hosts") or [content.get("current_host") or "algo-1"]
    if not isinstance(hosts, list) or not all(isinstance(host, str) and re.fullmatch(r"\S+", host) for host in hosts):
        raise CustomerError(
            "hosts must be a list of names without blanks",
            where=str(layout.resource_config),
            got=json.dumps(hosts)[:60],
        )
    current = content.get("current_host") or hosts[0]
    if current not in hosts:
        raise CustomerError(
            "current_host must be one of hosts",
            where=str(layout.resource_config),
            got=json.dumps(current)[:60],
            allowed=", ".join(hosts),
        )
    return Cluster(current, tuple(sorted(set(hosts))), str(content.get("network_interface_name") or ""))


def read_checkpoint_path(layout: Layout) -> Path | None:
    """Return the folder for the job's checkpoints, or None if it has none.

    It has one where checkpointconfig.json is, or where the customary folder is: an outage between two jobs that share
    it, as a folder mounted into a container, is an interruption as well.
    """
    content = _read_object(layout.checkpoint_config)
    if content is not None:
        return Path(str(content.get("LocalPath") or layout.checkpoints))
    return layout.checkpoints if layout.checkpoints.is_dir() else None


def _read_object(path: Path) -> dict[str, Any] | None:
    """Return a file's JSON object, or None where there is no such file or nothing in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CustomerError("the file is not UTF-8 text", where=str(path), got=f"byte {error.start}") from error
    except OSError as error:
        raise PlatformError(f"{path} could not be read: {error.strerror or error}.") from error
    if not text.strip():
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CustomerError("the file is not JSON", where=str(path), got=str(error), todo="write valid JSON") from error
    if not isinstance(content, Mapping):
        raise CustomerError("the file must hold a JSON object", where=str(path), got=text.strip()[:60], allowed="{...}")
    return dict(content)
