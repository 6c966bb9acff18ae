"""The HTTP service of one fitted topic model, as SageMaker asks for it."""

from __future__ import annotations

import logging

import numpy as np
import orjson
from flask import Flask, Response, request
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import HTTPException, NotAcceptable, RequestEntityTooLarge

from topicdock.corpus import UnsupportedMediaTypeError
from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.serving.admission import Admission, Turn
from topicdock.serving.requests import decode_documents, decompress, read_body
from topicdock.serving.responses import ENCODERS, RESPONSE_TYPES, choose_response_type
from topicdock.serving.settings import LARGEST_TRANSFORM_PAYLOAD, MEGABYTE, Settings

LONGEST_MESSAGE = 2048
"""Characters of an error that SageMaker hands on to the client (ModelError.OriginalMessage)."""

ADMITTED = 16
"""Invocations inside a process at once: reading, waiting for their turn, computing or writing. Others get 503."""

LARGEST_ANSWER = 1 << 25
"""Topic proportions of one response, documents times topics: about 400 MB of JSON, and as much again to make it."""

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_LONGEST_ATTRIBUTES = 1024

_logger = logging.getLogger(__name__)


class _PlainResponse(Response):
    default_mimetype = "text/plain"  # of empty answers too, and of those that Flask makes itself


def create_app(model: TopicModel, settings: Settings) -> Flask:
    """Return the WSGI application that serves `model`.

    ``GET /ping`` says that it can answer, ``POST /invocations`` answers, ``GET /execution-parameters`` tells batch
    transform how to send.
    """
    app = Flask("topicdock", static_folder=None)
    app.response_class = _PlainResponse
    turn = Turn(settings.timeout)

    @app.get("/ping")
    def ping() -> Response:
        return _PlainResponse(status=200)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(orjson.dumps(plan_transform(settings)), mimetype="application/json")

    @app.post("/invocations")
    def invocations() -> Response:
        response_type = _negotiate(request.headers.get("Accept"), settings)
        body = read_body(request.stream, settings.body_limit, settings.timeout, request.content_length)
        if not body:
            return _PlainResponse(status=204)
        with turn.taken():
            body = decompress(body, request.headers.get("Content-Encoding", ""), settings.body_limit)
            if not body:
                return _PlainResponse(status=204)
            counts = decode_documents(body, request.headers.get("Content-Type"), model.feature_dim)
            answer = ENCODERS[response_type](model.response_key, transform(model, counts))
        return Response(answer, content_type=response_type)

    app.after_request(_return_custom_attributes)
    app.register_error_handler(Exception, answer_error)
    app.wsgi_app = Admission(app.wsgi_app, "/invocations", ADMITTED, answer_error)  # type: ignore[method-assign]
    return app


def transform(model: TopicModel, counts: csr_matrix) -> NDArray[np.float32]:
    """Return the model's topic proportions of `counts`, shape (D, K), every one of them finite.

    Raises
    ------
    CustomerError
        A document's counts are so large that the model's arithmetic overflows.
    RequestEntityTooLarge
        So many documents that the answer would not fit into memory; a few bytes can ask for a document.
    """
    if counts.shape[0] * model.num_topics > LARGEST_ANSWER:
        most = LARGEST_ANSWER // model.num_topics
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


def plan_transform(settings: Settings) -> dict[str, int | str]:
    """Return the execution parameters: as many requests at once as there are workers, and as large as then allowed."""
    concurrent = min(settings.workers, LARGEST_TRANSFORM_PAYLOAD)
    payload = min(settings.body_limit // MEGABYTE, LARGEST_TRANSFORM_PAYLOAD // concurrent)
    # 0 would mean no limit.
    return {
        "MaxConcurrentTransforms": concurrent,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": max(payload, 1),
    }


def answer_error(error: Exception) -> Response:
    """Turn any exception into its status and one plain line; the only place that does.

    What is not the client's mistake is told to the log, whole, and to the client not at all.
    """
    if isinstance(error, UnsupportedMediaTypeError):
        return _one_line(415, f"Customer Error: {error}")
    if isinstance(error, CustomerError):
        return _one_line(400, f"Customer Error: {error}")
    if isinstance(error, HTTPException) and error.code is not None:
        places = " The service answers GET /ping, GET /execution-parameters and POST /invocations."
        message = error.description or error.name
        response = _one_line(error.code, error.name + "." + places if error.code in (404, 405) else message)
        for name, value in error.get_response().headers:
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response
    _logger.error("A request failed: %s %s", request.method, ascii(request.path), exc_info=error)
    return _one_line(500, "Internal error: the request could not be answered; the log of the service says why.")


def _one_line(status: int, message: str) -> Response:
    line = " ".join(message.split())
    # Bytes of the request may be quoted in it: no control characters, and no half characters.
    printable = "".join(character if character.isprintable() else "?" for character in line)
    if len(printable) > LONGEST_MESSAGE:
        printable = printable[: LONGEST_MESSAGE - 3] + "..."
    return Response(printable.encode("utf-8", "replace"), status=status, content_type="text/plain; charset=utf-8")


def _negotiate(accept: str | None, settings: Settings) -> str:
    chosen = choose_response_type(accept, settings.default_accept)
    if chosen is None and settings.strict_accept:
        raise NotAcceptable(
            f"Nothing that the Accept header asks for can be sent; allowed: {', '.join(RESPONSE_TYPES)}."
        )
    # The built-in algorithms answer their default type to any Accept that they do not know.
    return chosen or settings.default_accept


def _return_custom_attributes(response: Response) -> Response:
    attributes = request.headers.get(CUSTOM_ATTRIBUTES, "")
    # SageMaker allows visible ASCII only; anything else was not its doing and is not handed back.
    if attributes and len(attributes) <= _LONGEST_ATTRIBUTES and attributes.isascii() and attributes.isprintable():
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
