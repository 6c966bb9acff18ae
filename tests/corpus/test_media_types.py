from __future__ import annotations

import pytest

from tests.corpus.bags import assert_same, bag
from topicdock.corpus import (
    CSV,
    JSON,
    JSONLINES,
    RECORDIO,
    UnsupportedMediaTypeError,
    decode_counts,
    encode_counts,
    encode_csv,
    encode_json,
    encode_jsonlines,
    parse_media_type,
)
from topicdock.errors import CustomerError

COUNTS = bag([[1, 0, 2], [0, 0, 0]])


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("text/csv", CSV, {}),
        ("text/csv;label_size=0", CSV, {"label_size": "0"}),
        ('  Text/CSV ; Label_Size = "0" ;charset=utf-8; ', CSV, {"label_size": "0", "charset": "utf-8"}),
        ("csv", CSV, {}),
        ("application/jsonl", JSONLINES, {}),
        ("APPLICATION/X-RECORDIO-PROTOBUF", RECORDIO, {}),
        ("application/octet-stream", "application/octet-stream", {}),
        ("", "", {}),
    ],
)
def test_content_types_are_read_as_people_write_them(text: str, name: str, parameters: dict[str, str]) -> None:
    media_type = parse_media_type(text)
    assert (name, parameters) == (media_type.name, media_type.parameters)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (RECORDIO, encode_counts(COUNTS)),
        (CSV, encode_csv(COUNTS)),
        ("text/csv; label_size=1", b"x,1,0,2\ny,0,0,0\n"),
        (JSON, encode_json(COUNTS)),
        (JSONLINES, encode_jsonlines(COUNTS)),
    ],
)
def test_every_format_gives_the_same_counts(text: str, body: bytes) -> None:
    assert_same(COUNTS, decode_counts(body, parse_media_type(text), 3))


def test_an_unknown_content_type_is_its_own_mistake() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match=f"got: 'image/png'; allowed: {RECORDIO}, {CSV}"):
        decode_counts(b"", parse_media_type("image/png"), 3)


@pytest.mark.parametrize("digits", [20, 4300, 5000])
def test_a_label_size_of_very_many_digits_is_a_mistake(digits: int) -> None:
    with pytest.raises(CustomerError, match="label_size") as caught:
        decode_counts(b"1,2,3", parse_media_type("text/csv;label_size=" + "9" * digits), 3)
    assert len(str(caught.value)) < 400


def test_a_label_size_with_zeros_in_front_is_read() -> None:
    assert_same(COUNTS, decode_counts(b"1,0,2\n0,0,0\n", parse_media_type("text/csv;label_size=" + "0" * 50), 3))


def test_a_label_size_that_is_no_number_is_a_mistake() -> None:
    with pytest.raises(CustomerError, match=r"label_size .*got: 'one'; allowed: 0 or more"):
        decode_counts(b"1,2,3", parse_media_type("text/csv;label_size=one"), 3)
