from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.bags import assert_same, bag
from topicdock.corpus import decode_records, encode_counts
from topicdock.corpus.recordio import MAGIC_BYTES, find_frames, frame_record, read_records, write_records
from topicdock.errors import CustomerError


def _part(flag: int, payload: bytes) -> bytes:
    return MAGIC_BYTES + (flag << 29 | len(payload)).to_bytes(4, "little") + payload + bytes(-len(payload) % 4)


@given(st.lists(st.binary(max_size=40) | st.just(MAGIC_BYTES * 2) | st.just(b"abcd" + MAGIC_BYTES)))
def test_records_survive_a_round_trip_even_with_magic_words_inside(payloads: list[bytes]) -> None:
    assert payloads == list(read_records(write_records(payloads)))


def test_the_parts_of_a_split_record_are_joined() -> None:
    body = (
        _part(0, b"whole")
        + _part(1, b"one ")
        + _part(2, b"two ")
        + _part(3, b"three")
        + _part(1, b"a")
        + _part(3, b"b")
    )
    assert list(read_records(body)) == [b"whole", b"one two three", b"ab"]


def test_documents_in_split_records_are_read() -> None:
    payload = next(read_records(encode_counts(bag([[1, 0, 2]]))))
    body = frame_record(payload) + _part(1, payload[:7]) + _part(2, payload[7:9]) + _part(3, payload[9:])
    assert_same(bag([[1, 0, 2], [1, 0, 2]]), decode_records(body, 3))


def test_the_padding_of_the_last_record_may_be_missing() -> None:
    body = write_records([b"abcd", b"x"])
    for missing in range(4):
        assert list(read_records(body[: len(body) - missing])) == [b"abcd", b"x"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_part(0, b"abcd") + b"junkjunk", "^record 2 at byte 12: .*RecordIO record; got: 6a756e6b; allowed: 0a23d7ce"),
        (_part(0, b"abcd") + MAGIC_BYTES, "^record 2 at byte 12: .*header; got: 4 bytes; allowed: 8 bytes"),
        (_part(0, b"abcd") + _part(0, b"abcdefgh")[:-1], "^record 2 at byte 12: .*got: 7 bytes; allowed: 8 bytes"),
        (_part(2, b"abcd"), "^record 1 at byte 0: .*got: continuation flag 2; allowed: 0 or 1"),
        (_part(1, b"abcd") + _part(0, b"abcd"), "^record 1 at byte 12: .*flag 0; allowed: 2 or 3"),
        (_part(7, b"abcd"), "^record 1 at byte 0: .*continuation flag 7"),
        (_part(1, b"abcd"), "^record 1 at byte 12: the data end inside a split record"),
    ],
)
def test_broken_framing_names_record_and_byte(body: bytes, message: str) -> None:
    with pytest.raises(CustomerError, match=message):
        list(read_records(body))


def test_a_window_smaller_than_a_record_still_finds_it() -> None:
    body = write_records([b"a" * 1000, b"b"])
    frames = find_frames(body, 0, 1, 4)
    assert (frames.starts.tolist(), frames.lengths.tolist(), frames.end) == ([8], [1000], 1008)
