"""Documents from a stream of objects end to end, which has neither names nor borders of files, unless it is wrapped."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, cast

from scipy.sparse import csr_matrix

from topicdock.corpus.media_types import Decoder, MediaType, find_decoder
from topicdock.corpus.pieces import PIECE, gather, read_pieces
from topicdock.corpus.recordio import FIRST, HEADER_SIZE, LAST, LONGEST_PART, MAGIC_BYTES, MIDDLE, WHOLE
from topicdock.errors import CustomerError

_GZIP = b"\x1f\x8b"


def read_stream(stream: BinaryIO, media_type: MediaType, feature_dim: int, *, wrapped: bool) -> Iterator[csr_matrix]:
    """Yield the documents of a stream, some at a time.

    Parameters
    ----------
    stream : binary stream
        Read from beginning to end. What begins as gzip does is unpacked.
    media_type : MediaType
        What all of its objects are.
    feature_dim : int
        V, the size of the vocabulary.
    wrapped : bool
        Each object is the payload of a RecordIO record. Without that, CSV objects are told apart at line ends, and
        where one lacks its last, by the number of columns.

    Raises
    ------
    CustomerError
        Naming the object, if they are wrapped, and the first bad record, row or line in it.
    """
    decode = find_decoder(media_type, joined=not wrapped)
    if not wrapped:
        yield from _decode(decode, read_pieces(stream), media_type, feature_dim)
        return
    for number, pieces in enumerate(unwrap(stream), start=1):
        try:
            yield from _decode(decode, pieces, media_type, feature_dim)
        except CustomerError as error:
            raise error.inside(f"object {number}") from error


def _decode(decode: Decoder, pieces: Iterator[bytes], media_type: MediaType, feature_dim: int) -> Iterator[csr_matrix]:
    unpacked = unpack(pieces)
    for first in unpacked:  # no object at all is no document, in any format
        yield from decode(chain([first], unpacked), media_type, feature_dim)


def unpack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what gzip has packed, or the pieces themselves if they do not begin as gzip does."""
    whole = gather(pieces, len(_GZIP))
    for first in whole:
        rest = chain([first], whole)
        if first.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BufferedReader(_Readable(rest))) as file:
                yield from read_pieces(cast(BinaryIO, file))
        else:
            yield from rest


def unwrap(stream: BinaryIO) -> Iterator[Iterator[bytes]]:
    """Yield the objects of a stream that are a RecordIO record each, piece by piece.

    Each object is to be read to its end before the next one is asked for.

    Raises
    ------
    CustomerError
        The framing breaks.
    """
    while header := stream.read(HEADER_SIZE):
        yield _read_payload(stream, header)


def _read_payload(stream: BinaryIO, header: bytes) -> Iterator[bytes]:
    length, flag = _parse(header, (WHOLE, FIRST))
    yield from _read_part(stream, length)
    while flag not in (WHOLE, LAST):
        length, flag = _parse(stream.read(HEADER_SIZE), (MIDDLE, LAST))
        yield from _read_part(stream, length)


def _parse(header: bytes, flags: tuple[int, int]) -> tuple[int, int]:
    word = int.from_bytes(header[4:], "little")
    if len(header) < HEADER_SIZE or not header.startswith(MAGIC_BYTES) or word >> 29 not in flags:
        raise CustomerError(
            "this is not the beginning of an object wrapped as a RecordIO record",
            got=header.hex() or "the end of the stream",
            allowed=f"{MAGIC_BYTES.hex()} and the object's length",
            todo="check that the channel's RecordWrapperType is that of the data",
        )
    return word & LONGEST_PART, word >> 29


def _read_part(stream: BinaryIO, length: int) -> Iterator[bytes]:
    left = length
    while left:
        piece = stream.read(min(left, PIECE))
        if not piece:
            raise CustomerError(
                "the stream ends inside an object",
                got=f"{length - left} bytes",
                allowed=f"{length} bytes, as its header says",
            )
        yield piece
        left -= len(piece)
    stream.read(-length % 4)


class _Readable(io.RawIOBase):
    """Pieces as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken
