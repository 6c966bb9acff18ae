"""How the bytes of a request are taken from its connection: within its time, and without copies that nobody needs."""

from __future__ import annotations

import math
import time
from typing import Any

from gunicorn.http.body import Body, LengthReader  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]


class Unreader(SocketUnreader):  # type: ignore[misc]
    """What gunicorn reads a connection with, and a time for all of a request: a byte now and then is not enough."""

    deadline = math.inf

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes, or raise TimeoutError if they come too late."""
        received: bytes = super().chunk(size_hint)
        if time.monotonic() > self.deadline:
            raise TimeoutError
        return received

    def read_some(self, size: int) -> bytes:
        """Return what there is, up to `size` bytes; wait if there is nothing yet, return nothing at the end."""
        received: bytes = self.take_buffered() or self.chunk(size)
        if len(received) > size:
            self.unread(received[size:])
            received = received[:size]
        return received


class DirectBody(Body):  # type: ignore[misc]
    """A body of known length that hands over what comes as it comes.

    To give as many bytes as are asked for, gunicorn's own puts them together and apart again five times, which takes
    longer than to receive them.
    """

    def read1(self, size: int) -> bytes:
        """Return what there is, up to `size` bytes; wait if there is nothing yet, return nothing at the end."""
        if self.buf.tell():  # what is left of a line that has been read
            left: bytes = self.read(min(size, self.buf.tell()))
            return left
        if not self.reader.length:
            return b""
        try:
            received: bytes = self.reader.unreader.read_some(min(size, self.reader.length))
        except Exception:
            self.failed = True  # where the next request would begin is not known
            raise
        self.reader.length -= len(received)
        return received


def receive_directly(request: Any) -> None:
    """Let gunicorn's request have a :class:`DirectBody`, if the length of its body is known."""
    if isinstance(request.body.reader, LengthReader):
        request.body = DirectBody(request.body.reader)
