"""Bytes that come piece by piece: what every format's decoder is given, a body in memory being a single piece."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from topicdock.errors import CustomerError

PIECE = 8 << 20
"""Bytes that are read from a stream at a time."""

LONGEST_DOCUMENT = 1 << 29
"""Bytes after which a document is taken to have no end: what there is of it is decoded, which says what is wrong."""


def read_pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a stream to its end.

    Raises
    ------
    CustomerError
        The stream unpacks gzip, and what is packed is damaged or cut short.
    """
    try:
        while piece := stream.read(PIECE):
            yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CustomerError(
            "the data cannot be unpacked", got=str(error), allowed="whole gzip data", todo="write and upload them again"
        ) from error


def mark_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each piece, and whether more follow it."""
    before: bytes | None = None
    for piece in pieces:
        if before is not None:
            yield before, True
        before = piece
    if before is not None:
        yield before, False


def gather(pieces: Iterable[bytes], least: int) -> Iterator[bytes]:
    """Yield the same bytes, the first piece having `least` bytes, if there are so many."""
    begun = b""
    rest = iter(pieces)
    for piece in rest:
        begun += piece
        if len(begun) >= least:
            break
    if begun:
        yield begun
    yield from rest
