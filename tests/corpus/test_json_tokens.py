"""Documents that are written alike, read without a parser: as a parser reads them, or not at all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.corpus.bags import assert_same, bags, random_bag
from topicdock.corpus import decode_json, decode_jsonlines, encode_json, encode_jsonlines
from topicdock.corpus.json_pieces import gather_sparse
from topicdock.corpus.json_tokens import IN_LINES, IN_LIST, Ragged, read_alike

HEAD, BETWEEN_LISTS, SHAPE, TAIL = b'{"data":{"features":{"keys":[', b'],"shape":[', b'3],"values":[', b"]}}}"
DOCUMENT = HEAD + b"0,2" + BETWEEN_LISTS + SHAPE + b"1,12" + TAIL


def parse(text: bytes, lines: bool) -> Ragged | None:
    """Read the documents with a parser; None if they are none."""
    try:
        if lines:
            return gather_sparse([orjson.loads(line) for line in text.split(b"\n")], 3)
        return gather_sparse(orjson.loads(b"[" + text + b"]"), 3)
    except orjson.JSONDecodeError:
        return None


def assert_read_as_parsed(text: bytes) -> bool:
    found = False
    for separator, lines in ((IN_LIST, False), (IN_LINES, True)):
        alike = read_alike(text, 3, separator)
        if alike is None:
            continue
        found = True
        parsed = parse(text, lines)
        assert parsed is not None
        for expected, actual in zip(parsed, alike, strict=True):
            assert expected.dtype == actual.dtype
            np.testing.assert_array_equal(expected, actual)
    return found


@pytest.mark.parametrize("dump", [orjson.dumps, lambda content: json.dumps(content).encode()], ids=["orjson", "json"])
@pytest.mark.parametrize("order", ["ksv", "vks", "skv"])
@pytest.mark.parametrize("kind", [int, float])
def test_what_programs_write_is_read(dump: Any, order: str, kind: type) -> None:
    rows: list[tuple[list[int], list[float]]] = [([0, 2], [1, 12345678]), ([], []), ([1], [0]), ([2, 1, 0], [3, 4, 50])]
    documents = []
    for keys, values in rows:
        parts = {"k": ("keys", keys), "s": ("shape", [3]), "v": ("values", [kind(value) for value in values])}
        documents.append({"data": {"features": dict(parts[letter] for letter in order)}})
    for some in (documents, documents[:1], documents[2:]):
        assert assert_read_as_parsed(dump(some)[1:-1])
        assert assert_read_as_parsed(b"\n".join(map(dump, some)))


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 3 * len(DOCUMENT)),
        st.integers(0, 2),
        st.sampled_from([b"", *(bytes([byte]) for byte in b'0123456789,.[]{}" :-+eE\n\ta'),
            b".0", b", ", b"],[", b"00"]),
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=600)
@given(st.integers(1, 3), st.sampled_from([b",", b", ", b"\n"]), MUTATIONS, st.booleans())
@example(2, b",", [], True)
def test_nothing_is_read_otherwise_than_a_parser_reads_it(
    number: int, between: bytes, mutations: list[tuple[int, int, bytes]], floats: bool
) -> None:
    document = DOCUMENT.replace(b"1,12", b"1.0,12.0") if floats else DOCUMENT
    text = bytearray(between.join([document] * number))
    for place, length, inserted in mutations:
        start = place % (len(text) + 1)
        text[start : start + length] = inserted
    assert_read_as_parsed(bytes(text))


NUMBERS = [
    b"0", b"1", b"2", b"12", b"007", b"1.0", b"0.0", b"1.5", b".0", b"1.", b"-1", b"1e2", b"123456789", b"",
    b" ",
]  # fmt: skip
LISTS = st.lists(st.sampled_from(NUMBERS), max_size=3).map(b",".join)
SHAPES = st.sampled_from([b"3", b"3", b"3", b"4", b"3.0", b"", b"3,3", b"[3]"])


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(LISTS, SHAPES, LISTS),
        min_size=1,
        max_size=3,
    )
)
def test_any_lists_are_read_as_a_parser_reads_them(rows: list[tuple[bytes, bytes, bytes]]) -> None:
    documents = [HEAD + keys + BETWEEN_LISTS + shape + b'],"values":[' + values + TAIL for keys, shape, values in rows]
    assert_read_as_parsed(b",".join(documents))
    assert_read_as_parsed(b"\n".join(documents))


@given(bags(whole=True))
def test_counts_survive_a_round_trip(counts: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topicdock.corpus.json_documents.WORTH_IT", 0)
        assert_same(counts, decode_json(encode_json(counts), counts.shape[1]))
        assert_same(counts, decode_jsonlines(encode_jsonlines(counts), counts.shape[1]))


def test_a_large_body_is_read_without_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_bag(4_000, 1_000, 0.05, 0)
    json_body, lines_body = encode_json(counts), encode_jsonlines(counts)
    assert len(json_body) > 1 << 20
    monkeypatch.delattr("topicdock.corpus.json_pieces.orjson")
    monkeypatch.delattr("topicdock.corpus.json_documents.orjson")
    assert_same(counts, decode_json(json_body, 1_000))
    assert_same(counts, decode_json(b" [\n" + json_body[len(b'{"instances":[') : -1], 1_000))
    assert_same(counts, decode_jsonlines(lines_body, 1_000))
