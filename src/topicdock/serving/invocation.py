"""One invocation: from a request's body to the topic proportions in its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flask import Request, Response
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import NotAcceptable, RequestEntityTooLarge

from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.serving.admission import Turn
from topicdock.serving.explanation import SIZE, explain
from topicdock.serving.requests import DOCUMENTS, Documents, decode_documents, decompress, read_body
from topicdock.serving.responses import ENCODERS, NOTHING, RESPONSE_TYPES, choose_response_type, wants_explanation
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings

LARGEST_ANSWER = 1 << 25
"""Topic proportions of one response, documents times topics: about 400 MB of JSON, and as much again to make it."""


MOST_REMEMBERED = 64
"""Accept headers whose meaning is remembered; clients send the same few again and again."""


@dataclass(frozen=True)
class Wanted:
    """What is to be sent: the response type, and whether answers are to be explained."""

    response_type: str
    explained: bool


class Invocation:
    """Answers the requests of one process, one at a time; whatever the model, its callers say which.

    Attributes
    ----------
    turn : Turn
        Whoever computes has it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.turn = Turn(settings.timeout)
        self._negotiated: dict[str | None, Wanted] = {}

    def __call__(self, request: Request, find_model: Callable[[], ServedModel]) -> Response:
        """Answer a request with the model that `find_model` returns when its turn has come."""
        settings = self._settings
        wanted = self.negotiate(request.headers.get("Accept"))
        body = read_body(request.stream, settings.body_limit, settings.timeout, request.content_length)
        if not body:
            return Response(status=204, mimetype="text/plain")
        with self.turn.taken():
            served = find_model()
            body = decompress(body, request.headers.get("Content-Encoding", ""), settings.body_limit)
            if not body:
                return Response(status=204, mimetype="text/plain")
            documents = decode_documents(body, request.headers.get("Content-Type"), served)
            request.environ[DOCUMENTS] = documents.counts.shape[0]
            answer = write_answer(served, documents, wanted)
        return Response(answer, content_type=wanted.response_type)

    def negotiate(self, accept: str | None) -> Wanted:
        """Return what an Accept header asks for, or raise NotAcceptable."""
        wanted = self._negotiated.get(accept)
        if wanted is None:
            wanted = self._negotiate(accept)
            if len(self._negotiated) < MOST_REMEMBERED:
                self._negotiated[accept] = wanted
        return wanted

    def _negotiate(self, accept: str | None) -> Wanted:
        settings = self._settings
        chosen = choose_response_type(accept, settings.default_accept)
        if chosen is None and settings.strict_accept:
            raise NotAcceptable(
                f"Nothing that the Accept header asks for can be sent; allowed: {', '.join(RESPONSE_TYPES)}."
            )
        # The built-in algorithms answer their default type to any Accept that they do not know.
        response_type = chosen or settings.default_accept
        return Wanted(response_type, wants_explanation(accept, response_type))


def write_answer(served: ServedModel, documents: Documents, wanted: Wanted) -> bytes:
    """Return the body of the answer for documents; raises as :func:`transform` does."""
    counts = documents.counts
    theta = transform(served.model, counts, SIZE if wanted.explained else 0)
    extras = explain(served, counts, theta, documents.unknown_words) if wanted.explained else NOTHING
    return ENCODERS[wanted.response_type](served.model.response_key, theta, extras)


def transform(model: TopicModel, counts: csr_matrix, extra: int = 0) -> NDArray[np.float32]:
    """Return the model's topic proportions of `counts`, shape (D, K), every one of them finite.

    `extra` is what an answer holds for each document beside them, in proportions.

    Raises
    ------
    CustomerError
        A document's counts are so large that the model's arithmetic overflows.
    RequestEntityTooLarge
        So many documents that the answer would not fit into memory; a few bytes can ask for a document.
    """
    size = model.num_topics + extra
    if counts.shape[0] * size > LARGEST_ANSWER:
        most = LARGEST_ANSWER // size
        raise RequestEntityTooLarge(
            f"The request has {counts.shape[0]} documents; at most {most} are answered at once."
        )
    with np.errstate(all="ignore"):  # what overflows shows in the result, which is checked
        theta = model.transform(counts)
    if not np.isfinite(theta).all():
        finite = np.isfinite(theta).all(axis=1)
        raise CustomerError(
            "the counts are too large for the model to tell topic proportions",
            where=f"document {int(np.argmin(finite)) + 1}",
            todo="send the number of times each word occurs in the document",
        )
    return theta
