"""Plain numeric CSV, read with numpy: no Python object for a zero, no dense matrix.

In a bag of words nearly every token is ``0``. So the zeros are never looked at as tokens: the commas and line ends
are counted 64 to a machine word, which gives the row and column of any byte, and only the bytes that are neither ``0``
nor a separator are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.ranks import Ranks

NEWLINE, COMMA, ZERO, POINT = b"\n,0."
LONGEST_WHOLE_NUMBER = 15
"""Digits that a float64 surely holds exactly; longer tokens are parsed as Python does."""

LONGEST_TOKEN = 64

NUMBER_BYTES = b"0123456789+-.eE, \t\r\n"

NUMBER = re.compile(rb"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*")

Places = NDArray[np.int64]


@dataclass(frozen=True)
class PlainRows:
    """The tokens of some lines that are not zero.

    Attributes
    ----------
    text : (n,) uint8
        The lines, with a newline before the first and after the last.
    separators : (n,) bool
        Where commas and newlines are.
    rows, columns : int
        How many lines there are, and how many tokens each of them has.
    places : (P,) int64
        Where in `text` the bytes that are neither zeros nor separators are.
    tokens : (P,) int64
        Which token, counted from 0, each of these bytes belongs to.
    """

    text: NDArray[np.uint8]
    separators: NDArray[np.bool_]
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
        rows, columns = np.divmod(self.tokens, self.columns)
        kept = np.flatnonzero(columns >= labels) if labels else slice(None)
        tokens, places = self.tokens[kept], self.places[kept]
        first = np.flatnonzero(np.diff(tokens, prepend=-1))
        values = self._parse(places, first)
        lengths = np.bincount(rows[kept][first], minlength=self.rows)
        return values, columns[kept][first] - labels, lengths

    def _parse(self, places: Places, first: Places) -> NDArray[np.float64]:
        """Parse the tokens; `first` is where in `places` the bytes of each token begin."""
        if not places.size:
            return np.empty(0)
        digits = self.text[places] - ZERO  # bytes below "0" wrap round to large ones
        power = self._count_to_separator(places, 1)
        odd = (digits > 9) | (power >= LONGEST_WHOLE_NUMBER)
        with np.errstate(over="ignore"):
            values = np.add.reduceat(digits * 10.0**power, first)
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
        going = np.arange(len(places))
        for distance in range(1, LONGEST_TOKEN):
            going = going[~self.separators[places[going] + step * distance]]
            if not going.size:
                return counts
            counts[going] = distance
        raise ValueError("not a number of a sensible length")


def decode_plain_rows(lines: bytes) -> PlainRows | None:
    """Find the tokens of `lines`; None if that takes a closer look: empty fields, blank lines, rows of unequal length.

    Parameters
    ----------
    lines : bytes
        Whole lines of a CSV body, without quotes.
    """
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    text = np.frombuffer(b"".join((b"\n", lines.strip(b"\n"), b"\n")), dtype=np.uint8)
    if len(text) == 2:
        return None
    text = _without_zero_fractions(text)
    newlines = text == NEWLINE
    separators = newlines | (text == COMMA)
    if (separators[1:] & separators[:-1]).any():
        return None
    ranks = Ranks(separators)
    columns = np.diff(ranks.before(np.flatnonzero(newlines)))
    if (columns != columns[0]).any():
        return None
    places = np.flatnonzero((text != ZERO) & ~separators)
    return PlainRows(text, separators, len(columns), int(columns[0]), places, ranks.before(places) - 1)


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


def _without_zero_fractions(text: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out ``.0`` behind whole numbers, if that is all there is besides digits: what numpy makes of counts."""
    points = np.flatnonzero(text == POINT)
    if not points.size:
        return text
    separators = (text == NEWLINE) | (text == COMMA)
    digits = (text - ZERO) <= 9
    if np.count_nonzero(separators) + np.count_nonzero(digits) + len(points) != len(text):
        return text
    if not (digits[points - 1].all() and (text[points + 1] == ZERO).all() and separators[points + 2].all()):
        return text
    kept = np.ones(len(text), dtype=np.bool_)
    kept[points] = False
    kept[points + 1] = False
    return text[np.flatnonzero(kept)]
