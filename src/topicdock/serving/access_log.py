"""The access log: a line of JSON for each request, with no prefix, so that readers of logs find its fields."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from topicdock.serving.requests import DOCUMENTS

_LONGEST = 300
"""Characters of what a client sent that a line repeats."""

_logger = logging.getLogger(__name__)


class AccessLog:
    """A file that gets the lines.

    Each is written by one call of the system, which mixes no two lines whichever process they are from. Python's
    logging would take several times as long, and has nothing to add to a line that has no level and one destination.

    Parameters
    ----------
    descriptor : int
        Of the open file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> None:
        """Write the line of a request; a health check that went well has none.

        Parameters
        ----------
        environ : WSGI environment
        status : int
        sent : int
            Bytes of the answer's body.
        seconds : float
            From the end of the request's head to the end of the answer.
        """
        if environ.get("PATH_INFO") == "/ping" and status == 200:
            return
        try:
            os.write(self._descriptor, _describe(environ, status, sent, seconds))
        except OSError as error:  # a request is not to fail for who reads the log
            _logger.debug("The access log cannot be written: %s", error)


def _describe(environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> bytes:
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": environ.get("REQUEST_METHOD"),
        "path": environ.get("PATH_INFO", "")[:_LONGEST],
        "status": status,
        "milliseconds": round(1000 * seconds, 2),
        "documents": environ.get(DOCUMENTS),
        "received": environ.get("CONTENT_LENGTH"),
        "sent": sent,
        "content_type": environ.get("CONTENT_TYPE", "")[:_LONGEST],
        "inference_id": environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")[:_LONGEST],
    }
    return orjson.dumps({name: value for name, value in line.items() if value not in (None, "")}) + b"\n"
