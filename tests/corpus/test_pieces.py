"""Documents are the same, and so are the mistakes, wherever the bytes that hold them are cut."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.bags import assert_same, random_bag
from topicdock.corpus import (
    CSV,
    JSON,
    JSONLINES,
    RECORDIO,
    encode_counts,
    encode_csv,
    encode_json,
    encode_jsonlines,
    parse_media_type,
)
from topicdock.corpus.bag_of_words import stack
from topicdock.corpus.media_types import decode_counts, find_decoder
from topicdock.corpus.pieces import gather, mark_last
from topicdock.corpus.records import LONGEST_BARE, decode_record_pieces
from topicdock.errors import CustomerError

COUNTS = random_bag(40, 9, 0.4, seed=3)
QUOTED = b"".join(b'"a\nb, ""c""",' + line + b"\n" for line in encode_csv(COUNTS).splitlines())
BODIES = {
    "recordio": (RECORDIO, encode_counts(COUNTS)),
    "dense recordio": (RECORDIO, encode_counts(COUNTS, dense=True)),
    "csv": (CSV, encode_csv(COUNTS)),
    "csv with a byte order mark": (CSV, codecs.BOM_UTF8 + encode_csv(COUNTS)),
    "csv with line ends in quotes": ("text/csv;label_size=1", QUOTED),
    "csv with blank lines": (CSV, b"\n\n" + encode_csv(COUNTS).replace(b"\n", b"\r\n\r\n")),
    "csv without a last line end": (CSV, encode_csv(COUNTS).rstrip()),
    "json lines": (JSONLINES, encode_jsonlines(COUNTS)),
    "json lines with a byte order mark": (JSONLINES, codecs.BOM_UTF8 + b"\n" + encode_jsonlines(COUNTS)),
    "json": (JSON, encode_json(COUNTS)),
}


def cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    place = 0
    for size in sizes:
        yield body[place : place + size]
        place += size
    if place < len(body):
        yield body[place:]


@pytest.mark.parametrize("name", BODIES)
@given(sizes=st.lists(st.integers(0, 300), max_size=30))
def test_documents_are_the_same_wherever_they_are_cut(name: str, sizes: list[int]) -> None:
    media_type, body = BODIES[name]
    decode = find_decoder(parse_media_type(media_type))
    assert_same(COUNTS, stack(list(decode(cut(body, sizes), parse_media_type(media_type), 9)), 9))


@pytest.mark.parametrize("name", ["recordio", "csv", "json lines"])
@pytest.mark.parametrize("size", [1, 5, 64, 500])
def test_a_mistake_is_the_same_wherever_it_is_cut(name: str, size: int) -> None:
    media_type, body = BODIES[name]
    for spoilt in (body[:-11], body[:700] + b"#" + body[700:], body + b"nonsense"):
        with pytest.raises(CustomerError) as whole:
            decode_counts(spoilt, parse_media_type(media_type), 9)
        pieces = [spoilt[start : start + size] for start in range(0, len(spoilt), size)]
        with pytest.raises(CustomerError) as cut_up:
            list(find_decoder(parse_media_type(media_type))(pieces, parse_media_type(media_type), 9))
        assert str(cut_up.value) == str(whole.value)


@pytest.mark.timeout(20)
def test_a_quote_that_is_never_closed_costs_no_more_than_a_closed_one() -> None:
    row = b'"x",' + encode_csv(COUNTS).splitlines()[0] + b"\n"
    pieces = [b'"' + row * 20_000, row * 20_000]
    with pytest.raises(CustomerError):
        list(find_decoder(parse_media_type(CSV))(pieces, parse_media_type("text/csv;label_size=1"), 9))


def test_what_is_no_record_is_not_read_to_its_end() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1 << 23)
            yield b"1,0,2\n" * (1 << 20)

    with pytest.raises(CustomerError, match="record 1 at byte 0: this is not the beginning of a RecordIO record"):
        list(decode_record_pieces(endless(), 3))
    assert sum(taken) <= 2 * LONGEST_BARE


def test_pieces_are_marked_and_gathered() -> None:
    assert list(mark_last([])) == []
    assert list(mark_last([b"a", b"b"])) == [(b"a", True), (b"b", False)]
    assert list(gather([b"a", b"", b"bc", b"d"], 3)) == [b"abc", b"d"]
    assert list(gather([b"a"], 3)) == [b"a"]
    assert list(gather([b""], 3)) == []
