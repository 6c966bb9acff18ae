"""RecordIO framing: where one record ends and the next begins.

A frame is the word 0xCED7230A, a word whose upper three bits say which part of a record this is and whose lower 29
bits say how many bytes follow, those bytes, and zeros up to a multiple of four; all words little-endian.

References
----------
dmlc-core, ``include/dmlc/recordio.h``; ml-io, ``record_readers/detail/recordio_header.h``. Like ml-io, and like the
built-in algorithms, the parts of a split record are joined as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topicdock.errors import CustomerError

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
HEADER_SIZE = 8
LONGEST_PART = (1 << 29) - 1

WHOLE, FIRST, MIDDLE, LAST = range(4)


@dataclass(frozen=True)
class Frames:
    """Frames that follow one another in a body.

    Attributes
    ----------
    starts, lengths : (F,) int64
        Where each payload begins in the body, and how many bytes it has.
    flags : (F,) int64
        WHOLE, FIRST, MIDDLE or LAST.
    end : int
        Where the frame after these begins.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    flags: NDArray[np.int64]
    end: int


def read_records(body: bytes) -> Iterator[bytes]:
    """Yield the records of a framed body, split ones joined.

    Raises
    ------
    CustomerError
        Naming the record (from 1) and the byte where the framing breaks.
    """
    offset, number = 0, 1
    while offset < len(body):
        frames = find_frames(body, offset, number, 1 << 25)
        payloads = join_parts(body, frames)
        yield from payloads
        offset, number = frames.end, number + len(payloads)


def frame_record(payload: bytes) -> bytes:
    """Put `payload` into one frame."""
    if len(payload) > LONGEST_PART:
        raise CustomerError(
            "a record is too long for RecordIO", got=f"{len(payload)} bytes", allowed=f"at most {LONGEST_PART} bytes"
        )
    return MAGIC_BYTES + len(payload).to_bytes(4, "little") + payload + bytes(-len(payload) % 4)


def write_records(payloads: Iterable[bytes]) -> bytes:
    """Frame each payload as a whole record and join them."""
    return b"".join(map(frame_record, payloads))


def find_frames(body: bytes, offset: int, number: int, window: int, *, before: int = 0, more: bool = False) -> Frames:
    """Find the frames that begin in ``body[offset : offset + window]``, whole records only.

    Parameters
    ----------
    body : bytes
    offset : int
        Where a frame begins; a multiple of four.
    number : int
        What the record at `offset` is called in errors.
    window : int
        Bytes to look through, at least one.
    before : int
        How many bytes came before `body`; errors count from there.
    more : bool
        Bytes are to follow `body`, so that what it cuts short is no mistake, but left for later; perhaps all of it.

    Raises
    ------
    CustomerError
        On a wrong magic word, a record that the body cuts short, or parts of a split record out of order.
    """
    return _find_chain(body, offset, window, more=more) or _walk(body, offset, number, window, before, more=more)


def _find_chain(body: bytes, offset: int, window: int, *, more: bool) -> Frames | None:
    """Look at every aligned magic word at once; None unless they are exactly the beginnings of whole records."""
    count = min(window, len(body) - offset) // 4
    if count < 2:
        return None
    words = np.frombuffer(body, dtype="<u4", count=count, offset=offset)
    headers = np.flatnonzero(words == MAGIC)
    if not headers.size or headers[0] != 0:
        return None
    if headers[-1] + 1 == count:  # the length of the last one lies outside the window: the next window has it
        headers = headers[:-1]
        if not headers.size:
            return None
    sizes = words[headers + 1].astype(np.int64)
    ends = 4 * headers + HEADER_SIZE + (sizes + 3) // 4 * 4
    if (sizes > LONGEST_PART).any() or not np.array_equal(ends[:-1], 4 * headers[1:]):
        return None
    starts = offset + 4 * headers + HEADER_SIZE
    if more and offset + int(ends[-1]) > len(body):
        starts, sizes, ends = starts[:-1], sizes[:-1], ends[:-1]
        if not len(starts):
            return None
    if int(starts[-1] + sizes[-1]) > len(body):
        return None
    return Frames(starts, sizes, np.zeros_like(sizes), min(offset + int(ends[-1]), len(body)))


def _walk(body: bytes, offset: int, number: int, window: int, before: int, *, more: bool) -> Frames:
    """Follow the frames one by one, as far as the window and then to the end of a split record."""
    found: list[tuple[int, int, int]] = []
    limit = min(offset + window, len(body))
    inside, whole, end = False, 0, offset
    while offset < limit or (inside and offset < len(body)):
        if more and _is_cut_short(body, offset):
            break
        where = f"record {number} at byte {before + offset}"
        length, flag = _read_header(body, offset, where)
        if flag > LAST or (flag in (MIDDLE, LAST)) != inside:
            raise CustomerError(
                "the parts of a split record are out of order",
                where=where,
                got=f"continuation flag {flag}",
                allowed="2 or 3 inside a split record" if inside else "0 or 1 at the beginning of a record",
            )
        found.append((offset + HEADER_SIZE, length, flag))
        inside = flag in (FIRST, MIDDLE)
        number += not inside
        offset += HEADER_SIZE + (length + 3) // 4 * 4
        if not inside:
            whole, end = len(found), offset
    if inside and not more:
        raise CustomerError("the data end inside a split record", where=f"record {number} at byte {before + len(body)}")
    table = np.array(found[:whole], dtype=np.int64).reshape(-1, 3)
    # The padding of the very last record may be missing: batch transform strips it.
    return Frames(table[:, 0], table[:, 1], table[:, 2], min(end, len(body)))


def _is_cut_short(body: bytes, offset: int) -> bool:
    """Return whether the frame at `offset`, if it is one, goes on behind the end of `body`, its padding included."""
    header = body[offset : offset + HEADER_SIZE]
    length = int.from_bytes(header[4:], "little") & LONGEST_PART
    ends = offset + HEADER_SIZE + (length + 3) // 4 * 4
    return len(header) < HEADER_SIZE or (header.startswith(MAGIC_BYTES) and ends > len(body))


def _read_header(body: bytes, offset: int, where: str) -> tuple[int, int]:
    if len(body) - offset < HEADER_SIZE:
        raise CustomerError(
            "the data end inside a record's header",
            where=where,
            got=f"{len(body) - offset} bytes",
            allowed=f"{HEADER_SIZE} bytes",
            todo="write them again, they are cut short",
        )
    if body[offset : offset + 4] != MAGIC_BYTES:
        raise CustomerError(
            "this is not the beginning of a RecordIO record",
            where=where,
            got=body[offset : offset + 4].hex(),
            allowed=MAGIC_BYTES.hex(),
            todo="check that the content type is that of the data, and that the file is whole",
        )
    word = int.from_bytes(body[offset + 4 : offset + HEADER_SIZE], "little")
    length, flag = word & LONGEST_PART, word >> 29
    if offset + HEADER_SIZE + length > len(body):
        raise CustomerError(
            "the data end inside a record",
            where=where,
            got=f"{len(body) - offset - HEADER_SIZE} bytes",
            allowed=f"{length} bytes, as the record's header says",
            todo="write them again, they are cut short",
        )
    return length, flag


def join_parts(body: bytes, frames: Frames) -> list[bytes]:
    """Return the records of `frames` as bytes, the parts of split ones joined."""
    parts = cut(body, frames.starts, frames.starts + frames.lengths)
    if not frames.flags.any():
        return parts
    records: list[bytes] = []
    for part, flag in zip(parts, frames.flags.tolist(), strict=True):
        if flag in (WHOLE, FIRST):
            records.append(part)
        else:
            records[-1] += part
    return records


def cut(body: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[bytes]:
    """Return the pieces ``body[start:end]``."""
    return [body[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
