"""Small requests that are plain, whole and right, answered without a thread, a WSGI environment or a web framework.

Those take several times as long as to answer for a document. Only answers with status 200 are made here. A request that
cannot have one, or whose turn has not come, or about which there is any doubt is left alone: it goes the ordinary way
from its first byte on, so that there is one place for every refusal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from gunicorn import SERVER  # type: ignore[import-untyped]
from gunicorn.util import http_date  # type: ignore[import-untyped]
from werkzeug.exceptions import NotAcceptable

from topicdock.serving.admission import Admission
from topicdock.serving.invocation import Invocation
from topicdock.serving.plain_heads import HEAD_END, LONGEST_HEAD, Head, recognise
from topicdock.serving.requests import DOCUMENTS
from topicdock.serving.responses import CUSTOM_ATTRIBUTES, returned_attributes
from topicdock.serving.served_model import ServedModel
from topicdock.serving.together import Answered, Asked, answer_together

LARGEST_REQUEST = 1 << 16
"""Bytes of a request that may be answered at once."""

_LONG = 0.005
"""Seconds of computing for a request from which on it is too long to keep others waiting for."""

_REST = 100
"""After one that was too long no other is answered here for so many times as long."""


class Unanswered(Enum):
    """Why there is no answer."""

    INCOMPLETE = "more of the request is to come"
    ORDINARY = "the request is to go the ordinary way"


class Answer(NamedTuple):
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

    @property
    def status(self) -> int:
        """Always the same."""
        return 200


Outcome = Answer | Unanswered


class Immediate:
    """Answers for one model, or for many.

    Parameters
    ----------
    find_model : callable
        Returns the model of a name, None for the only one; or None if that takes waiting, or there is none.
    invocation : Invocation
    admission : Admission
        A request that is answered here is inside like any other.
    """

    def __init__(
        self, find_model: Callable[[str | None], ServedModel | None], invocation: Invocation, admission: Admission
    ) -> None:
        self._find_model, self._invocation, self._places = find_model, invocation, admission.places
        self._rest_until = 0.0

    def __call__(self, received: Sequence[bytes]) -> list[Outcome]:
        """Answer what has been received of requests, one from each of some clients."""
        began = time.monotonic()
        outcomes: list[Outcome] = []
        asked: list[tuple[int, Head, Asked]] = []
        for place, text in enumerate(received):
            outcome = self._look_at(text, began)
            if isinstance(outcome, tuple) and not isinstance(outcome, Answer):
                asked.append((place, *outcome))
                outcome = Unanswered.ORDINARY
            outcomes.append(outcome)
        if asked and began >= self._rest_until:
            self._invoke(asked, outcomes, began)
        return outcomes

    def _look_at(self, received: bytes, began: float) -> Outcome | tuple[Head, Asked]:
        """Return what is to become of a request, or what it asks for."""
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
        if head.method != "POST" or not head.length or (head.path != "/invocations" and head.model is None):
            return Unanswered.ORDINARY
        served = self._find_model(head.model)
        if served is None:
            return Unanswered.ORDINARY
        try:
            wanted = self._invocation.negotiate(head.headers.get("ACCEPT"))
        except NotAcceptable:
            return Unanswered.ORDINARY
        return head, Asked(served, received[size:], head.headers.get("CONTENT-TYPE"), wanted)

    def _invoke(self, asked: list[tuple[int, Head, Asked]], outcomes: list[Outcome], began: float) -> None:
        """Put the answers to requests in their places among `outcomes`."""
        inside = [one for one in asked if self._places.try_take()]
        try:
            answers = self._compute([request for _, _, request in inside], began)
        except BaseException:
            for _ in inside:
                self._places.give_back()
            raise
        for (place, head, request), answer in zip(inside, answers, strict=True):
            if answer is None:
                self._places.give_back()
            else:
                content, documents = answer
                content_type, release = request.wanted.response_type, self._places.give_back
                outcomes[place] = _make_answer(head, content_type, content, documents, began, release)

    def _compute(self, requests: list[Asked], began: float) -> list[Answered | None]:
        turn = self._invocation.turn
        if not requests or not turn.try_take():
            return [None] * len(requests)
        # Of this thread, and not of the clock: it may have had to wait for a processor.
        computing = time.thread_time()
        try:
            return answer_together(requests)
        finally:
            turn.give_up()
            took = time.thread_time() - computing
            if took > _LONG * len(requests):
                self._rest_until = began + _REST * took


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
    environ = {**head.environ, DOCUMENTS: documents}
    return Answer(lines.encode("ascii") + content, len(content), environ, began, release)


@lru_cache(maxsize=8)
def _first_lines(second: int, content_type: str) -> str:
    return (
        f"HTTP/1.1 200 OK\r\nServer: {SERVER}\r\nDate: {http_date(second)}\r\nConnection: keep-alive\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: "
    )
