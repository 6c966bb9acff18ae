"""What a request is answered when it cannot be answered: a status and one plain line."""

from __future__ import annotations

import logging

from flask import Request, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from topicdock.corpus import UnsupportedMediaTypeError
from topicdock.errors import CustomerError

LONGEST_MESSAGE = 2048
"""Characters of an error that SageMaker hands on to the client (ModelError.OriginalMessage)."""

_PLACES = "The service answers GET /ping, GET /execution-parameters and POST /invocations."
_logger = logging.getLogger(__name__)


def answer_error(error: Exception, request: Request | None = None) -> Response:
    """Turn any exception into its status and one plain line; the only place that does.

    What is not the client's mistake is told to the log, whole, and to the client not at all.
    """
    if isinstance(error, UnsupportedMediaTypeError):
        return _one_line(415, f"Customer Error: {error}")
    if isinstance(error, CustomerError):
        return _one_line(400, f"Customer Error: {error}")
    if isinstance(error, HTTPException) and error.code is not None:
        generic = type(error) in (NotFound, MethodNotAllowed)
        response = _one_line(error.code, f"{error.name}. {_PLACES}" if generic else error.description or error.name)
        for name, value in error.get_response().headers:
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response
    place = ("", "") if request is None else (request.method, ascii(request.path))
    _logger.error("A request failed: %s %s", *place, exc_info=error)
    return _one_line(500, "Internal error: the request could not be answered; the log of the service says why.")


def _one_line(status: int, message: str) -> Response:
    line = " ".join(message.split())
    # Bytes of the request may be quoted in it: no control characters, and no half characters.
    printable = "".join(character if character.isprintable() else "?" for character in line)
    if len(printable) > LONGEST_MESSAGE:
        printable = printable[: LONGEST_MESSAGE - 3] + "..."
    return Response(printable.encode("utf-8", "replace"), status=status, content_type="text/plain; charset=utf-8")
