"""Dense JSON documents that are all written alike, read as the CSV that they nearly are.

Between the numbers of a document and the next ones stands the same text in every document, so that putting a line end
in its place makes rows of it. Only whole numbers are read so, be they written ``12`` or ``12.0``; any other JSON, and
all that is wrong, is left to a parser.
"""

from __future__ import annotations

import re

import numpy as np

from topicdock.corpus.csv_tokens import POINT, decode_plain_rows
from topicdock.corpus.csv_zeros import COMMA, NEWLINE, ZERO
from topicdock.corpus.json_tokens import Ragged

_OPENING = re.compile(
    rb'(?:\{"data"[ ]?:[ ]?)?\[|(?:\{"data"[ ]?:[ ]?)?\{"features"[ ]?:[ ]?\[|'
    rb'\{"data"[ ]?:[ ]?\{"features"[ ]?:[ ]?\{"values"[ ]?:[ ]?\['
)
_FRACTION = re.compile(rb"\.[1-9]")
_LOOKED_AT = 1 << 14
"""Bytes in which a fraction mostly shows, if there are any."""
_NUMBERS = b"0123456789.,\n"


def read_dense_alike(documents: bytes, feature_dim: int, separator: re.Pattern[bytes]) -> Ragged | None:
    """Read documents such as ``{"features": [..]}``, one behind the other.

    Parameters
    ----------
    documents : bytes
    feature_dim : int
        V, the size of the vocabulary.
    separator : Pattern
        What may stand between two documents, the same between all of them.

    Returns
    -------
    Ragged or None
        None if they are not alike, or anything is unusual about any of them, be it right or wrong.
    """
    opening = _OPENING.match(documents)
    first_end = documents.find(b"]")
    if opening is None or first_end < 0 or _FRACTION.search(documents, 0, _LOOKED_AT):
        return None
    closing = b"]" + b"}" * opening[0].count(b"{")
    between = separator.match(documents, first_end + len(closing))
    if not documents.endswith(closing):
        return None
    lines, number = documents[opening.end() : -len(closing)], 1
    if between is not None:
        gap = closing + between[0] + opening[0]
        number += lines.count(gap)
        lines = lines.replace(gap, b"\n")
    lines = lines.replace(b", ", b",")
    if lines.translate(None, delete=_NUMBERS) or not _are_json_numbers(lines):
        return None
    rows = decode_plain_rows(lines)
    if rows is None or rows.rows != number or rows.columns != feature_dim:
        return None
    return rows.gather()


def _are_json_numbers(lines: bytes) -> bool:
    """Whether rows of digits, points and separators hold nothing but numbers such as ``12`` and ``12.0``."""
    text = np.frombuffer(b"".join((b"\n", lines, b"\n\n")), np.uint8)
    separators = (text == COMMA) | (text == NEWLINE)
    digits = (text - ZERO) <= 9
    if (separators[:-2] & (text[1:-1] == ZERO) & digits[2:]).any():  # 01
        return False
    points = np.flatnonzero(text == POINT)
    return bool((digits[points - 1] & (text[points + 1] == ZERO) & separators[points + 2]).all())
