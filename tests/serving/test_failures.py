"""Limits, clients that stall, and failures of ours."""

from __future__ import annotations

import gzip
import io
import logging
import threading
import time
import zlib
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.test import TestResponse

from topicdock.errors import AlgorithmError, CustomerError
from topicdock.model import NeuralTopicModel
from topicdock.serving.app import create_app
from topicdock.serving.failures import answer_error
from topicdock.serving.requests import decompress
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import MEGABYTE, Settings

from .asking import assert_plain_line, post
from .malformed import CSV, ROW
from .reading import read_json


def test_a_gzip_body_is_decompressed_first(client: FlaskClient, model: NeuralTopicModel) -> None:
    members = gzip.compress(ROW) + gzip.compress(b"\n" + ROW)
    answer = read_json(post(client, members, CSV, Content_Encoding="gzip").data)
    np.testing.assert_allclose(answer, model.transform(csr_matrix(np.ones((2, 40), np.float32))), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"not gzip", 400, id="no gzip"),
        pytest.param(gzip.compress(ROW)[:-9], 400, id="cut short"),
        pytest.param(gzip.compress(ROW)[:-8] + bytes(8), 400, id="wrong checksum"),
        pytest.param(gzip.compress(ROW) + b"rest", 400, id="something behind it"),
        pytest.param(zlib.compress(ROW), 400, id="zlib"),
        pytest.param(gzip.compress(bytes(2 * MEGABYTE)), 413, id="a bomb"),
        pytest.param(gzip.compress(ROW) + gzip.compress(bytes(2 * MEGABYTE)), 413, id="a bomb behind a document"),
    ],
)
def test_a_gzip_body_that_is_broken_or_too_large_is_refused(model: NeuralTopicModel, body: bytes, status: int) -> None:
    client = create_app(ServedModel(model), Settings(body_limit=MEGABYTE)).test_client()
    assert_plain_line(post(client, body, CSV, Content_Encoding="gzip"), status)


def test_a_gzip_body_of_many_empty_members_is_unpacked_in_a_moment(client: FlaskClient) -> None:
    started = time.monotonic()
    response = post(client, gzip.compress(b"") * 100_000 + gzip.compress(ROW), CSV, Content_Encoding="gzip")
    assert response.status_code == 200, response.text
    assert time.monotonic() - started < 3  # 8 seconds if each member copies what follows it


def test_a_gzip_member_of_any_length_is_unpacked_whole() -> None:
    for length in (0, 1, 1023, 1024, 5000, MEGABYTE):
        content = np.random.default_rng(length).bytes(length)
        assert decompress(gzip.compress(content) + gzip.compress(b"end"), "gzip", 2 * MEGABYTE) == content + b"end"
        assert decompress(gzip.compress(content), "x-gzip", length) == content


def test_a_gzip_body_of_nothing_is_204_as_an_empty_body(client: FlaskClient) -> None:
    response = post(client, gzip.compress(b""), CSV, Content_Encoding="gzip")
    assert (response.status_code, response.data) == (204, b"")


def test_a_content_encoding_that_is_not_known_is_415(client: FlaskClient) -> None:
    assert "gzip, identity" in assert_plain_line(post(client, ROW, CSV, Content_Encoding="br"), 415)


class BrokenModel(NeuralTopicModel):
    def __init__(self, whole: NeuralTopicModel, error: Exception | None) -> None:
        super().__init__(whole.arrays, whole.metadata)
        self._error = error

    def transform(self, counts: csr_matrix) -> NDArray[np.float32]:
        if self._error is not None:
            raise self._error
        theta = super().transform(counts)
        theta[-1] = np.nan
        return theta


@pytest.mark.parametrize("error", [RuntimeError("secret"), AlgorithmError("secret"), MemoryError("secret")])
def test_a_failure_of_ours_is_500_without_internals_and_the_log_has_all_of_it(
    model: NeuralTopicModel, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    client = create_app(ServedModel(BrokenModel(model, error)), Settings()).test_client()
    with caplog.at_level(logging.ERROR):
        line = assert_plain_line(post(client, ROW, CSV), 500)
    assert "secret" not in line
    assert "secret" in caplog.text
    assert "Traceback" in caplog.text


def test_topic_proportions_that_are_not_finite_are_never_sent(model: NeuralTopicModel) -> None:
    client = create_app(ServedModel(BrokenModel(model, None)), Settings()).test_client()
    assert "document 2" in assert_plain_line(post(client, ROW + b"\n" + ROW, CSV), 400)


def test_counts_as_large_as_a_float32_holds_get_an_answer_or_a_400(client: FlaskClient) -> None:
    response = post(client, b",".join([b"3e38"] * 40), CSV)
    assert response.status_code in (200, 400), response.text


def test_more_documents_than_can_be_answered_at_once_are_413(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topicdock.serving.invocation.LARGEST_ANSWER", 9)
    assert post(client, ROW, CSV).status_code == 200
    assert "2 documents; at most 1 " in assert_plain_line(post(client, ROW + b"\n" + ROW, CSV), 413)


def test_an_error_line_is_at_most_2048_characters_and_printable() -> None:
    response = answer_error(CustomerError("x" * 5000, got="\x00\x1b[31m\ud800\r\nSet-Cookie: y"))
    assert len(response.get_data(as_text=True)) == 2048
    short = answer_error(CustomerError("wrong", got="\x00\x1b[31m\ud800\r\nSet-Cookie: y")).get_data(as_text=True)
    assert short == "Customer Error: wrong; got: ??[31m? Set-Cookie: y."


class StallingStream(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")


def test_a_client_that_stops_sending_gets_408(client: FlaskClient) -> None:
    environment: dict[str, Any] = {"wsgi.input": StallingStream(), "CONTENT_LENGTH": "100"}
    response = client.post("/invocations", content_type=CSV, environ_overrides=environment)
    assert "stopped sending" in assert_plain_line(response, 408)


def test_a_body_shorter_than_announced_is_400(client: FlaskClient) -> None:
    environment: dict[str, Any] = {"wsgi.input": io.BytesIO(ROW), "CONTENT_LENGTH": "100"}
    response = client.post("/invocations", content_type=CSV, environ_overrides=environment)
    assert "too early" in assert_plain_line(response, 400)


def test_a_body_cut_short_between_two_documents_is_400(client: FlaskClient) -> None:
    environment: dict[str, Any] = {
        "wsgi.input": io.BytesIO(ROW + b"\n"),
        "wsgi.input_terminated": True,  # as gunicorn says
        "CONTENT_LENGTH": str(3 * len(ROW + b"\n")),
    }
    response = client.post("/invocations", content_type=CSV, environ_overrides=environment)
    assert "too early: 80 of 240 bytes" in assert_plain_line(response, 400)


def test_more_invocations_than_are_admitted_get_503_at_once_and_places_come_back(
    model: NeuralTopicModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topicdock.serving.app.ADMITTED", 2)
    client = create_app(ServedModel(model), Settings()).test_client()
    inside = [client.post("/invocations", data=body, content_type=CSV) for body in (ROW, b"broken")]
    refused = post(client, ROW, CSV)
    assert "busy" in assert_plain_line(refused, 503)
    assert refused.headers["Retry-After"] == "1"
    assert client.get("/ping").status_code == 200
    for response in inside:
        response.close()  # as the server does once the answer is written
    assert [post(client, ROW, CSV).status_code for _ in range(4)] == [200] * 4


def test_a_request_that_waits_too_long_for_its_turn_gets_503(model: NeuralTopicModel) -> None:
    started, finish = threading.Event(), threading.Event()

    class SlowModel(BrokenModel):
        def transform(self, counts: csr_matrix) -> NDArray[np.float32]:
            started.set()
            assert finish.wait(30)
            return NeuralTopicModel.transform(self, counts)

    app = create_app(ServedModel(SlowModel(model, None)), Settings(timeout=1))
    first: list[TestResponse] = []
    thread = threading.Thread(target=lambda: first.append(post(app.test_client(), ROW, CSV)))
    thread.start()
    assert started.wait(30)
    second = post(app.test_client(), ROW, CSV)
    ping = app.test_client().get("/ping")
    finish.set()
    thread.join(30)
    assert_plain_line(second, ServiceUnavailable.code)
    assert second.headers["Retry-After"] == "1"
    assert ping.status_code == 200
    assert first[0].status_code == 200
