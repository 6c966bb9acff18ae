"""What SageMaker asks of the container of a multi-model endpoint: load, list, describe, unload and invoke by name."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from flask import Flask, Response, request

from topicdock.errors import CustomerError
from topicdock.serving.invocation import Invocation
from topicdock.serving.registry import Registry
from topicdock.serving.requests import read_body
from topicdock.serving.settings import Settings
from topicdock.serving.spool import Card

PAGE = 100
"""Models of one page of the list."""

LONGEST_NAME = 1024
_LARGEST_ORDER = 1 << 16
"""Bytes of a request to load a model."""


def add_models(app: Flask, registry: Registry, invocation: Invocation, settings: Settings) -> None:
    """Let `app` answer below ``/models``."""
    # A model's name may hold any character, slashes among them, however many in a row.
    app.url_map.merge_slashes = False

    @app.post("/models")
    def load() -> Response:
        card = parse_order(read_body(request.stream, _LARGEST_ORDER, settings.timeout, request.content_length))
        with invocation.turn.taken():
            registry.load(card)
        return _answer(_show(card))

    @app.get("/models")
    def list_models() -> Response:
        cards = registry.list(parse_token(request.args.get("next_page_token", "")), PAGE + 1)
        page: dict[str, Any] = {"models": [_show(card) for card in cards[:PAGE]]}
        if len(cards) > PAGE:
            page["nextPageToken"] = make_token(cards[PAGE - 1].name)
        return _answer(page)

    @app.get("/models/<path:name>")
    def describe(name: str) -> Response:
        return _answer(_show(registry.describe(name)))

    @app.delete("/models/<path:name>")
    def unload(name: str) -> Response:
        card = registry.describe(name)
        registry.unload(name)
        return _answer(_show(card))

    @app.post("/models/<path:name>/invoke")
    def invoke(name: str) -> Response:
        return invocation(request, lambda: registry.find(name))


def parse_order(body: bytes) -> Card:
    """Return what ``POST /models`` asks to load.

    Raises
    ------
    CustomerError
        The body is not ``{"model_name": ..., "url": ...}``.
    """
    allowed = '{"model_name": "...", "url": "/folder/of/the/model"}'
    try:
        order = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CustomerError("the request to load a model is not JSON", got=str(error), allowed=allowed) from error
    name, url = (order.get(key) for key in ("model_name", "url")) if isinstance(order, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(url, str):
        raise CustomerError("the request to load a model lacks model_name or url, as text", allowed=allowed)
    if not 0 < len(name) <= LONGEST_NAME:
        raise CustomerError(
            "a model cannot be named so", got=f"{len(name)} characters", allowed=f"1 to {LONGEST_NAME} characters"
        )
    if not url or "\0" in url:
        raise CustomerError("the url of a model must be a folder", got=repr(url)[:200], allowed=allowed)
    return Card(name, url)


def make_token(name: str) -> str:
    """Return the token of the page behind the model `name`, whether or not that is still loaded then."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def parse_token(token: str) -> str:
    """Return the name that :func:`make_token` was given; no token begins the list.

    Raises
    ------
    CustomerError
        The service never gave this token.
    """
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise CustomerError(
            "next_page_token is none that this service gave", got=repr(token)[:100], todo="begin the list anew"
        ) from error


def _show(card: Card) -> dict[str, str]:
    return {"modelName": card.name, "modelUrl": card.url}


def _answer(content: Any) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
