"""Sparse JSON documents that are all written alike, read with numpy: no Python object for a number.

What programs write is regular to the byte: between the numbers of a document and the next ones stands the same text in
every document. So that text is taken from the first document and compared with all others at once, which leaves the
lists of numbers between ``[`` and ``]``. Their digits are read eight bytes at a time. Any JSON that is not so regular,
and all that is wrong, is left to a parser; nothing is read here that a parser would read otherwise.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

WORTH_IT = 1 << 14
"""Bytes from which on this is faster than a parser."""

Ragged = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
"""Counts, word ids, and how many of them each document has."""

_COMMA, _SPACE, _POINT, _ZERO, _OPEN, _CLOSE = b", .0[]"
_LISTS = 3
_LONGEST_NUMBER = 8
_PART = rb'"(keys|values|shape)"[ ]?:[ ]?\['
_FIRST = re.compile(
    rb'(\{"data"[ ]?:[ ]?\{"features"[ ]?:[ ]?\{' + _PART + rb")[^][]*(\],[ ]?" + _PART + rb")[^][]*(\],[ ]?" + _PART
    + rb")[^][]*(\]\}\}\})"
)  # fmt: skip

IN_LIST = re.compile(rb",[ ]?")
"""What stands between the elements of a list."""

IN_LINES = re.compile(rb"\n")
"""What stands between lines."""

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]


def read_alike(documents: bytes, feature_dim: int, separator: re.Pattern[bytes]) -> Ragged | None:
    """Read documents ``{"data": {"features": {"keys": .., "shape": .., "values": ..}}}``, one behind the other.

    Parameters
    ----------
    documents : bytes
    feature_dim : int
        V, the size of the vocabulary.
    separator : Pattern
        What may stand between two documents, the same between all of them: `IN_LIST` or `IN_LINES`.

    Returns
    -------
    Ragged or None
        None if they are not alike, or anything is unusual about any of them, be it right or wrong. Word ids may be out
        of range.
    """
    first = _FIRST.match(documents)
    if first is None:
        return None
    opening, name0, second, name1, third, name2, closing = first.groups()
    names = [name0, name1, name2]
    between = separator.match(documents, first.end())
    if len(set(names)) != _LISTS or (between is None and first.end() != len(documents)):
        return None
    next_one = closing + (between[0] if between else b"") + opening
    text = _without_zero_fractions(np.frombuffer(documents, np.uint8), names.index(b"values"))
    if text is None or not documents.endswith(closing):
        return None
    lists = _find_lists(text, [second, third, next_one], len(opening), len(closing))
    return None if lists is None else _read_lists(text, *lists, names, feature_dim)


def _without_zero_fractions(text: Bytes, values: int) -> Bytes | None:
    """Leave out ``.0`` behind values, as Python writes whole floats; None if there are other points."""
    points = np.flatnonzero(text == _POINT)
    if not points.size:
        return text
    lists = np.searchsorted(np.flatnonzero(text == _OPEN), points) - 1
    if (lists % _LISTS != values).any() or points[-1] + 2 >= len(text):
        return None
    after = text[points + 2]
    if (text[points + 1] != _ZERO).any() or ((after != _COMMA) & (after != _CLOSE)).any():
        return None
    if (text[points - 1] - _ZERO > 9).any():
        return None
    kept = np.ones(len(text), np.bool_)
    kept[points] = kept[points + 1] = False
    return text[kept]


def _find_lists(text: Bytes, gaps: list[bytes], start: int, end: int) -> tuple[Places, Places] | None:
    """Return where lists open and close; None if there is other text between two of them than `gaps`, in turn."""
    opens, closes = np.flatnonzero(text == _OPEN), np.flatnonzero(text == _CLOSE)
    if len(opens) != len(closes) or len(opens) % _LISTS or opens[0] != start - 1 or closes[-1] != len(text) - end:
        return None
    if (opens > closes).any():
        return None
    for number, gap in enumerate(gaps):
        before, after = closes[number:-1:_LISTS], opens[number + 1 :: _LISTS]
        if (after - before != len(gap) - 1).any():
            return None
        if (text[before[:, np.newaxis] + np.arange(len(gap))] != np.frombuffer(gap, np.uint8)).any():
            return None
    return opens, closes


def _read_lists(text: Bytes, opens: Places, closes: Places, names: list[bytes], feature_dim: int) -> Ragged | None:
    digits = (text - _ZERO) <= 9
    edges = np.flatnonzero(digits[1:] != digits[:-1]) + 1  # the text neither begins nor ends with a digit
    starts, ends = edges[::2], edges[1::2]
    sizes = ends - starts
    firsts = np.searchsorted(starts, opens)
    counted = np.diff(np.append(firsts, len(starts)))
    if not _are_lists(text, opens, closes, starts, ends, counted):
        return None
    if not starts.size or sizes.max() > _LONGEST_NUMBER or ((text[starts] == _ZERO) & (sizes > 1)).any():
        return None
    numbers = _parse(text, ends, sizes)
    lengths = {name: counted[place::_LISTS] for place, name in enumerate(names)}
    if (lengths[b"shape"] != 1).any() or (lengths[b"keys"] != lengths[b"values"]).any():
        return None
    if (numbers[firsts[names.index(b"shape") :: _LISTS]] != feature_dim).any():
        return None
    kinds = np.repeat(np.arange(len(opens)) % _LISTS, counted)
    keys, values = numbers[kinds == names.index(b"keys")], numbers[kinds == names.index(b"values")]
    return values.astype(np.float64), keys.astype(np.int64), lengths[b"keys"].astype(np.int64)


def _are_lists(text: Bytes, opens: Places, closes: Places, starts: Places, ends: Places, counted: Places) -> bool:
    """Whether there is nothing between the brackets but numbers with a comma, and perhaps a space, between them."""
    filled = counted > 0
    last = np.cumsum(counted) - 1
    if (starts[last[filled] - counted[filled] + 1] != opens[filled] + 1).any():
        return False
    if (ends[last[filled]] != closes[filled]).any() or (opens[~filled] + 1 != closes[~filled]).any():
        return False
    # Between two lists stands more than two bytes, and behind the last number of one a bracket.
    inner = len(starts) - np.count_nonzero(filled)
    distances = starts[1:] - ends[:-1]
    spaced = np.flatnonzero(distances == 2)
    if np.count_nonzero(distances == 1) + len(spaced) != inner or (text[ends[spaced] + 1] != _SPACE).any():
        return False
    return bool(np.count_nonzero(text.take(ends) == _COMMA) == inner)


def _parse(text: Bytes, ends: Places, sizes: Places) -> NDArray[np.uint64]:
    """Return the numbers whose digits end before `ends`, none of which has more than eight.

    The eight bytes up to a number's end are taken as one integer, the first of them lowest; those before the number are
    shifted out. Then neighbours are added up: digits to pairs, pairs to fours, fours to the whole.
    """
    windows = np.ndarray(len(text) - 7, "V8", np.ascontiguousarray(text), strides=(1,))
    numbers: NDArray[np.uint64] = windows.take(ends - 8).view("<u8")  # half the time of an index in brackets
    before = (8 * (8 - sizes)).astype(np.uint64)
    numbers >>= before
    numbers <<= before
    numbers &= np.uint64(0x0F0F0F0F0F0F0F0F)
    numbers *= np.uint64(10 * 2**8 + 1)
    numbers >>= np.uint64(8)
    numbers &= np.uint64(0x00FF00FF00FF00FF)
    numbers *= np.uint64(100 * 2**16 + 1)
    numbers >>= np.uint64(16)
    numbers &= np.uint64(0x0000FFFF0000FFFF)
    numbers *= np.uint64(10_000 * 2**32 + 1)
    numbers >>= np.uint64(32)
    return numbers
