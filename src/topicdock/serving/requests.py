"""Request bodies: read within limits of size and time, decompressed, and decoded to word counts."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import IO

import numpy as np
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from topicdock.corpus import CSV, MediaType, UnsupportedMediaTypeError, decode_counts, parse_media_type
from topicdock.errors import CustomerError
from topicdock.serving.served_model import ServedModel
from topicdock.serving.texts import PLAIN_TEXT, find_texts

DOCUMENTS = "topicdock.documents"
"""Key of a WSGI environment: how many documents the request held, once that is known."""

_PIECE = 1 << 16
_READ = 1 << 18
"""Bytes of a body that are asked for at once: gunicorn copies all that it has for each piece it is asked for."""

_RECEIVED = 1 << 20
"""Bytes of a body that are taken at once where they are taken as they come."""

_SMALL = 1 << 12
"""Bytes of a piece from which on it is kept as it is; a client may send a byte at a time, and each be a piece."""

_SMALLEST_WINDOW = 1 << 8
"""Bytes of a gzip member that are looked at first: zlib copies all that it is shown and that belongs to the next."""
_UNLABELLED = MediaType(CSV, {"label_size": "0"})
"""Requests carry no labels. A column too many is a mistake, not a label as it would be in training data."""
_GZIP = 16 + zlib.MAX_WBITS


def read_body(stream: IO[bytes], limit: int, seconds: float, announced: int | None = None) -> bytes:
    """Read a request body to its end: `announced` bytes, where its length is known, within `seconds`.

    Raises
    ------
    RequestEntityTooLarge
        It has more than `limit` bytes.
    RequestTimeout
        It stalled, or was not there after `seconds`.
    BadRequest
        It ends before the length that was announced, or is chunked wrongly.
    """
    deadline = time.monotonic() + seconds
    pieces: list[bytes | bytearray] = []
    size = 0
    read = _find_reader(stream)
    while piece := _read_piece(read):
        size += len(piece)
        if size > limit:
            raise RequestEntityTooLarge(f"The request body is larger than {limit} bytes.")
        if time.monotonic() > deadline:
            raise RequestTimeout(f"The request body did not arrive within {seconds:g} seconds.")
        if len(piece) >= _SMALL:
            pieces.append(piece)
        elif pieces and isinstance(pieces[-1], bytearray):
            pieces[-1] += piece
        else:
            pieces.append(bytearray(piece))
    if announced is not None and size < announced:
        # What has come may look whole: CSV and RecordIO can be cut between two documents.
        raise BadRequest(f"The request body ends too early: {size} of {announced} bytes arrived.")
    return b"".join(pieces)


def _find_reader(stream: IO[bytes]) -> Callable[[], bytes]:
    """Return what gives the next bytes of a stream, none at its end: as they come, where the stream can do that."""
    read1 = getattr(stream, "read1", None)
    return partial(stream.read, _READ) if read1 is None else partial(read1, _RECEIVED)


def _read_piece(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (ClientDisconnected, ParseException, OSError) as error:
        # werkzeug hides trouble with the socket behind its own exception
        trouble = error.__context__ if isinstance(error, ClientDisconnected) else error
        if isinstance(trouble, BlockingIOError):  # the server's limit for standing still
            raise RequestTimeout("The client stopped sending in the middle of the request body.") from error
        if isinstance(trouble, TimeoutError):
            raise RequestTimeout("The request body did not arrive in time.") from error
        raise BadRequest("The request body ends too early, or its chunks are not as they should be.") from error


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the Content-Encoding of a body.

    Raises
    ------
    CustomerError
        The body is not what the header says.
    UnsupportedMediaTypeError
        The encoding is none that is known.
    RequestEntityTooLarge
        More than `limit` bytes came out.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip"):
        raise UnsupportedMediaTypeError(
            "the Content-Encoding of the request is not supported", got=repr(encoding[:100]), allowed="gzip, identity"
        )
    view, offset, size = memoryview(body), 0, 0
    pieces: list[bytes] = []
    member, window = zlib.decompressobj(_GZIP), _SMALLEST_WINDOW
    while offset < len(view):
        if member.eof:  # a gzip file may have several members, one after the other
            member, window = zlib.decompressobj(_GZIP), _SMALLEST_WINDOW
        fed = view[offset : offset + window]
        try:
            # One byte more than allowed tells "exactly the limit" from "too much" without unpacking all of it.
            pieces.append(member.decompress(fed, limit + 1 - size))
        except zlib.error as error:
            raise CustomerError("the request body is not gzip, as its Content-Encoding says", got=str(error)) from error
        size += len(pieces[-1])
        if size > limit:
            raise RequestEntityTooLarge(f"The request body is larger than {limit} bytes once decompressed.")
        offset += len(fed) - len(member.unused_data)
        window = min(2 * window, _PIECE)
    if not member.eof:
        raise CustomerError("the gzip of the request body is cut short", todo="send the whole body")
    return b"".join(pieces)


@dataclass(frozen=True)
class Documents:
    """What a request holds.

    Attributes
    ----------
    counts : csr_matrix, (D, V) float32
    unknown_words : (D,) int64, or None
        Words of each document that are not in the vocabulary, where documents are text.
    """

    counts: csr_matrix
    unknown_words: NDArray[np.int64] | None = None


recognise_type = lru_cache(maxsize=64)(parse_media_type)
"""Clients name the same few types again and again."""


def decode_documents(body: bytes, content_type: str | None, served: ServedModel) -> Documents:
    """Return the documents of a request as word counts.

    A request without Content-Type is read as CSV, the only type that shows what it is.

    Raises
    ------
    CustomerError
        The body is not what the Content-Type says, or does not fit the model.
    UnsupportedMediaTypeError
        No decoder knows the Content-Type; or there is none, and the body is not CSV.
    """
    feature_dim = served.model.feature_dim
    if content_type and content_type.strip():
        media_type = recognise_type(content_type)
        texts = find_texts(body, media_type)
        if texts is not None:
            return Documents(*served.count_texts(texts))
        if media_type.name == CSV and "label_size" not in media_type.parameters:
            media_type = _UNLABELLED
        try:
            return Documents(decode_counts(body, media_type, feature_dim))
        except UnsupportedMediaTypeError as error:
            error.allowed += f", {PLAIN_TEXT}"
            raise
    try:
        return Documents(decode_counts(body, _UNLABELLED, feature_dim))
    except CustomerError as error:
        raise UnsupportedMediaTypeError(
            "the request has no Content-Type header, and its body is not CSV that fits the model", got=str(error)
        ) from error
