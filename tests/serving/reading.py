"""Response bodies read back, by means that share nothing with the code that wrote them."""

from __future__ import annotations

import json
import struct

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def read_json(body: bytes, key: str = "topic_weights") -> Floats:
    return np.array([prediction[key] for prediction in json.loads(body)["predictions"]], dtype=np.float32)


def read_jsonlines(body: bytes, key: str = "topic_weights") -> Floats:
    return np.array([json.loads(line)[key] for line in body.split(b"\n")], dtype=np.float32)


def read_recordio(body: bytes, key: str = "topic_weights") -> Floats:
    """Read records whose label is short enough for one-byte lengths, as those of the tests are."""
    rows, offset = [], 0
    while offset < len(body):
        magic, length = struct.unpack_from("<II", body, offset)
        assert magic == 0xCED7230A
        payload = body[offset + 8 : offset + 8 + length]
        values = payload[1:].partition(b"\x0a")[2].partition(key.encode())[2]  # 12 len 12 len 0a len floats
        assert values[0::2][:3] == b"\x12\x12\x0a"
        rows.append(np.frombuffer(values[6:], "<f4"))
        offset += 8 + (length + 3) // 4 * 4
    return np.array(rows, dtype=np.float32)


READERS = {
    "application/json": read_json,
    "application/jsonlines": read_jsonlines,
    "application/x-recordio-protobuf": read_recordio,
}
