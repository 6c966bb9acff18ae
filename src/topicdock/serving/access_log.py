"""The access log: a line of JSON for each request, with no prefix, so that readers of logs find its fields."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from topicdock.serving.requests import DOCUMENTS

_LONGEST = 300
"""Characters of what a client sent that a line repeats."""

_logger = logging.getLogger("topicdock.access")


def open_access_log(wanted: bool) -> None:
    """Send the access log to standard output, or nowhere."""
    _logger.propagate = False
    _logger.handlers.clear()
    _logger.addHandler(logging.StreamHandler(sys.stdout) if wanted else logging.NullHandler())
    _logger.setLevel(logging.INFO if wanted else logging.CRITICAL)


def log_request(environ: dict[str, Any], status: int, sent: int, seconds: float) -> None:
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
    path = environ.get("PATH_INFO", "")
    if not _logger.isEnabledFor(logging.INFO) or (path == "/ping" and status == 200):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": environ.get("REQUEST_METHOD"),
        "path": path[:_LONGEST],
        "status": status,
        "milliseconds": round(1000 * seconds, 2),
        "documents": environ.get(DOCUMENTS),
        "received": environ.get("CONTENT_LENGTH"),
        "sent": sent,
        "content_type": environ.get("CONTENT_TYPE", "")[:_LONGEST],
        "inference_id": environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")[:_LONGEST],
    }
    _logger.info(orjson.dumps({name: value for name, value in line.items() if value not in (None, "")}).decode())
