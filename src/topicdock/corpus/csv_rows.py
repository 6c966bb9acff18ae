"""CSV, one document a line: from and to bag of words.

Most CSV bodies are nothing but digits, commas and line ends; :mod:`topicdock.corpus.csv_tokens` reads those with
numpy. Whatever is not that plain, and whatever is wrong, is read here, field by field, with the csv module.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.csv_columns import NO_BLANK, Columns, advise_commas, find_columns, split_rows
from topicdock.corpus.csv_joins import separate_rows
from topicdock.corpus.csv_tokens import decode_all_tokens, decode_plain_rows
from topicdock.corpus.csv_zeros import NEWLINE
from topicdock.corpus.pieces import LONGEST_DOCUMENT, gather, mark_last
from topicdock.errors import CustomerError

WINDOW = 1 << 20
"""Bytes of lines decoded at a time; temporary arrays take about six times as much."""

QUOTE = ord('"')

DENSE_TOKEN_LENGTH = 6
"""From so many bytes a token on, separator included, the numbers have fractions, and few are a bare zero."""

SAMPLE = 1 << 14
"""Bytes of a window from which the length of its tokens is guessed."""


def decode_csv(body: bytes | memoryview, feature_dim: int, label_size: int | None = None) -> csr_matrix:
    """Decode comma-separated counts, one document a line, without a header.

    Quotes, spaces round values, CRLF, a byte order mark, blank lines and a missing final newline are all accepted.

    Parameters
    ----------
    body : bytes or memoryview
    feature_dim : int
        V, the size of the vocabulary.
    label_size : int, optional
        How many columns to leave out at the front. When it is not given, the first row decides for all: rows of V
        columns are taken whole, and of rows of V + 1 columns the first is left out as a label, with a warning.

    Returns
    -------
    csr_matrix, (D, V) float32

    Raises
    ------
    CustomerError
        Naming the row (counted from 1, blank lines apart) and the column, labels included.
    """
    return bag_of_words.stack(list(decode_csv_pieces([bytes(body)], feature_dim, label_size)), feature_dim)


def decode_csv_pieces(
    pieces: Iterable[bytes], feature_dim: int, label_size: int | None = None, *, joined: bool = False
) -> Iterator[csr_matrix]:
    """Decode what :func:`decode_csv` does, from pieces that may be cut anywhere; yields some rows at a time.

    `joined`: the pieces are of objects end to end, of which some may lack their last line end.
    """
    rest, number, columns = b"", 1, None
    for piece, more in mark_last(gather(pieces, len(codecs.BOM_UTF8))):
        rest += piece
        if columns is None:
            rest = rest.removeprefix(codecs.BOM_UTF8)
        end = _end_of_rows(rest) if more else len(rest)
        lines, rest = rest[:end], rest[end:]
        if not NO_BLANK.search(lines):  # the first row, which may decide what is a label, is still to come
            continue
        columns = columns or find_columns(lines, feature_dim, label_size, joined=joined)
        for block in _decode_rows(lines, columns, number):
            yield block
            number += block.shape[0]


def _end_of_rows(body: bytes) -> int:
    """Return where the last whole row of `body`, which begins a row, ends; 0 if none does."""
    end = body.rfind(b"\n") + 1
    if b'"' in body:  # a line end within quotes, of which an odd number stands before it, is not the end of a row
        text = np.frombuffer(body, np.uint8)
        line_ends = np.flatnonzero(text == NEWLINE)
        outside = line_ends[np.searchsorted(np.flatnonzero(text == QUOTE), line_ends) % 2 == 0]
        end = int(outside[-1]) + 1 if len(outside) else 0
    return end if end or len(body) < LONGEST_DOCUMENT else len(body)


def _decode_rows(lines: bytes, columns: Columns, number: int) -> Iterator[csr_matrix]:
    if b'"' in lines:  # the text cannot be cut at every line end
        yield _decode_fields(lines, columns, number)
        return
    for some in _cut_at_line_ends(lines):
        block = _decode_lines(some, columns, number)
        yield block
        number += block.shape[0]


def _cut_at_line_ends(body: bytes) -> Iterator[memoryview]:
    view, start = memoryview(body), 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + WINDOW) + 1
        if not end:  # one line is longer than the window
            end = body.find(b"\n", start + WINDOW) + 1 or len(body)
        if start + WINDOW >= len(body):
            end = len(body)
        yield view[start:end]
        start = end


def _decode_lines(lines: memoryview, columns: Columns, number: int) -> csr_matrix:
    sample = bytes(lines[:SAMPLE])
    if sample.count(b",") * DENSE_TOKEN_LENGTH >= len(sample):
        block = _decode_plain(lines, columns, number)
    else:
        block = _decode_all_tokens(bytes(lines), columns, number)
    return _decode_fields(bytes(lines), columns, number) if block is None else block


def _decode_plain(lines: memoryview, columns: Columns, number: int) -> csr_matrix | None:
    rows = decode_plain_rows(lines)
    if rows is None or rows.columns != columns.total:
        return None
    try:
        return rows.assemble(columns.labels, columns.feature_dim, _name_from(number))
    except ValueError:  # a token that is no number: to be found, and named, field by field
        return None


def _decode_all_tokens(lines: bytes, columns: Columns, number: int) -> csr_matrix | None:
    rows = decode_all_tokens(lines)
    if rows is None or rows.shape[1] != columns.total:
        return None
    return bag_of_words.assemble_dense(rows[:, columns.labels :], columns.feature_dim, _name_from(number))


def _decode_fields(lines: bytes, columns: Columns, number: int) -> csr_matrix:
    """Decode rows field by field with the csv module."""
    values, ids = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    lengths: list[int] = []
    mistake: CustomerError | None = None
    try:
        for line in _read_fields(lines, number):
            for fields in separate_rows(line, columns, number + len(lengths)):
                row = _parse_row(fields, columns, number + len(lengths))
                places = np.flatnonzero(row)
                values.append(row[places])
                ids.append(places)
                lengths.append(len(places))
    except CustomerError as error:
        mistake = error
    # An earlier row may have counts out of range: that one is to be named then, so it is assembled first.
    block = bag_of_words.assemble(
        np.concatenate(values),
        np.concatenate(ids),
        np.array(lengths, dtype=np.int64),
        columns.feature_dim,
        _name_from(number),
    )
    if mistake is not None:
        raise mistake
    return block


def _read_fields(lines: bytes, number: int) -> Iterator[list[str]]:
    try:
        text = lines.decode("utf-8")
    except UnicodeDecodeError as error:
        row = number + lines.count(b"\n", 0, error.start)
        raise CustomerError(
            "the text is not UTF-8",
            where=f"row {row}",
            got=f"byte {lines[error.start]:#04x}",
            allowed="numbers separated by commas",
            todo="check that the content type is that of the data",
        ) from error
    found = 0
    try:
        for fields in split_rows(io.StringIO(text, newline="")):
            found += 1
            yield fields
    except csv.Error as error:
        raise CustomerError(
            "the line is not CSV",
            where=f"row {number + found}",
            got=str(error),
            todo="close every quote, or write the numbers without quotes" if b'"' in lines else "",
        ) from error


def _parse_row(fields: list[str], columns: Columns, number: int) -> NDArray[np.float64]:
    columns.check(fields, number)
    row = np.empty(columns.feature_dim)
    for word, field in enumerate(fields[columns.labels :]):
        try:
            row[word] = _parse_number(field)
        except ValueError as error:
            todo = advise_commas(fields[columns.labels :])
            if not field.strip():
                todo = "write 0 where a word does not occur"
            elif not todo and number == 1:
                todo = "remove the header line, the data must not have one"
            raise CustomerError(
                "a field is not a number",
                where=f"row {number}, column {columns.labels + word + 1}",
                got=repr(field[:40]),
                allowed="a word count",
                todo=todo,
            ) from error
    return row


def _parse_number(field: str) -> float:
    if "_" in field:  # Python's own digit separator, which no other CSV reader knows
        raise ValueError(field)
    return float(field)


def _name_from(number: int) -> Callable[[int], str]:
    return lambda index: f"row {number + index}"


def encode_csv(counts: csr_matrix) -> bytes:
    """Encode documents as CSV, one a line, V columns, no label, no header; whole numbers without a point."""
    zeros = ["0"] * counts.shape[1]
    borders = counts.indptr.tolist()
    lines = []
    for start, end in pairwise(borders):
        line = zeros.copy()
        numbers = counts.data[start:end].tolist()
        for word, number in zip(counts.indices[start:end].tolist(), numbers, strict=True):
            line[word] = str(int(number)) if number == int(number) else repr(number)
        lines.append(",".join(line) + "\n")
    return "".join(lines).encode()
