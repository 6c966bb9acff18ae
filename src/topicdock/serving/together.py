"""Small invocations that are answered together: what numpy takes for a call, it takes once for all of them.

Every answer is to the bit what its request gets alone, as a model's answer for a document does not depend on the
documents beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from topicdock.corpus import JSON, decode_json_requests
from topicdock.serving.invocation import Wanted, transform, write_answer
from topicdock.serving.requests import decode_documents, recognise_type
from topicdock.serving.responses import ENCODERS
from topicdock.serving.served_model import ServedModel
from topicdock.serving.texts import may_hold_texts

LARGEST_JOINED = 1 << 13
"""Bytes of a body from which on there is little to gain."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for topic proportions."""

    served: ServedModel
    body: bytes
    content_type: str | None
    wanted: Wanted


Answered = tuple[bytes, int]
"""The body of an answer, and how many documents it is for."""


def answer_together(asked: Sequence[Asked]) -> list[Answered | None]:
    """Answer requests in their order; None for each that cannot be answered, for whatever reason."""
    answers: list[Answered | None] = [None] * len(asked)
    joined: dict[ServedModel, list[int]] = {}
    for place, request in enumerate(asked):
        if _can_be_joined(request):
            joined.setdefault(request.served, []).append(place)
    for served, places in joined.items():
        for place, answer in zip(places, _answer_joined(served, [asked[place] for place in places]), strict=False):
            answers[place] = answer
    return [answer or _answer_alone(request) for answer, request in zip(answers, asked, strict=True)]


def _can_be_joined(request: Asked) -> bool:
    if len(request.body) > LARGEST_JOINED or request.wanted.explained or not request.content_type:
        return False
    return recognise_type(request.content_type).name == JSON and not may_hold_texts(request.body)


def _answer_joined(served: ServedModel, requests: Sequence[Asked]) -> list[Answered]:
    """Answer JSON requests of sparse documents; no answers at all if there is anything unusual about any of them."""
    try:
        decoded = decode_json_requests([request.body for request in requests], served.model.feature_dim)
        if decoded is None:
            return []
        counts, numbers = decoded
        theta = transform(served.model, counts)
        borders = pairwise(accumulate(numbers, initial=0))
        return [
            (ENCODERS[request.wanted.response_type](served.model.response_key, theta[start:end]), end - start)
            for request, (start, end) in zip(requests, borders, strict=True)
        ]
    except Exception as error:  # noqa: BLE001 - whose request it was shows when each is answered alone
        _logger.debug("Requests are not answered together: %r", error)
        return []


def _answer_alone(request: Asked) -> Answered | None:
    try:
        documents = decode_documents(request.body, request.content_type, request.served)
        return write_answer(request.served, documents, request.wanted), documents.counts.shape[0]
    except Exception as error:  # noqa: BLE001 - the ordinary way meets it again, and says so
        _logger.debug("A request is not answered at once: %r", error)
        return None
