"""Objects end to end, in a stream without names: told apart, unpacked, unwrapped."""

from __future__ import annotations

import gzip
import io

import pytest

from tests.corpus.bags import assert_same, random_bag
from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, encode_counts, encode_csv, encode_json, parse_media_type
from topicdock.corpus import encode_jsonlines as encode_lines
from topicdock.corpus.bag_of_words import stack
from topicdock.corpus.recordio import frame_record
from topicdock.corpus.streams import read_stream, unwrap
from topicdock.errors import CustomerError

COUNTS = random_bag(60, 9, 0.3, seed=4)
ENCODERS = {RECORDIO: encode_counts, CSV: encode_csv, JSONLINES: encode_lines}
PARTS = [COUNTS[:1], COUNTS[1:30], COUNTS[30:]]


def read(content: bytes, media_type: str, *, wrapped: bool = False):  # type: ignore[no-untyped-def]
    kind = parse_media_type(media_type)
    return stack(list(read_stream(io.BytesIO(content), kind, 9, wrapped=wrapped)), 9)


@pytest.mark.parametrize("media_type", ENCODERS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_objects_end_to_end_are_their_documents(media_type: str, packed: bool, wrapped: bool) -> None:
    objects = [ENCODERS[media_type](part) for part in PARTS]
    if packed:
        objects = [gzip.compress(one, mtime=0) for one in objects]
    content = b"".join(map(frame_record, objects) if wrapped else objects)
    assert_same(COUNTS, read(content, media_type, wrapped=wrapped))


def test_wrapped_json_is_a_body_for_each_object() -> None:
    content = b"".join(frame_record(encode_json(part)) for part in PARTS)
    assert_same(COUNTS, read(content, JSON, wrapped=True))


def test_a_wrapped_object_may_be_split_into_parts() -> None:
    body = encode_csv(COUNTS)
    framed = b""
    for flag, part in ((1, body[:101]), (2, body[101:500]), (3, body[500:])):
        frame = bytearray(frame_record(part))
        frame[4:8] = (len(part) | flag << 29).to_bytes(4, "little")
        framed += frame
    assert_same(COUNTS, read(framed, CSV, wrapped=True))


@pytest.mark.parametrize("media_type", [*ENCODERS, JSON])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_empty_stream_has_no_documents(media_type: str, wrapped: bool) -> None:
    assert read(b"", media_type, wrapped=wrapped).shape == (0, 9)


def test_csv_objects_that_lack_their_last_line_end_are_told_apart_by_their_columns() -> None:
    parts = [COUNTS[start : start + 7] for start in range(0, 60, 7)]
    assert_same(COUNTS, read(b"".join(encode_csv(part).rstrip(b"\n") for part in parts), CSV))
    marked = b"".join(b"\xef\xbb\xbf" + encode_csv(part).rstrip(b"\n") for part in parts)
    assert_same(COUNTS, read(marked, CSV))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"1,0,20,3,0\n", [[1, 0, 2], [0, 3, 0]]),
        (b"0,0,00,0,0", [[0, 0, 0], [0, 0, 0]]),
        (b"0,0,0.01.5,0,0", [[0, 0, 0], [1.5, 0, 0]]),
        (b"1,0,31,0,3", [[1, 0, 3], [1, 0, 3]]),
        (b"1,0,02,0,03,0,0\n7,7,7\n", [[1, 0, 0], [2, 0, 0], [3, 0, 0], [7, 7, 7]]),
    ],
)
def test_the_field_where_rows_meet_is_divided_where_that_is_possible_in_one_way(
    content: bytes, expected: list[list[float]]
) -> None:
    kind = parse_media_type("text/csv;label_size=0")
    found = stack(list(read_stream(io.BytesIO(content), kind, 3, wrapped=False)), 3)
    assert found.toarray().tolist() == expected


def test_a_label_where_rows_meet_is_divided_from_the_count_before_it() -> None:
    kind = parse_media_type("text/csv;label_size=1")
    found = stack(list(read_stream(io.BytesIO(b"a,1,0,3east,0,0,2"), kind, 3, wrapped=False)), 3)
    assert found.toarray().tolist() == [[1, 0, 3], [0, 0, 2]]


def test_a_field_that_could_be_divided_in_two_ways_is_a_mistake_with_what_to_do() -> None:
    kind = parse_media_type("text/csv;label_size=0")
    with pytest.raises(CustomerError, match=r"^row 2, column 3: a row goes on .*got: '123'.*RecordWrapperType"):
        list(read_stream(io.BytesIO(b"4,5,6\n1,0,123,4,0\n"), kind, 3, wrapped=False))


def test_in_a_file_a_row_of_too_many_columns_stays_a_mistake() -> None:
    with pytest.raises(CustomerError, match="row 1: a row has the wrong number of columns"):
        read(frame_record(b"1,0,20,3,0\n"), CSV, wrapped=True)


@pytest.mark.parametrize("cut", [3, 30, 200])
def test_a_stream_that_ends_too_early_names_the_object(cut: int) -> None:
    content = frame_record(encode_csv(COUNTS[:1])) + frame_record(encode_csv(COUNTS))
    first = len(frame_record(encode_csv(COUNTS[:1])))
    with pytest.raises(CustomerError, match=r"^object 2: "):
        read(content[: first + cut], CSV, wrapped=True)


def test_a_stream_of_torn_gzip_is_a_mistake() -> None:
    packed = gzip.compress(encode_counts(COUNTS), mtime=0)
    for content in (packed[:-1], packed[:40], packed + packed[:-5]):
        with pytest.raises(CustomerError, match="cannot be unpacked"):
            read(content, RECORDIO)


def test_what_is_not_wrapped_is_told() -> None:
    with pytest.raises(CustomerError, match=r"^object 1: this is not the beginning .*RecordWrapperType"):
        read(encode_csv(COUNTS), CSV, wrapped=True)


def test_objects_are_read_one_after_the_other() -> None:
    content = b"".join(frame_record(bytes([number]) * 5) for number in range(3))
    assert [b"".join(pieces) for pieces in unwrap(io.BytesIO(content))] == [b"\0" * 5, b"\1" * 5, b"\2" * 5]
