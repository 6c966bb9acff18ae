"""CSV, one document a line: from and to bag of words.

Most CSV bodies are nothing but digits, commas and line ends; :mod:`topicdock.corpus.csv_tokens` reads those with
numpy. Whatever is not that plain, and whatever is wrong, is read here, field by field, with the csv module.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.csv_tokens import decode_all_tokens, decode_plain_rows
from topicdock.errors import CustomerError

WINDOW = 1 << 20
"""Bytes of lines decoded at a time; temporary arrays take about six times as much."""

DENSE_TOKEN_LENGTH = 6
"""From so many bytes a token on, separator included, the numbers have fractions, and few are a bare zero."""

SAMPLE = 1 << 14
"""Bytes of a window from which the length of its tokens is guessed."""

logger = logging.getLogger(__name__)


def decode_csv(body: bytes | memoryview, feature_dim: int, label_size: int | None = None) -> csr_matrix:
    """Decode comma-separated counts, one document a line, without a header.

    Quotes, spaces round values, CRLF, a byte order mark, blank lines and a missing final newline are all accepted.

    Parameters
    ----------
    body : bytes or memoryview
    feature_dim : int
        V, the size of the vocabulary.
    label_size : int, optional
        How many columns to leave out at the front. When it is not given, rows of V columns are taken whole, and of
        rows of V + 1 columns the first is left out as a label, with a warning.

    Returns
    -------
    csr_matrix, (D, V) float32

    Raises
    ------
    CustomerError
        Naming the row (counted from 1, blank lines apart) and the column, labels included.
    """
    whole = bytes(body).removeprefix(codecs.BOM_UTF8)
    if b'"' in whole:  # a line end within quotes is not the end of a row, so that the text cannot be cut
        return _decode_fields(whole, feature_dim, label_size, 1)
    blocks: list[csr_matrix] = []
    number = 1
    for lines in _cut_at_line_ends(whole):
        block = _decode_lines(lines, feature_dim, label_size, number)
        blocks.append(block)
        number += block.shape[0]
    return bag_of_words.stack(blocks, feature_dim)


def _cut_at_line_ends(body: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + WINDOW) + 1
        if not end:  # one line is longer than the window
            end = body.find(b"\n", start + WINDOW) + 1 or len(body)
        if start + WINDOW >= len(body):
            end = len(body)
        yield body[start:end]
        start = end


def _decode_lines(lines: bytes, feature_dim: int, label_size: int | None, number: int) -> csr_matrix:
    sample = lines[:SAMPLE]
    if sample.count(b",") * DENSE_TOKEN_LENGTH >= len(sample):
        block = _decode_plain(lines, feature_dim, label_size, number)
    else:
        block = _decode_all_tokens(lines, feature_dim, label_size, number)
    return _decode_fields(lines, feature_dim, label_size, number) if block is None else block


def _decode_plain(lines: bytes, feature_dim: int, label_size: int | None, number: int) -> csr_matrix | None:
    rows = decode_plain_rows(lines)
    labels = None if rows is None else _count_labels(rows.columns, feature_dim, label_size)
    if rows is None or labels is None:
        return None
    try:
        return rows.assemble(labels, feature_dim, _name_from(number))
    except ValueError:  # a token that is no number: to be found, and named, field by field
        return None


def _decode_all_tokens(lines: bytes, feature_dim: int, label_size: int | None, number: int) -> csr_matrix | None:
    rows = decode_all_tokens(lines)
    labels = None if rows is None else _count_labels(rows.shape[1], feature_dim, label_size)
    if rows is None or labels is None:
        return None
    return bag_of_words.assemble_dense(rows[:, labels:], feature_dim, _name_from(number))


def _count_labels(columns: int, feature_dim: int, label_size: int | None) -> int | None:
    """Return how many columns of a row to leave out, or None if it has the wrong number of columns."""
    if label_size is not None:
        return label_size if columns == label_size + feature_dim else None
    if columns == feature_dim:
        return 0
    if columns == feature_dim + 1:
        _warn_of_label(feature_dim)
        return 1
    return None


@cache
def _warn_of_label(feature_dim: int) -> None:
    # Cached: once for a corpus, however many files it has, and not for each request.
    logger.warning(
        "CSV rows have %d columns while feature_dim is %d: the first column is taken for a label and left out. "
        "Say text/csv;label_size=1 if that is right, or set feature_dim to %d if it is not.",
        feature_dim + 1,
        feature_dim,
        feature_dim + 1,
    )


def _decode_fields(lines: bytes, feature_dim: int, label_size: int | None, number: int) -> csr_matrix:
    """Decode rows field by field with the csv module."""
    values, ids = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    lengths: list[int] = []
    mistake: CustomerError | None = None
    try:
        for fields in _read_fields(lines, number):
            row = _parse_row(fields, feature_dim, label_size, f"row {number + len(lengths)}")
            places = np.flatnonzero(row)
            values.append(row[places])
            ids.append(places)
            lengths.append(len(places))
    except CustomerError as error:
        mistake = error
    # An earlier row may have counts out of range: that one is to be named then, so it is assembled first.
    block = bag_of_words.assemble(
        np.concatenate(values), np.concatenate(ids), np.array(lengths, dtype=np.int64), feature_dim, _name_from(number)
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
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    found = 0
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                found += 1
                yield fields
    except csv.Error as error:
        raise CustomerError("the line is not CSV", where=f"row {number + found}", got=str(error)) from error


def _parse_row(fields: list[str], feature_dim: int, label_size: int | None, where: str) -> NDArray[np.float64]:
    labels = _count_labels(len(fields), feature_dim, label_size)
    if labels is None:
        allowed = f"{feature_dim + (label_size or 0)} columns, as feature_dim = {feature_dim}"
        if label_size:
            allowed += f" and label_size = {label_size}"
        if label_size is None:
            allowed += f", or {feature_dim + 1} with a label in front"
        raise CustomerError("a row has the wrong number of columns", where=where, got=str(len(fields)), allowed=allowed)
    row = np.empty(feature_dim)
    for word in range(feature_dim):
        field = fields[labels + word]
        try:
            row[word] = _parse_number(field)
        except ValueError as error:
            raise CustomerError(
                "a field is not a number",
                where=f"{where}, column {labels + word + 1}",
                got=repr(field[:40]),
                allowed="a word count",
                todo="remove the header line, the data must not have one" if where == "row 1" else "",
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
