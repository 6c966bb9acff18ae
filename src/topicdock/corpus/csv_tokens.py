"""Plain numeric CSV, read with numpy: no Python object for a zero, no dense matrix.

In a bag of words nearly every token is ``0``. So the zeros are never looked at as tokens: how many commas and line ends
stand before it gives the row and column of any byte, and only the bytes that are neither ``0`` nor a separator are
looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.csv_zeros import COMMA, NEWLINE, WORD, ZERO, Places, find_marks

POINT = ord(".")
LONGEST_WHOLE_NUMBER = 15
"""Digits that a float64 surely holds exactly; longer tokens are parsed as Python does."""

LONGEST_TOKEN = 64

NUMBER_BYTES = b"0123456789+-.eE, \t\r\n"

NUMBER = re.compile(rb"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*")

_POWERS = np.array([float(10**power) for power in range(LONGEST_WHOLE_NUMBER + 1)])


@dataclass(frozen=True)
class PlainRows:
    """The tokens of some lines that are not zero.

    Attributes
    ----------
    text : (n,) uint8
        The lines, with a newline before the first and after the last, and zeros behind that.
    rows, columns : int
        How many lines there are, and how many tokens each of them has.
    places : (P,) int64
        Where in `text` the bytes that are neither zeros nor separators are.
    tokens : (P,) int64
        Which token, counted from 0, each of these bytes belongs to.
    """

    text: NDArray[np.uint8]
    rows: int
    columns: int
    places: Places
    tokens: Places

    def assemble(self, labels: int, feature_dim: int, name_row: Callable[[int], str]) -> csr_matrix:
        """Parse the tokens, all but those of the first `labels` columns, and return the bag of words.

        Raises
        ------
        ValueError
            If a token is not a number.
        CustomerError
            If a count is out of range.
        """
        return bag_of_words.assemble(*self.gather(labels), feature_dim, name_row)

    def gather(self, labels: int = 0) -> tuple[NDArray[np.float64], Places, NDArray[np.intp]]:
        """Parse the tokens, all but those of the first `labels` columns.

        Returns
        -------
        tuple of arrays
            Counts, word ids, and how many of them each row has.

        Raises
        ------
        ValueError
            If a token is not a number.
        """
        tokens, places = self.tokens, self.places
        columns = tokens - tokens // self.columns * self.columns  # the remainder, which numpy takes longer for
        if labels:
            kept = np.flatnonzero(columns >= labels)
            tokens, places, columns = tokens[kept], places[kept], columns[kept]
        first = np.flatnonzero(np.concatenate(([True], tokens[1:] != tokens[:-1]))[: len(tokens)])
        values = self._parse(places, first)
        borders = np.searchsorted(tokens[first], self.columns * np.arange(self.rows + 1))
        return values, columns[first] - labels, np.diff(borders)

    def _parse(self, places: Places, first: Places) -> NDArray[np.float64]:
        """Parse the tokens; `first` is where in `places` the bytes of each token begin."""
        if not places.size:
            return np.empty(0)
        digits = self.text[places] - ZERO  # bytes below "0" wrap round to large ones
        power = self._count_to_separator(places, 1)
        odd = (digits > 9) | (power >= LONGEST_WHOLE_NUMBER)
        values: NDArray[np.float64] = digits * _POWERS.take(power, mode="clip")  # too long ones are odd
        if len(first) < len(places):
            values = np.add.reduceat(values, first)
        if odd.any():
            odd_tokens = np.flatnonzero(np.logical_or.reduceat(odd, first))
            values[odd_tokens] = self._parse_odd(places[first[odd_tokens]], power[first[odd_tokens]])
        return values

    def _parse_odd(self, places: Places, after: Places) -> list[float]:
        """Parse signs, points, exponents and spaces as Python does: the tokens round `places`, `after` bytes to go."""
        starts = places - self._count_to_separator(places, -1)
        text = self.text.tobytes()
        tokens = [text[start:end] for start, end in zip(starts.tolist(), (places + after + 1).tolist(), strict=True)]
        if not all(map(NUMBER.fullmatch, tokens)):
            raise ValueError("not a number")
        return list(map(float, tokens))

    def _count_to_separator(self, places: Places, step: int) -> Places:
        """Count the bytes between each place and the next separator in the direction of `step`."""
        counts = np.zeros(len(places), dtype=np.int64)
        going = np.flatnonzero(~self._separates(places + step))
        for distance in range(1, LONGEST_TOKEN):
            if not going.size:
                return counts
            counts[going] = distance
            going = going[~self._separates(places[going] + step * (distance + 1))]
        raise ValueError("not a number of a sensible length")

    def _separates(self, places: Places) -> NDArray[np.bool_]:
        text = self.text[places]
        separates: NDArray[np.bool_] = (text == COMMA) | (text == NEWLINE)
        return separates


def decode_plain_rows(lines: bytes | memoryview) -> PlainRows | None:
    """Find the tokens of `lines`; None if that takes a closer look: empty fields, blank lines, rows of unequal length.

    Parameters
    ----------
    lines : bytes or memoryview
        Whole lines of a CSV body, without quotes.
    """
    framed = _frame(lines)
    if b"\r" in framed:
        framed = _frame(bytes(lines).replace(b"\r\n", b"\n"))
    text = np.frombuffer(framed, dtype=np.uint8)
    if b"." in framed:
        text = _without_zero_fractions(text)
    marks = find_marks(text)
    if marks is None:
        return None
    columns = np.diff(marks.line_ranks)
    if (columns != columns[0]).any():
        return None
    return PlainRows(text, len(columns), int(columns[0]), marks.places, marks.ranks - 1)


def decode_all_tokens(lines: bytes) -> NDArray[np.float64] | None:
    """Parse every token of plain lines as Python does: (rows, columns). For text that is not mostly zeros.

    None if it takes a closer look: anything but numbers, blank lines, rows of unequal length.
    """
    if lines.translate(None, delete=NUMBER_BYTES):
        return None
    rows = lines.replace(b"\r\n", b"\n").strip(b"\n").split(b"\n")
    columns = rows[0].count(b",")
    if any(row.count(b",") != columns for row in rows):
        return None
    try:
        return np.array([list(map(float, row.split(b","))) for row in rows])
    except ValueError:
        return None


def _frame(lines: bytes | memoryview) -> bytes:
    """Return `lines` between two line ends, without blank lines at either end, filled up to whole words."""
    if lines[:1] == b"\n" or lines[-2:] == b"\n\n":
        lines = bytes(lines).strip(b"\n")
    end = b"" if lines[-1:] == b"\n" else b"\n"
    return b"".join((b"\n", lines, end, _fill(1 + len(lines) + len(end))))


def _fill(size: int) -> bytes:
    """Return the zeros that make so many bytes end with a word; behind the last line end they mean nothing."""
    return b"0" * (-size % WORD)


def _without_zero_fractions(text: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out ``.0`` behind whole numbers, if that is all there is besides digits: what numpy makes of counts."""
    points = np.flatnonzero(text == POINT)
    separators = (text == NEWLINE) | (text == COMMA)
    digits = (text - ZERO) <= 9
    if np.count_nonzero(separators) + np.count_nonzero(digits) + len(points) != len(text):
        return text
    if not (digits[points - 1].all() and (text[points + 1] == ZERO).all() and separators[points + 2].all()):
        return text
    kept = np.ones(len(text), dtype=np.bool_)
    kept[points] = False
    kept[points + 1] = False
    text = text[np.flatnonzero(kept)]
    return np.concatenate((text, np.frombuffer(_fill(len(text)), np.uint8)))
