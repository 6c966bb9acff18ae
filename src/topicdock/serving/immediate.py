"""Small requests that are plain, whole and right, answered without a thread, a WSGI environment or a web framework.

Those take several times as long as to answer for a document. Only answers with status 200 are made here. A request that
cannot have one, or whose turn has not come, or about which there is any doubt is left alone: it goes the ordinary way
from its first byte on, so that there is one place for every refusal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from gunicorn import SERVER  # type: ignore[import-untyped]
from gunicorn.util import http_date  # type: ignore[import-untyped]

from topicdock.serving.admission import Admission
from topicdock.serving.invocation import Invocation, write_answer
from topicdock.serving.plain_heads import HEAD_END, LONGEST_HEAD, Head, recognise
from topicdock.serving.requests import DOCUMENTS, decode_documents
from topicdock.serving.responses import CUSTOM_ATTRIBUTES, returned_attributes
from topicdock.serving.served_model import ServedModel

LARGEST_REQUEST = 1 << 16
"""Bytes of a request that may be answered at once."""

_LONG = 0.005
"""Seconds of computing from which on a request is too long to keep others waiting for."""

_REST = 100
"""After one that was too long no other is answered here for so many times as long."""

_logger = logging.getLogger(__name__)


class Unanswered(Enum):
    """Why there is no answer."""

    INCOMPLETE = "more of the request is to come"
    ORDINARY = "the request is to go the ordinary way"


@dataclass(frozen=True)
class Answer:
    """An answer, and what is logged of it.

    Attributes
    ----------
    content : bytes
        Head and body.
    sent : int
        Bytes of the body.
    environ : mapping
        What there would be in a WSGI environment, as far as it is logged.
    began : float
        By time.monotonic().
    release : callable
        To be called once the answer is sent, or cannot be.
    """

    content: bytes
    sent: int
    environ: dict[str, Any]
    began: float
    release: Callable[[], None]

    status = 200


class Immediate:
    """Answers for one model.

    Parameters
    ----------
    served : ServedModel
    invocation : Invocation
    admission : Admission
        A request that is answered here is inside like any other.
    """

    def __init__(self, served: ServedModel, invocation: Invocation, admission: Admission) -> None:
        self._served, self._invocation, self._admission = served, invocation, admission
        self._rest_until = 0.0

    def __call__(self, received: bytes) -> Answer | Unanswered:
        """Answer what has been received of a request."""
        began = time.monotonic()
        size = received.find(HEAD_END, 0, LONGEST_HEAD) + len(HEAD_END)
        head = recognise(received[:size]) if size >= len(HEAD_END) else None
        if head is None or size + head.length > LARGEST_REQUEST:
            return Unanswered.ORDINARY
        if len(received) < size + head.length:
            return Unanswered.INCOMPLETE
        if len(received) > size + head.length:
            return Unanswered.ORDINARY
        if head.method == "GET" and head.path == "/ping" and not head.length:
            return _make_answer(head, "text/plain; charset=utf-8", b"", None, began, _nothing)
        if head.method != "POST" or head.path != "/invocations" or not head.length:
            return Unanswered.ORDINARY
        return self._invoke(head, received[size:], began)

    def _invoke(self, head: Head, body: bytes, began: float) -> Answer | Unanswered:
        places, turn = self._admission.places, self._invocation.turn
        if began < self._rest_until or not places.acquire(blocking=False):
            return Unanswered.ORDINARY
        answer = None
        if turn.try_take():
            # Of this thread, and not of the clock: it may have had to wait for a processor.
            computing = time.thread_time()
            try:
                answer = self._compute(head, body, began)
            except Exception as error:  # noqa: BLE001 - the ordinary way meets it again, and says so
                _logger.debug("A request is not answered at once: %r", error)
            finally:
                turn.give_up()
            took = time.thread_time() - computing
            if took > _LONG:
                self._rest_until = began + _REST * took
        if answer is None:
            places.release()
            return Unanswered.ORDINARY
        return answer

    def _compute(self, head: Head, body: bytes, began: float) -> Answer:
        wanted = self._invocation.negotiate(head.headers.get("ACCEPT"))
        documents = decode_documents(body, head.headers.get("CONTENT-TYPE"), self._served)
        content = write_answer(self._served, documents, wanted)
        number, release = documents.counts.shape[0], self._admission.places.release
        return _make_answer(head, wanted.response_type, content, number, began, release)


def _nothing() -> None:
    """Release nothing: who did not need a place holds none."""


def _make_answer(
    head: Head, content_type: str, content: bytes, documents: int | None, began: float, release: Callable[[], None]
) -> Answer:
    lines = _first_lines(int(time.time()), content_type)
    attributes = returned_attributes(head.headers.get(CUSTOM_ATTRIBUTES.upper(), ""))
    if attributes:
        lines = f"{lines}{len(content)}\r\n{CUSTOM_ATTRIBUTES}: {attributes}\r\n\r\n"
    else:
        lines = f"{lines}{len(content)}\r\n\r\n"
    return Answer(lines.encode("ascii") + content, len(content), _describe(head, documents), began, release)


@lru_cache(maxsize=8)
def _first_lines(second: int, content_type: str) -> str:
    return (
        f"HTTP/1.1 200 OK\r\nServer: {SERVER}\r\nDate: {http_date(second)}\r\nConnection: keep-alive\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: "
    )


def _describe(head: Head, documents: int | None) -> dict[str, Any]:
    headers: Mapping[str, str] = head.headers
    return {
        "REQUEST_METHOD": head.method,
        "PATH_INFO": head.path,
        DOCUMENTS: documents,
        "CONTENT_LENGTH": headers.get("CONTENT-LENGTH"),
        "CONTENT_TYPE": headers.get("CONTENT-TYPE", ""),
        "HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID": headers.get("X-AMZN-SAGEMAKER-INFERENCE-ID", ""),
    }
