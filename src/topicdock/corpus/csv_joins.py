"""Rows of CSV objects put end to end although one lacks its last line end: ``1,0,2`` ``0,3,0`` is ``1,0,20,3,0``.

The number of columns tells that a line is several rows, and where they meet. The field there is the last of one row and
the first of the next; it is divided where that can be done in one way only, as ``00`` and ``03``, but not ``123``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from topicdock.corpus.csv_columns import Columns
from topicdock.errors import CustomerError

_BYTE_ORDER_MARK = "\ufeff"
_NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
"""As programs write numbers: without needless zeros in front."""
_LABEL = re.compile(r"(?![\d.]).*")


def separate_rows(fields: list[str], columns: Columns, number: int) -> Iterator[list[str]]:
    """Yield the rows that a line holds: itself, unless objects meet in it.

    Raises
    ------
    CustomerError
        It cannot be told what the last count of one row is, and what the first of the next; row `number` is the first.
    """
    step = columns.total - 1
    if not columns.joined:
        yield fields
        return
    fields[0] = fields[0].removeprefix(_BYTE_ORDER_MARK)
    while step and len(fields) > columns.total and (len(fields) - 1) % step == 0:
        last, first = _divide(fields[step], columns, number)
        yield [*fields[:step], last]
        fields = [first, *fields[step + 1 :]]
        number += 1
    yield fields


def _divide(field: str, columns: Columns, number: int) -> Sequence[str]:
    if _BYTE_ORDER_MARK in field:
        return field.split(_BYTE_ORDER_MARK, 1)
    ways = [(field[:place], field[place:]) for place in range(1, len(field))]
    possible = [
        (last, first)
        for last, first in ways
        if _NUMBER.fullmatch(last) and (_NUMBER.fullmatch(first) or (columns.labels and _LABEL.fullmatch(first)))
    ]
    if len(possible) != 1:
        raise CustomerError(
            "a row goes on where it should end",
            where=f"row {number}, column {columns.total}",
            got=repr(field[:40]),
            allowed=f"{columns.total} columns, and a line end between the objects of a channel",
            todo="end the last row of every object with a line end, or set the channel's RecordWrapperType to RecordIO",
        )
    return possible[0]
