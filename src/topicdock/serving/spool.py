"""A fitted model in a file that is mapped into memory: the processes that serve it share its arrays.

A line of JSON says what the model is called, a second one what it is; the arrays follow, each on a boundary of 64 bytes
and in the order of its dimensions in which the model held it. The file is written and read by the same version of
topicdock on the same machine, and lives no longer than the service.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.model import MODELS, Metadata, TopicModel

_ALIGNMENT = 64


@dataclass(frozen=True)
class Card:
    """What SageMaker calls a loaded model, and where it put it."""

    name: str
    url: str


def write_spool(file: IO[bytes], card: Card, model: TopicModel) -> None:
    """Write `model` to `file`, which is empty."""
    arrays = {name: np.asarray(array) for name, array in model.arrays.items()}
    description = {
        "algorithm": model.algorithm,
        "metadata": model.metadata,
        "arrays": {name: [array.dtype.str, array.shape, _order(array)] for name, array in arrays.items()},
    }
    file.write(orjson.dumps(card) + b"\n" + orjson.dumps(description) + b"\n")
    for array in arrays.values():
        file.write(bytes(-file.tell() % _ALIGNMENT))
        # Its transpose, where that is what lies in memory row by row.
        file.write((array.T if _order(array) == "F" else np.ascontiguousarray(array)).data.cast("B"))


def read_card(path: Path) -> Card:
    """Return what the model of a spool file is called."""
    with path.open("rb") as file:
        return Card(**orjson.loads(file.readline()))


def map_spool(file: IO[bytes]) -> TopicModel:
    """Return the model of a spool file; its arrays cannot be written to, and keep the file open while they live."""
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = content.find(b"\n") + 1
    end = content.find(b"\n", begin)
    description = orjson.loads(content[begin:end])
    metadata = description["metadata"]
    if metadata["vocabulary"] is not None:
        metadata["vocabulary"] = tuple(metadata["vocabulary"])
    arrays = dict(_map_arrays(content, end + 1, description["arrays"]))
    return MODELS[description["algorithm"]](arrays, Metadata(**metadata))


def _order(array: NDArray[Any]) -> str:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def _map_arrays(
    content: mmap.mmap, offset: int, arrays: Mapping[str, tuple[str, list[int], str]]
) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, (dtype, shape, order) in arrays.items():
        offset += -offset % _ALIGNMENT
        size = int(np.prod(shape, dtype=np.int64))
        array: NDArray[Any] = np.frombuffer(content, dtype, size, offset)
        offset += array.nbytes
        yield name, array.reshape(shape) if order == "C" else array.reshape(shape[::-1]).T
