"""The folder in which an interrupted job finds what it had: SageMaker keeps it in S3, and fills it again at a restart.

A checkpoint is one file: a line that names the format, the SHA-256 of all that follows, and that, a safetensors file of
arrays with facts in JSON among them. It is as large as all that training holds, and so the arrays go to the file, and
come from it, as they lie in memory; the library of that format would copy them three times.

It is written under another name, synced to the disk, and then renamed, so that a file of a checkpoint's name is whole
when the machine goes down at any moment; what a copy on its way to S3 may have cut short, the sum tells. The two newest
are kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMAT = b"topicdock checkpoint "
_MAGIC = _FORMAT + b"1\n"
_BEGIN = len(_MAGIC) + hashlib.sha256().digest_size
"""Where what the sum is of begins."""
_NAME = re.compile(r"checkpoint-(\d{8,})")
_UNFINISHED = ".unfinished"
_KEPT = 2
_FACTS = "facts"
"""Of the array whose bytes are the facts; names with a slash are the job's own."""
_KINDS: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(kind) for name, kind in (("F32", "<f4"), ("F64", "<f8"), ("I64", "<i8"), ("U8", "u1"))
}
_ALIGNED = 64
"""Bytes of which the place of the first array in the file is a multiple."""
_logger = logging.getLogger(__name__)


class DamagedCheckpoint(ValueError):  # noqa: N818 - it says what the checkpoint is
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What a job needs to go on from: arrays by name, and facts as JSON has them."""

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]

    def parts(self) -> list[bytes | memoryview]:
        """Return the bytes of a checkpoint's file, piece by piece; the pieces of arrays are their own memory."""
        arrays = {f"array/{name}": np.asarray(array, order="C") for name, array in self.arrays.items()}
        arrays[_FACTS] = np.frombuffer(json.dumps(self.facts).encode(), np.uint8)
        names = {kind: name for name, kind in _KINDS.items()}
        header: dict[str, Any] = {}
        end = 0
        for name, array in arrays.items():
            begin, end = end, end + array.nbytes
            header[name] = {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        text += b" " * (-(_BEGIN + 8 + len(text)) % _ALIGNED)
        pieces = [array.reshape(-1).view(np.uint8).data for array in arrays.values()]
        content: list[Any] = [struct.pack("<Q", len(text)), text, *pieces]
        digest = hashlib.sha256()
        for part in content:
            digest.update(part)
        return [_MAGIC, digest.digest(), *content]

    def encode(self) -> bytes:
        """Return the bytes of a checkpoint's file."""
        return b"".join(self.parts())

    @classmethod
    def decode(cls, data: bytes) -> Checkpoint:
        """Return the checkpoint of a file's bytes, whose arrays are views of these.

        Raises
        ------
        DamagedCheckpoint
            They are not what :meth:`encode` returned.
        """
        if data.startswith(_FORMAT) and not data.startswith(_MAGIC):
            raise DamagedCheckpoint("another version of topicdock wrote it")
        content = memoryview(data)[_BEGIN:]
        if not data.startswith(_MAGIC) or hashlib.sha256(content).digest() != data[len(_MAGIC) : _BEGIN]:
            raise DamagedCheckpoint("its checksum is not that of its content")
        (length,) = struct.unpack_from("<Q", content)
        arrays = {}
        for name, entry in json.loads(bytes(content[8 : 8 + length])).items():
            begin, end = entry["data_offsets"]
            flat = np.frombuffer(content[8 + length + begin : 8 + length + end], _KINDS[entry["dtype"]])
            arrays[name] = flat.reshape(entry["shape"])
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        return cls({name.removeprefix("array/"): array for name, array in arrays.items()}, facts)


class CheckpointFolder:
    """A folder of checkpoints, one host's to write to.

    Parameters
    ----------
    path : Path
        Other files in it are left alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._damaged: set[Path] = set()

    def find(self) -> bytes | None:
        """Return the newest whole checkpoint's bytes; damaged ones are passed over with a warning.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        for path in reversed(self._list()):
            try:
                data = path.read_bytes()
                Checkpoint.decode(data)
            except (OSError, DamagedCheckpoint) as error:
                _logger.warning("The checkpoint %s is damaged and passed over: %s.", path, error)
                self._damaged.add(path)
            else:
                _logger.info("Going on from the checkpoint %s.", path)
                return data
        return None

    def keep(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, remove all but the newest two that are whole, and return its path.

        Raises
        ------
        OSError
            It cannot be written; the newest of those that were there is still there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        present = self._list()
        number = _number(present[-1]) + 1 if present else 1
        path = self.path / f"checkpoint-{number:08d}"
        whole = [path for path in present if path not in self._damaged]
        try:
            self._write(checkpoint, path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or len(whole) < _KEPT:
                raise
            whole.pop(0).unlink()  # better one that is new than two that are old
            self._write(checkpoint, path)
        self._sync()
        for old in [*whole[: 1 - _KEPT], *self._damaged, *self.path.glob(f"checkpoint-*{_UNFINISHED}")]:
            with suppress(OSError):  # not worth a job: the next one tries again
                old.unlink()
        return path

    def _write(self, checkpoint: Checkpoint, path: Path) -> None:
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                for part in checkpoint.parts():
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _list(self) -> list[Path]:
        """Return the checkpoints, the oldest first."""
        if not self.path.is_dir():
            return []
        return sorted((path for path in self.path.iterdir() if _NAME.fullmatch(path.name)), key=_number)

    def _sync(self) -> None:
        """Have the folder's new name reach the disk, if the file system has folders do so."""
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])
