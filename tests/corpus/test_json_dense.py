"""Dense JSON documents that are all written alike: read as a parser reads them, or not at all."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.bags import assert_same
from topicdock.corpus import decode_json, decode_jsonlines, json_documents
from topicdock.corpus.bag_of_words import assemble
from topicdock.corpus.json_dense import read_dense_alike
from topicdock.corpus.json_tokens import IN_LINES, IN_LIST

WRITTEN: list[Any] = [
    lambda row: row,
    lambda row: {"features": row},
    lambda row: {"data": row},
    lambda row: {"data": {"features": row}},
    lambda row: {"data": {"features": {"values": row}}},
]
ROWS = [[1, 0, 12345678, 0], [0, 0, 0, 0], [0, 7, 0, 100]]


def read(text: bytes, separator: re.Pattern[bytes] = IN_LIST, feature_dim: int = 4) -> Any:
    found = read_dense_alike(text, feature_dim, separator)
    return None if found is None else assemble(*found, feature_dim, str).toarray().tolist()


@pytest.mark.parametrize("write", WRITTEN)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("number", [int, float])
def test_every_shape_is_read_however_a_program_writes_it(write: Any, separators: Any, number: Any) -> None:
    documents = [write([number(value) for value in row]) for row in ROWS]
    text = json.dumps(documents, separators=separators).encode()
    assert read(text[1:-1]) == ROWS
    lines = b"\n".join(json.dumps(document, separators=separators).encode() for document in documents)
    assert read(lines, IN_LINES) == ROWS
    assert read(json.dumps(documents[0], separators=separators).encode()) == ROWS[:1]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[", b"]", b"[]", b"[1,2,3]", b"[1,2,3,4,5]", b"[1,2,,4]", b"[1,2,3,]", b"[,1,2,3]", b"[1,2,3,4],",
        b"[1,2,3,4],[]", b"[],[1,2,3,4]", b"[1,2,3,4][1,2,3,4]", b"[1,2,3,04]", b"[00,2,3,4]", b"[1,2,3,4.]",
        b"[1,2,3,.5]", b"[1,2,3,1.5]", b"[1,2,3,1e3]", b"[1,2,3,-4]", b"[1,2,3,+4]", b"[1,2,3,1.0.0]", b"[1,2,3,01.0]",
        b"[1,2,3,1.00]", b"[1,2, 3,4 ]", b"[1,2,3 4,5]", b"[1,2,3,[4]]", b"[1,2,3,true]", b"[1,2\n3,4]",
        b"[1,2,3,4],[1,2,3,4]]", b'{"features":[1,2,3,4]', b'{"features":[1,2,3,4]}}', b'{"features":[1,2,3,4],"a":1}',
        b'{"values":[1,2,3,4]}', b'[1,2,3,4],{"features":[1,2,3,4]}', b"[1,2,3,4], [1,2,3,4],[1,2,3,4]",
    ],
)  # fmt: skip
def test_what_is_unusual_or_wrong_is_left_to_a_parser(text: bytes) -> None:
    assert read(text) is None


@given(
    st.lists(
        st.sampled_from([b"[", b"]", b",", b", ", b"0", b"1", b"12", b".0", b".", b"\n", b"],[", b" "]), max_size=16
    )
)
def test_nothing_is_read_that_is_not_json(parts: list[bytes]) -> None:
    text = b"[" + b"".join(parts)
    for separator, whole in ((IN_LIST, b"[" + text + b"]"), (IN_LINES, b"[" + text.replace(b"]\n[", b"],[") + b"]")):
        found = read(text, separator, 2)
        if found is not None:
            assert found == json.loads(whole)


@pytest.mark.parametrize("write", WRITTEN)
def test_long_bodies_are_read_as_short_ones(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = np.random.default_rng(0).poisson(0.3, (60, 200))
    documents = [write(row) for row in dense.tolist()]
    body, lines = (
        json.dumps({"instances": documents}).encode(),
        b"\n".join(json.dumps(one).encode() for one in documents),
    )
    alike = decode_json(body, 200), decode_jsonlines(lines, 200)
    monkeypatch.setattr(json_documents, "WORTH_IT", 1 << 30)
    assert_same(alike[0], decode_json(body, 200))
    assert_same(alike[1], decode_jsonlines(lines, 200))
    np.testing.assert_array_equal(alike[0].toarray(), dense)
