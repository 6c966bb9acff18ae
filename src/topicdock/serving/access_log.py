"""The access log: a line of JSON for each request, with no prefix, so that readers of logs find its fields."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from topicdock.serving.requests import DOCUMENTS

_LONGEST = 300
"""Characters of what a client sent that a line repeats."""

_ATOMIC = 4096
"""Bytes that a pipe takes without letting others write between them (PIPE_BUF)."""

_logger = logging.getLogger(__name__)


class Entry(NamedTuple):
    """What is logged of a request.

    Attributes
    ----------
    environ : WSGI environment
    status : int
    sent : int
        Bytes of the answer's body.
    seconds : float
        From the end of the request's head to the end of the answer.
    """

    environ: Mapping[str, Any]
    status: int
    sent: int
    seconds: float


class AccessLog:
    """A file that gets the lines.

    Some at a time are written by one call of the system, which mixes no two lines whichever process they are from.
    Python's logging would take several times as long, and has nothing to add to a line that has no level and one
    destination.

    Parameters
    ----------
    descriptor : int
        Of the open file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, entries: Iterable[Entry]) -> None:
        """Write the lines of requests; a health check that went well has none."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        piece = b""
        for entry in entries:
            if entry.environ.get("PATH_INFO") == "/ping" and entry.status == 200:
                continue
            line = _describe(entry, now)
            if len(piece) + len(line) > _ATOMIC:
                self._put(piece)
                piece = b""
            piece += line
        self._put(piece)

    def _put(self, lines: bytes) -> None:
        if not lines:
            return
        try:
            os.write(self._descriptor, lines)
        except OSError as error:  # a request is not to fail for who reads the log
            _logger.debug("The access log cannot be written: %s", error)


def _describe(entry: Entry, now: str) -> bytes:
    environ = entry.environ
    line = {
        "time": now,
        "method": environ.get("REQUEST_METHOD"),
        "path": environ.get("PATH_INFO", "")[:_LONGEST],
        "status": entry.status,
        "milliseconds": round(1000 * entry.seconds, 2),
        "documents": environ.get(DOCUMENTS),
        "received": environ.get("CONTENT_LENGTH"),
        "sent": entry.sent,
        "content_type": environ.get("CONTENT_TYPE", "")[:_LONGEST],
        "inference_id": environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")[:_LONGEST],
    }
    return orjson.dumps({name: value for name, value in line.items() if value not in (None, "")}) + b"\n"
