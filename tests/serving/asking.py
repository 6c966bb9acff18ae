"""Requests to the application without a server, and what every refusal looks like."""

from __future__ import annotations

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from .malformed import JSON


def assert_plain_line(response: TestResponse, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.mimetype == "text/plain"
    assert "\n" not in response.text
    assert "Traceback" not in response.text
    assert 0 < len(response.text) <= 2048
    return response.text


def post(client: FlaskClient, body: bytes, content_type: str | None = JSON, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, content_type=content_type, headers=named, buffered=True)
