"""Topic proportions as bytes, in each format that can be written a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.corpus import CSV, JSONLINES, RECORDIO, encode_label_vectors

Theta = NDArray[np.float32]


def encode_jsonlines(key: str, theta: Theta, names: Sequence[str] | None) -> bytes:
    """Return a line ``{key: [...]}`` for each row of `theta`, shape (D, K); with the document's name if it has one."""
    rows: list[dict[str, Any]] = [{key: row} for row in np.ascontiguousarray(theta)]
    if names is not None:
        rows = [
            {"name": name.encode("utf-8", "replace").decode(), **row} for name, row in zip(names, rows, strict=True)
        ]
    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(row, option=option) for row in rows)


def encode_csv(key: str, theta: Theta, names: Sequence[str] | None) -> bytes:
    """Return a line of K numbers for each row of `theta`, without header or name; every digit of a float32."""
    lines = (orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for row in np.ascontiguousarray(theta))
    return b"".join(line + b"\n" for line in lines)


def encode_recordio(key: str, theta: Theta, names: Sequence[str] | None) -> bytes:
    """Return a record for each row of `theta`, as the built-in algorithms answer."""
    return encode_label_vectors(key, theta)


ANSWERS: Mapping[str, Callable[[str, Theta, Sequence[str] | None], bytes]] = {
    JSONLINES: encode_jsonlines, CSV: encode_csv, RECORDIO: encode_recordio,
}  # fmt: skip
"""How topic proportions are written; called with the response key, theta (D, K), and names or None."""
