from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.bags import assert_same, bag, bags, random_bag
from topicdock.corpus import csv_columns, csv_rows, decode_csv, encode_csv
from topicdock.corpus.csv_columns import find_columns
from topicdock.errors import CustomerError

ROWS = bag([[1, 0, 20.5], [0, 0, 0], [0, 105, 0]])


@given(bags())
def test_counts_survive_a_round_trip(counts: Any) -> None:
    assert_same(counts, decode_csv(encode_csv(counts), counts.shape[1]))


@pytest.mark.parametrize(
    "text",
    [
        "1,0,20.5\n0,0,0\n0,105,0\n",
        "1,0,20.5\n0,0,0\n0,105,0",
        "1,0,20.5\r\n0,0,0\r\n0,105,0\r\n",
        "1,0,20.5\r0,0,0\r0,105,0",
        "\ufeff1,0,20.5\n0,0,0\n0,105,0\n",
        "1,0,20.5\n\n0,0,0\n   \n0,105,0\n\n\n",
        " 1, 0 ,20.5\n0,\t0,0 \n0, 105,0\n",
        '"1","0","20.5"\n0,0,0\n"0", "105","0"\n',
        "1.0,0.0,2.05e1\n0.0,0e0,-0\n.0,1.05E+2,0.000\n",
        "+1,00,020.50\n0,0,0\n0,105.,0\n",
        "1.000000000000000000e+00,0.000000000000000000e+00,2.050000000000000000e+01\n0,0,0\n0,105,0\n",
    ],
)
def test_every_way_to_write_the_same_numbers_is_read(text: str) -> None:
    assert_same(ROWS, decode_csv(text.encode(), 3))
    assert_same(ROWS, decode_csv(memoryview(text.encode()), 3, 0))


def test_whole_numbers_with_point_zero_are_read() -> None:
    counts = random_bag(50, 40, 0.2, seed=5)
    text = encode_csv(counts)
    pointed = text.replace(b",", b".0,").replace(b"\n", b".0\n")
    assert_same(counts, decode_csv(pointed, 40))


@pytest.mark.parametrize("window", [1, 50, 1 << 20])
def test_windows_of_any_size_give_the_same_documents(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "WINDOW", window)
    counts = random_bag(60, 30, 0.2, seed=6)
    for text in (encode_csv(counts), encode_csv(counts).replace(b"\n", b"\r\n"), encode_csv(counts)[:-1]):
        assert_same(counts, decode_csv(text, 30))


def test_a_vocabulary_of_a_million_words_is_read() -> None:
    line = b"0," * 999_998 + b"7,12\n"
    found = decode_csv(line * 2, 1_000_000)
    assert (found.indices.tolist(), found.data.tolist()) == ([999_998, 999_999] * 2, [7.0, 12.0] * 2)


def test_no_bytes_and_blank_lines_are_no_documents() -> None:
    for text in (b"", b"\n", b"\r\n \n", b"\xef\xbb\xbf"):
        assert decode_csv(text, 3).shape == (0, 3)


@pytest.mark.parametrize("label", ["5", "0.5", "sports", '"sports, and more"', "", "nan"])
def test_label_columns_are_left_out_whatever_they_hold(label: str) -> None:
    text = f"{label},1,0,2\n{label},0,3,0\n".encode()
    assert_same(bag([[1, 0, 2], [0, 3, 0]]), decode_csv(text, 3, 1))


def test_a_column_too_many_is_a_label_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    csv_columns._warn_of_label.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(bag([[1, 0, 2], [0, 3, 0]]), decode_csv(b"9,1,0,2\n8,0,3,0\n", 3))
    assert len(caplog.messages) == 1
    assert "4 columns while feature_dim is 3" in caplog.messages[0]


def _mixture(first: int, second: int, rows: int) -> bytes:
    """Return as many rows of `first` columns as of `second` columns, ones and twos throughout."""
    return b"".join(
        (",".join(["12"[part]] * width) + "\n").encode() * rows for part, width in enumerate((first, second))
    )


@pytest.mark.parametrize("window", [1, 8, 1 << 20])
@pytest.mark.parametrize(("first", "second"), [(3, 4), (4, 3)])
@pytest.mark.parametrize("quoted", [False, True])
def test_rows_with_and_without_a_label_in_one_body_are_a_mistake(
    first: int, second: int, quoted: bool, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "WINDOW", window)
    text = _mixture(first, second, rows=5)
    text = b'"1"' + text[1:] if quoted else text
    message = f"^row 6: .*got: {second}; allowed: {first} columns, as in row 1.*to do: .*same number of columns"
    with pytest.raises(CustomerError, match=message):
        decode_csv(b"\n \n" + text, 3)


def test_rows_that_differ_are_a_mistake_where_numbers_have_fractions() -> None:
    with pytest.raises(CustomerError, match=r"^row 3: .*got: 4; allowed: 3 columns, as in row 1"):
        decode_csv(b"0.25,0.125,0.5\n" * 2 + b"0.25,0.125,0.5,0.5\n", 3)


def test_one_word_with_a_label_is_read_after_blank_lines() -> None:
    for text in (b"7,2\n8,3\n", b"\n\xc2\xa0\n7,2\n8,3\n", b'"7",2\r8,3'):
        assert_same(bag([[2], [3]]), decode_csv(text, 1))
    assert_same(bag([[2], [3]]), decode_csv(b"\x1c\n2\n3\n", 1))


@pytest.mark.parametrize(
    ("text", "todo"),
    [
        ("1;0;2\n", "separate the columns by commas, not by semicolons"),
        ("1,5;0;2,5\n", "separate the columns by commas, not by semicolons"),
        ("1\t0\t2\n", "separate the columns by commas, not by tabs"),
        ("1 0 2\n", "separate the columns by commas, not by blanks"),
        ("1,0\n", "3 word counts to every row, or train with feature_dim set to 2 if the vocabulary has so many words"),
        ("1,0,0,0,0\n", "or say text/csv;label_size=2 if the first 2 columns are labels"),
        ("1,0,-2\n", "how often each word occurs"),
        ("1,0,nan\n", "write 0 where a word does not occur"),
        ("1,0,1\n1,,0\n", "write 0 where a word does not occur"),
        ('1,0,"2\n', "close every quote"),
    ],
)
def test_a_mistake_says_what_to_do(text: str, todo: str) -> None:
    with pytest.raises(CustomerError, match=f"to do: .*{todo}"):
        decode_csv(text.encode(), 3)


@pytest.mark.parametrize(("columns", "label_size", "advice"), [(4, 0, 1), (3, 2, 0), (5, 1, 2)])
def test_a_mistake_names_the_label_size_that_the_columns_would_fit(columns: int, label_size: int, advice: int) -> None:
    with pytest.raises(CustomerError, match=f"to do: .*text/csv;label_size={advice} if "):
        decode_csv(b",".join([b"1"] * columns), 3, label_size)


@pytest.mark.parametrize(
    ("text", "label_size", "message"),
    [
        ("1,0\n", None, "^row 1: .*got: 2; allowed: 3 columns, as feature_dim = 3, or 4 with a label in front"),
        ("1,0,0\n1,0,0,5,6\n", None, "^row 2: .*got: 5; allowed: 3"),
        (
            "1,0,0,0\n",
            0,
            "^row 1: .*got: 4; allowed: 3 columns, as feature_dim = 3;",
        ),
        (
            "1,0,0\n",
            2,
            "^row 1: .*got: 3; allowed: 5 columns, as feature_dim = 3 and label_size = 2;",
        ),
        ("a,b,c\n1,0,0\n", None, "^row 1, column 1: .*got: 'a'; .*remove the header"),
        ("1,0,0\n\n1,x,0\n", None, "^row 2, column 2: a field is not a number; got: 'x'"),
        ("1,0,0\n1,,0\n", None, "^row 2, column 2: .*got: ''"),
        ("1,0,0\n1,1_0,0\n", None, "^row 2, column 2: .*got: '1_0'"),
        ("1,0,0\n1,1.0.0,0\n", None, "^row 2, column 2: .*got: '1.0.0'"),
        ("1,0,0\n1,1e5.0,0\n", None, "^row 2, column 2: .*got: '1e5.0'"),
        ("1,0,0\n1,0,--1\n", 0, "^row 2, column 3: "),
        ("9,1,0,0\n9,1,0,-4\n", 1, "^row 2: .*got: -4 for word id 2; allowed: 0 to"),
        ("1,0,0\n1,0,nan\n", None, "^row 2: .*got: nan for word id 2"),
        ("1,0,0\n1,0,1e39\n", None, "^row 2: .*got: 1e\\+39 for word id 2"),
        ("1,0,0\n1,0," + "9" * 80 + "\n", None, "^row 2: .*got: 1e\\+80"),
        ("1,0,-1\n1,0,x\n", None, "^row 1: .*got: -1 for word id 2"),
        ('1,0,0\n"1,0,0\n', None, "^row 2: the line is not CSV; got: unexpected end of data"),
        ('1,0,0\n1,0,"-1"\n', None, "^row 2: .*got: -1 for word id 2"),
    ],
)
def test_a_mistake_names_row_and_column_and_what_is_allowed(text: str, label_size: int | None, message: str) -> None:
    with pytest.raises(CustomerError, match=message):
        decode_csv(text.encode(), 3, label_size)


def test_binary_data_is_called_no_text() -> None:
    with pytest.raises(CustomerError, match=r"^row 2: the text is not UTF-8; got: byte 0xff"):
        decode_csv(b"1,0,0\n1,\xff,0\n", 3)


def _outcome(decode: Any) -> Any:
    try:
        return decode().toarray().tolist()
    except CustomerError as error:
        return str(error)


TOKENS = st.sampled_from(
    ["0", "0", "0", "0", "1", "12", "1.0", "0.0", "0.5", "1e2", "-1", "", " 3", "x", "007", "1.0.0"]
)


@settings(max_examples=200)
@given(st.lists(st.lists(TOKENS, min_size=3, max_size=4), max_size=4), st.sampled_from([None, 0, 1]))
def test_numpy_and_the_csv_module_agree_on_documents_and_on_mistakes(
    rows: list[list[str]], label_size: int | None
) -> None:
    text = "".join(",".join(row) + "\n" for row in rows).encode()
    columns = find_columns(text, 3, label_size)
    expected = _outcome(lambda: csv_rows._decode_fields(text, columns, 1))
    assert expected == _outcome(lambda: decode_csv(text, 3, label_size))


ODD_TOKENS = st.sampled_from(["1", "12", "305", "00", "010", "1.0", "0.5", "", " 3"])


@settings(max_examples=300)
@given(
    st.lists(st.dictionaries(st.integers(0, 39), ODD_TOKENS, max_size=4), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_stands_among_many_zeros_is_found_wherever_it_stands(
    odd: list[dict[int, str]], line_end: str, ended: bool
) -> None:
    rows = [",".join(tokens.get(column, "0") for column in range(40)) for tokens in odd]
    text = (line_end.join(rows) + line_end * ended).encode()
    expected = _outcome(lambda: csv_rows._decode_fields(text, find_columns(text, 40, 0), 1))
    assert expected == _outcome(lambda: decode_csv(text, 40, 0))


@pytest.mark.parametrize("before", range(8))
def test_a_field_left_empty_between_words_of_zeros_is_found(before: int) -> None:
    row = [b"10"] * before + [b"0"] * (60 - before)
    for place in range(before + 1, 59):
        text = b",".join([*row[:place], b"", *row[place + 1 :]])
        with pytest.raises(CustomerError, match=f"^row 1, column {place + 1}: .*got: ''"):
            decode_csv(text, 60)


def test_every_truncation_gives_documents_or_an_error() -> None:
    text = encode_csv(ROWS)
    for length in range(len(text)):
        _outcome(lambda length=length: decode_csv(text[:length], 3))


@settings(max_examples=120)
@given(st.binary(max_size=60) | st.text('0123.,-eE\r\n" \t_x\x00', max_size=60).map(str.encode), st.integers(1, 4))
def test_random_bytes_raise_nothing_but_a_customer_error(noise: bytes, features: int) -> None:
    for label_size in (None, 0, 1):
        _outcome(lambda label_size=label_size: decode_csv(noise, features, label_size))


@given(st.lists(st.floats(0, 2.0**100, width=32), min_size=1, max_size=20), st.sampled_from(["%.18e", "%.9g", "%r"]))
def test_numbers_are_read_as_python_reads_them(numbers: list[float], form: str) -> None:
    text = ",".join(form % number for number in numbers).encode()
    expected = [np.float32(float(form % number)) for number in numbers]
    assert expected == decode_csv(text, len(numbers)).toarray()[0].tolist()
