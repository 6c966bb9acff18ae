"""Protobuf's variable-length integers, many at a time.

A varint holds seven bits a byte, lowest first; every byte but the last has its top bit set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
"""Bytes of the longest varint that :func:`decode_varints` reads."""

BLOCK = 1 << 16
"""Bytes decoded at a time, so that what is computed on the way stays in the processor's cache."""

FAR_OUT = 1 << 40
"""What :func:`read_varints_at` gives for a varint of more than five bytes: longer than any record can be."""


def read_varints_at(data: NDArray[np.uint8], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read one varint at each of the places `at`.

    Parameters
    ----------
    data : (n,) uint8
    at : (R,) int64
        Places beyond the data are read as its last byte: the caller compares with where the record ends.

    Returns
    -------
    numbers, after : (R,) int64
        The numbers, and the places behind them.
    """
    byte = data.take(at, mode="clip")
    numbers = (byte & 0x7F).astype(np.int64)
    after = at + 1
    unfinished = np.flatnonzero(byte & 0x80)
    for shift in (7, 14, 21, 28):
        if not unfinished.size:
            return numbers, after
        byte = data.take(after[unfinished], mode="clip")
        numbers[unfinished] |= (byte & 0x7F).astype(np.int64) << shift
        after[unfinished] += 1
        unfinished = unfinished[byte >= 0x80]
    numbers[unfinished] = FAR_OUT
    return numbers, after


def decode_varints(data: NDArray[np.uint8]) -> NDArray[np.int32] | None:
    """Decode varints that follow one another without a gap.

    Parameters
    ----------
    data : (n,) uint8
        The packed varints; the last byte must end one.

    Returns
    -------
    (N,) int32, or None
        The numbers. ``None`` if a varint has more than four bytes (2**28 or more, or negative, or no number at all):
        those are left to the protobuf library.
    """
    padded = np.concatenate([np.zeros(LONGEST, dtype=np.uint8), data])
    pieces = [np.empty(0, dtype=np.int32)]
    for first in range(0, len(data), BLOCK):
        piece = _decode_block(padded[first : first + BLOCK + LONGEST])
        if piece is None:
            return None
        pieces.append(piece)
    return np.concatenate(pieces)


def _decode_block(data: NDArray[np.uint8]) -> NDArray[np.int32] | None:
    """Decode the varints that end in ``data[LONGEST:]``; the bytes before are there for those that begin earlier.

    Every byte is taken as if a varint ended there, with the byte before it where that one says so, and the bytes that
    do end one are picked afterwards: plain arithmetic on neighbours in the cache is several times faster than going
    from varint to varint. Only what is left of longer ones is then looked up.
    """
    low, more = data & 0x7F, data >> 7
    reach = more[LONGEST - 1 : -1]  # 1 where the varint has one byte before this one, later two, three, four
    numbers = low[LONGEST:].astype(np.int16)
    if reach.any():
        # Where it reaches back, 128 * number + byte; elsewhere the number as it is.
        numbers += reach.astype(np.int16) * (numbers * 127 + low[LONGEST - 1 : -1].astype(np.int16))
    last_bytes = np.flatnonzero(data[LONGEST:] < 0x80)  # several times faster than indexing with a mask
    ended = numbers[last_bytes].astype(np.int32)
    for back in range(2, LONGEST + 1):
        reach = reach & more[LONGEST - back : -back]
        if not reach.any():
            return ended
        if back < LONGEST:
            longer = np.flatnonzero(reach[last_bytes])
            ended[longer] = (ended[longer] << 7) | low[LONGEST - back : -back][last_bytes[longer]]
    return None if reach[last_bytes].any() else ended


def encode_varints(numbers: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encode non-negative numbers below 2**35 as varints end to end.

    Returns
    -------
    data : (n,) uint8
    ends : (N + 1,) int64
        Number i lies in ``data[ends[i]:ends[i + 1]]``.
    """
    wide = numbers.astype(np.int64)
    widths = np.ones(len(wide), dtype=np.int64)
    for bits in (7, 14, 21, 28):
        widths += wide >= (1 << bits)
    ends = np.zeros(len(wide) + 1, dtype=np.int64)
    np.cumsum(widths, out=ends[1:])
    data = np.empty(int(ends[-1]), dtype=np.uint8)
    for place in range(int(widths.max(initial=0))):
        here = np.flatnonzero(widths > place)
        more = np.where(widths[here] > place + 1, 0x80, 0)
        data[ends[here] + place] = ((wide[here] >> (7 * place)) & 0x7F) | more
    return data, ends


def encode_varint(number: int) -> bytes:
    """Encode one non-negative number."""
    data = bytearray()
    while number > 0x7F:
        data.append((number & 0x7F) | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
