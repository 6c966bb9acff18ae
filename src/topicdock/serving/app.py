"""The HTTP service of one fitted topic model, or of many, as SageMaker asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import orjson
from flask import Flask, Request, Response, request

from topicdock.serving.admission import Admission
from topicdock.serving.failures import answer_error
from topicdock.serving.immediate import Immediate
from topicdock.serving.invocation import Invocation
from topicdock.serving.metrics import CONTENT_TYPE, Counters
from topicdock.serving.models_api import add_models
from topicdock.serving.registry import ModelNotLoadedError, Registry
from topicdock.serving.responses import CUSTOM_ATTRIBUTES, returned_attributes
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import LARGEST_TRANSFORM_PAYLOAD, MEGABYTE, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADMITTED = 16
"""Requests inside a process at once: reading, waiting for their turn, computing or writing. Others get 503."""

UNCOUNTED = frozenset({"/ping", "/execution-parameters", "/metrics"})
"""Paths that are answered at once, however many requests are inside."""


class Application(Flask):
    """The WSGI application, and what answers small requests without it.

    Attributes
    ----------
    immediate : Immediate
    """

    immediate: Immediate


class _PlainResponse(Response):
    default_mimetype = "text/plain"  # of empty answers too, and of those that Flask makes itself


def create_app(models: ServedModel | Registry, settings: Settings, counters: Counters | None = None) -> Application:
    """Return the WSGI application that serves one model, or those of a registry by name.

    ``GET /ping`` says that it can answer, ``POST /invocations`` answers, ``GET /execution-parameters`` tells batch
    transform how to send, ``GET /`` shows the model to people if that is wanted. A registry is answered for below
    ``/models`` instead. With counters, ``GET /metrics`` shows them.
    """
    app = Application("topicdock", static_folder=None)
    app.response_class = _PlainResponse
    invocation = Invocation(settings)

    @app.get("/ping")
    def ping() -> Response:
        return _PlainResponse(status=200)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(orjson.dumps(plan_transform(settings)), mimetype="application/json")

    @app.post("/invocations")
    def invocations() -> Response:
        if isinstance(models, Registry):
            raise ModelNotLoadedError("This service answers for models by name: POST /models/<name>/invoke.")
        return invocation(request, lambda: models)

    if isinstance(models, Registry):
        add_models(app, models, invocation, settings)
    else:
        if settings.page:
            _add_page(app, models, invocation)
        directly = _answer_directly(app.wsgi_app, models, invocation)
        app.wsgi_app = directly  # type: ignore[assignment, method-assign]
    if counters is not None:
        _add_metrics(app, models, counters)
    app.after_request(lambda response: _return_custom_attributes(request, response))
    app.register_error_handler(Exception, lambda error: answer_error(error, request))
    admission = Admission(app.wsgi_app, UNCOUNTED, ADMITTED, answer_error)
    app.wsgi_app = admission  # type: ignore[method-assign]
    app.immediate = Immediate(partial(_find_at_once, models), invocation, admission)
    return app


def _find_at_once(models: ServedModel | Registry, name: str | None) -> ServedModel | None:
    """Return the model of a name, None for the only one; None if that takes waiting, or there is none."""
    if isinstance(models, Registry):
        return None if name is None else models.find_mapped(name)
    return models if name is None else None


def _answer_directly(app: WSGIApplication, served: ServedModel, invocation: Invocation) -> WSGIApplication:
    """Answer invocations without what Flask does around a view: it takes longer than to answer for one document."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/invocations" or environ.get("REQUEST_METHOD") != "POST":
            return app(environ, start_response)
        request = Request(environ)
        try:
            response = invocation(request, lambda: served)
        except Exception as error:  # noqa: BLE001 - becomes an answer, as any that Flask catches
            response = answer_error(error, request)
        return _return_custom_attributes(request, response)(environ, start_response)

    return answer


def _add_page(app: Flask, served: ServedModel, invocation: Invocation) -> None:
    @app.get("/")
    def page() -> Response:
        with invocation.turn.taken():
            shown = served.page
        headers = {"Content-Security-Policy": shown.policy, "X-Content-Type-Options": "nosniff"}
        return Response(shown.content, content_type="text/html; charset=utf-8", headers=headers)


def _add_metrics(app: Flask, models: ServedModel | Registry, counters: Counters) -> None:
    @app.get("/metrics")
    def metrics() -> Response:
        loaded = models.count() if isinstance(models, Registry) else 1
        return Response(counters.show(loaded), content_type=CONTENT_TYPE)


def plan_transform(settings: Settings) -> dict[str, int]:
    """Return the execution parameters: as many requests at once as there are workers, and as large as then allowed.

    The strategy is left out, which means MultiRecord. SageMaker documents it here as MULTI_RECORD, a word that the
    local mode of its SDK refuses.
    """
    concurrent = min(settings.workers, LARGEST_TRANSFORM_PAYLOAD)
    payload = min(settings.body_limit // MEGABYTE, LARGEST_TRANSFORM_PAYLOAD // concurrent)
    # 0 would mean no limit.
    return {"MaxConcurrentTransforms": concurrent, "MaxPayloadInMB": max(payload, 1)}


def _return_custom_attributes(request: Request, response: Response) -> Response:
    attributes = returned_attributes(request.headers.get(CUSTOM_ATTRIBUTES, ""))
    if attributes:
        response.headers[CUSTOM_ATTRIBUTES] = attributes
    return response
