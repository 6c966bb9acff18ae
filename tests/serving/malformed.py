"""Bodies that no model of 40 words can answer, each with a Content-Type and with what its answer must speak of."""

from __future__ import annotations

import json
import struct

JSON, LINES, CSV, RECORDIO = (
    "application/json",
    "application/jsonlines",
    "text/csv",
    "application/x-recordio-protobuf",
)


def sparse(keys: object, values: object, shape: object = (40,)) -> bytes:
    return json.dumps(
        {"instances": [{"data": {"features": {"keys": keys, "values": values, "shape": shape}}}]}
    ).encode()


def dense(features: object) -> bytes:
    return json.dumps({"instances": [{"features": features}]}).encode()


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


ROW = b",".join([b"1"] * 40)

MALFORMED: dict[str, tuple[str, bytes, str]] = {
    "JSON cut short": (JSON, b'{"instances": [{"features": [1, 2', "not JSON"),
    "JSON of nothing but a brace": (JSON, b"{", "not JSON"),
    "not JSON at all": (JSON, b"hello", "not JSON"),
    "bytes that are no text": (JSON, b"\xff\xfe\x00\x80", "JSON"),
    "half a character in JSON": (JSON, b'{"instances": ["\xc3"]}', "JSON"),
    "a hundred thousand brackets": (JSON, b"[" * 100_000, "JSON"),
    "JSON null": (JSON, b"null", ""),
    "a JSON number": (JSON, b"12", ""),
    "a JSON string": (JSON, b'"features"', ""),
    "an object without instances": (JSON, b'{"documents": []}', ""),
    "instances that are an object": (JSON, b'{"instances": {}}', "instances"),
    "instances that are null": (JSON, b'{"instances": null}', "instances"),
    "an instance that is null": (JSON, b'{"instances": [null]}', "instance 1"),
    "an instance that is a word": (JSON, b'{"instances": ["the cat"]}', "instance 1"),
    "an instance without features": (JSON, b'{"instances": [{}]}', "instance 1"),
    "too few words": (JSON, dense([1.0] * 39), "40"),
    "too many words": (JSON, dense([1.0] * 41), "40"),
    "a count that is text": (JSON, dense(["1"] * 40), ""),
    "a count that is null": (JSON, dense([None] * 40), ""),
    "a negative count": (JSON, dense([-1.0] * 40), "count"),
    "NaN": (JSON, b'{"instances": [{"features": [NaN]}]}', "JSON"),
    "a count beyond float32": (JSON, dense([1e300] * 40), "count"),
    "an integer of 400 digits": (JSON, dense([10**400] * 40), ""),
    "features nested too deep": (JSON, dense([[1.0] * 40]), ""),
    "a word id beyond the vocabulary": (JSON, sparse([40], [1.0]), "0 to 39"),
    "a negative word id": (JSON, sparse([-1], [1.0]), "0 to 39"),
    "a word id that is a fraction": (JSON, sparse([1.5], [1.0]), ""),
    "more keys than values": (JSON, sparse([1, 2], [1.0]), "values"),
    "the shape of another vocabulary": (JSON, sparse([1], [1.0], [2000]), "2000"),
    "a shape that is text": (JSON, sparse([1], [1.0], "40"), ""),
    "a bad document after good ones": (JSON, b"[[" + ROW + b"],[" + ROW + b"],[1]]", "instance 3"),
    "a line that is not JSON": (LINES, b'{"features": [' + ROW + b"]}\n{", "line 2"),
    "a line of another length": (LINES, b'{"features": [1]}', "line 1"),
    "CSV with words": (CSV, b"the,cat,sat", "40"),
    "a cell that is no number": (CSV, ROW[:-1] + b"x", "x"),
    "an empty cell": (CSV, ROW[:-1], ""),
    "a row too short": (CSV, ROW + b"\n1,2,3", "row 2"),
    "a row too long": (CSV, ROW + b",1,1,1", "40"),
    "a row with a label": (CSV, b"7," + ROW, "got: 41"),
    "a row with a label, and a charset": ("text/csv; charset=utf-8", b"7," + ROW, "got: 41"),
    "a negative cell": (CSV, ROW[:-1] + b"-1", "count"),
    "a cell that is inf": (CSV, ROW[:-1] + b"inf", ""),
    "an open quote": (CSV, b'"1,2', ""),
    "CSV with zero bytes": (CSV, bytes(64), ""),
    "a label size that is no number": ("text/csv; label_size=x", ROW, "label_size"),
    "a frame cut short": (RECORDIO, frame(bytes(40))[:20], "record 1"),
    "a frame's header cut short": (RECORDIO, frame(b"")[:6], "header"),
    "a frame that claims half a gigabyte": (RECORDIO, struct.pack("<II", 0xCED7230A, (1 << 29) - 1), "record 1"),
    "the rest of a split record": (RECORDIO, struct.pack("<II", 0xCED7230A, 3 << 29), "split"),
    "a frame that holds no protobuf": (RECORDIO, frame(b"\xff" * 16), "record 1"),
    "bytes that are neither frame nor protobuf": (RECORDIO, b"\xff" * 40, "record 1"),
    "a record without features": (RECORDIO, frame(b""), "record 1"),
    "JSON sent as RecordIO": (RECORDIO, dense([1.0] * 40), "record 1"),
    "RecordIO sent as JSON": (JSON, frame(b""), "JSON"),
    "RecordIO sent as CSV": (CSV, frame(bytes(64)), ""),
}
