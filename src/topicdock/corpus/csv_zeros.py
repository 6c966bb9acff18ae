"""What stands in CSV text beside its zeros, which are passed over eight bytes at a time.

In a bag of words nearly every token is ``0``, so that most words of eight bytes are ``0,0,0,0,`` or ``,0,0,0,0``. Such
a word has four separators and nothing to read: comparing it with the two is all that is done about it. Separators are
counted, and other bytes found, in the words that are left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEWLINE, COMMA, ZERO = b"\n,0"
WORD = 8
"""Bytes of a word."""

_ZERO_FIRST, _COMMA_FIRST = np.frombuffer(b"0,0,0,0,,0,0,0,0", "<u8")
_SEPARATORS_OF_ZEROS = 4
_BITS_OF_ZERO_FIRST, _BITS_OF_COMMA_FIRST = np.uint8(0b10101010), np.uint8(0b01010101)
_LAST_BIT = np.uint8(7)
_ONE = np.uint8(1)

Places = NDArray[np.int64]


class Marks(NamedTuple):
    """What stands in a text beside zeros.

    Attributes
    ----------
    places : (P,) int64
        Where bytes are that are neither zeros nor separators.
    ranks : (P,) int64
        How many separators stand before each of them.
    line_ranks : (L,) int64
        How many separators stand before each newline.
    """

    places: Places
    ranks: Places
    line_ranks: Places


def find_marks(text: NDArray[np.uint8]) -> Marks | None:
    """Find what stands in `text` beside zeros; None if two separators stand side by side.

    Parameters
    ----------
    text : (n,) uint8
        n is a multiple of :data:`WORD`.
    """
    words = text.view("<u8")
    zero_first, comma_first = words == _ZERO_FIRST, words == _COMMA_FIRST
    others = np.flatnonzero(~(zero_first | comma_first))
    read = words[others].view(np.uint8)
    newlines = read == NEWLINE
    separators = newlines | (read == COMMA)
    bits = np.packbits(separators, bitorder="little")  # those of one word are one byte
    all_bits = zero_first.view(np.uint8) * _BITS_OF_ZERO_FIRST
    all_bits |= comma_first.view(np.uint8) * _BITS_OF_COMMA_FIRST
    all_bits[others] = bits
    if (bits & (bits >> _ONE)).any() or ((all_bits[:-1] >> _LAST_BIT) & all_bits[1:]).view(np.bool_).any():
        return None
    counts = np.bitwise_count(bits)
    before = np.cumsum(counts, dtype=np.int64)
    before += _SEPARATORS_OF_ZEROS * (others - np.arange(len(others))) - counts

    def rank(owners: Places, offsets: Places) -> Places:
        below = (_ONE << offsets.astype(np.uint8)) - _ONE
        ranks: Places = before[owners] + np.bitwise_count(bits[owners] & below)
        return ranks

    marks = np.flatnonzero((read != ZERO) & ~separators)
    owners, offsets = marks >> 3, marks & 7
    line_ends = np.flatnonzero(newlines)
    return Marks(WORD * others[owners] + offsets, rank(owners, offsets), rank(line_ends >> 3, line_ends & 7))
