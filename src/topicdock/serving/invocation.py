"""One invocation: from a request's body to the topic proportions in its answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from flask import Request, Response
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import NotAcceptable, RequestEntityTooLarge

from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.serving.admission import Turn
from topicdock.serving.explanation import SIZE, explain
from topicdock.serving.requests import DOCUMENTS, decode_documents, decompress, read_body
from topicdock.serving.responses import ENCODERS, NOTHING, RESPONSE_TYPES, choose_response_type, wants_explanation
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings

LARGEST_ANSWER = 1 << 25
"""Topic proportions of one response, documents times topics: about 400 MB of JSON, and as much again to make it."""


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

    def __call__(self, request: Request, find_model: Callable[[], ServedModel]) -> Response:
        """Answer a request with the model that `find_model` returns when its turn has come."""
        settings = self._settings
        accept = request.headers.get("Accept")
        response_type = _negotiate(accept, settings)
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
            explained = wants_explanation(accept, response_type)
            theta = transform(served.model, documents.counts, SIZE if explained else 0)
            extras = explain(served, documents.counts, theta, documents.unknown_words) if explained else NOTHING
            answer = ENCODERS[response_type](served.model.response_key, theta, extras)
        return Response(answer, content_type=response_type)


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
    finite = np.isfinite(theta).all(axis=1)
    if not finite.all():
        raise CustomerError(
            "the counts are too large for the model to tell topic proportions",
            where=f"document {int(np.argmin(finite)) + 1}",
            todo="send the number of times each word occurs in the document",
        )
    return theta


def _negotiate(accept: str | None, settings: Settings) -> str:
    chosen = choose_response_type(accept, settings.default_accept)
    if chosen is None and settings.strict_accept:
        raise NotAcceptable(
            f"Nothing that the Accept header asks for can be sent; allowed: {', '.join(RESPONSE_TYPES)}."
        )
    # The built-in algorithms answer their default type to any Accept that they do not know.
    return chosen or settings.default_accept
