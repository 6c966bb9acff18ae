from __future__ import annotations

import gzip
import io
import logging
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.test import TestResponse

from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines
from topicdock.errors import AlgorithmError, CustomerError
from topicdock.model import NeuralTopicModel
from topicdock.serving.app import answer_error, create_app, plan_transform
from topicdock.serving.settings import MEGABYTE, Settings

from .malformed import CSV, JSON, LINES, MALFORMED, RECORDIO, ROW
from .reading import READERS, read_json

REQUESTS: dict[str, tuple[str, Callable[[csr_matrix], bytes]]] = {
    "RecordIO sparse": (RECORDIO, encode_counts),
    "RecordIO dense": (RECORDIO, lambda counts: encode_counts(counts, dense=True)),
    "RecordIO float64": (RECORDIO, lambda counts: encode_counts(counts, dtype="float64")),
    "CSV": (CSV, encode_csv),
    "CSV label_size=0": ("text/csv; label_size=0", encode_csv),
    "CSV upper case": ("TEXT/CSV;charset=utf-8", encode_csv),
    "JSON": (JSON, encode_json),
    "JSON Lines": (LINES, encode_jsonlines),
    "JSON bare": (JSON, lambda counts: b"[" + b",".join(map(_bare, counts)) + b"]"),
    "CSV without final newline": (CSV, lambda counts: encode_csv(counts).rstrip(b"\n")),
    "JSON Lines without final newline": (LINES, lambda counts: encode_jsonlines(counts).rstrip(b"\n")),
}


def _bare(row: csr_matrix) -> bytes:
    return b"[" + encode_csv(row).strip() + b"]"


def assert_plain_line(response: TestResponse, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.mimetype == "text/plain"
    assert "\n" not in response.text
    assert "Traceback" not in response.text
    assert 0 < len(response.text) <= 2048
    return response.text


def post(client: FlaskClient, body: bytes, content_type: str | None = JSON, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, content_type=content_type, headers=named)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping_is_200_with_an_empty_body(client: FlaskClient, method: str) -> None:
    response = client.open("/ping", method=method)
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize("accept", list(READERS))
@pytest.mark.parametrize("name", list(REQUESTS))
def test_every_request_type_gets_the_models_answer_in_every_response_type(
    client: FlaskClient, model: NeuralTopicModel, counts: csr_matrix, name: str, accept: str
) -> None:
    content_type, encode = REQUESTS[name]
    response = post(client, encode(counts), content_type, Accept=accept)
    assert (response.status_code, response.content_type) == (200, accept)
    np.testing.assert_allclose(READERS[accept](response.data), model.transform(counts), rtol=0, atol=1e-6)


def test_one_document_without_padding_or_frame_is_answered(
    client: FlaskClient, model: NeuralTopicModel, counts: csr_matrix
) -> None:
    framed = encode_counts(counts[0])
    length = int.from_bytes(framed[4:8], "little")
    for body in (framed[: 8 + length], framed[8 : 8 + length]):
        answer = read_json(post(client, body, RECORDIO).data)
        np.testing.assert_allclose(answer, model.transform(counts[0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", list(MALFORMED))
def test_a_malformed_body_is_400_in_one_plain_line(client: FlaskClient, name: str) -> None:
    content_type, body, expected = MALFORMED[name]
    line = assert_plain_line(post(client, body, content_type), 400)
    assert line.startswith("Customer Error: ")
    assert expected in line


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "text/plain", "nonsense", "application/json+x", ";", "téxt/csv"]
)
def test_a_content_type_that_is_not_known_is_415(client: FlaskClient, content_type: str) -> None:
    line = assert_plain_line(post(client, b"1,2", content_type), 415)
    assert "not supported" in line
    assert "application/x-recordio-protobuf, text/csv, application/json, application/jsonlines" in line


def test_a_body_without_content_type_is_read_as_csv(client: FlaskClient, model: NeuralTopicModel) -> None:
    answer = read_json(post(client, ROW, None).data)
    np.testing.assert_allclose(answer, model.transform(csr_matrix(np.ones((1, 40), np.float32))), rtol=0, atol=1e-6)


def test_a_body_without_content_type_that_is_not_csv_is_415(client: FlaskClient) -> None:
    assert "no Content-Type" in assert_plain_line(post(client, b'{"instances": []}', None), 415)


@pytest.mark.parametrize("content_type", [JSON, CSV, None, "application/octet-stream"])
def test_an_empty_body_is_204(client: FlaskClient, content_type: str | None) -> None:
    response = post(client, b"", content_type)
    assert (response.status_code, response.data) == (204, b"")


def test_an_accept_header_that_nothing_matches_gets_json(client: FlaskClient, counts: csr_matrix) -> None:
    response = post(client, encode_csv(counts), CSV, Accept="text/csv")
    assert (response.status_code, response.content_type) == (200, JSON)


def test_a_strict_service_answers_406_to_an_accept_header_that_nothing_matches(model: NeuralTopicModel) -> None:
    client = create_app(model, Settings(strict_accept=True)).test_client()
    assert "allowed: application/json, " in assert_plain_line(post(client, ROW, CSV, Accept="text/csv"), 406)
    assert post(client, ROW, CSV, Accept="*/*").status_code == 200


def test_the_default_response_type_can_be_chosen(model: NeuralTopicModel) -> None:
    client = create_app(model, Settings(default_accept=LINES)).test_client()
    assert post(client, ROW, CSV).content_type == LINES
    assert post(client, ROW, CSV, Accept="image/png").content_type == LINES


def test_a_body_may_be_exactly_as_large_as_the_limit(model: NeuralTopicModel) -> None:
    client = create_app(model, Settings(body_limit=len(ROW))).test_client()
    assert post(client, ROW, CSV).status_code == 200
    assert str(len(ROW)) in assert_plain_line(post(client, ROW + b"\n", CSV), 413)


def test_a_gzip_body_is_decompressed_first(client: FlaskClient, model: NeuralTopicModel) -> None:
    members = gzip.compress(ROW) + gzip.compress(b"\n" + ROW)
    answer = read_json(post(client, members, CSV, Content_Encoding="gzip").data)
    np.testing.assert_allclose(answer, model.transform(csr_matrix(np.ones((2, 40), np.float32))), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not gzip", 400),
        (gzip.compress(ROW)[:-9], 400),
        (gzip.compress(ROW)[:-8] + bytes(8), 400),
        (gzip.compress(ROW) + b"rest", 400),
        (zlib.compress(ROW), 400),
        (gzip.compress(bytes(2 * MEGABYTE)), 413),
        (gzip.compress(ROW) + gzip.compress(bytes(2 * MEGABYTE)), 413),
    ],
)
def test_a_gzip_body_that_is_broken_or_too_large_is_refused(model: NeuralTopicModel, body: bytes, status: int) -> None:
    client = create_app(model, Settings(body_limit=MEGABYTE)).test_client()
    assert_plain_line(post(client, body, CSV, Content_Encoding="gzip"), status)


def test_a_content_encoding_that_is_not_known_is_415(client: FlaskClient) -> None:
    assert "gzip, identity" in assert_plain_line(post(client, ROW, CSV, Content_Encoding="br"), 415)


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/ping/", "GET", 404)])
def test_an_unknown_path_is_404_in_one_plain_line(client: FlaskClient, path: str, method: str, status: int) -> None:
    assert "POST /invocations" in assert_plain_line(client.open(path, method=method), status)


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [("/invocations", "GET", "POST"), ("/invocations", "PUT", "POST"), ("/ping", "POST", "GET")],
)
def test_a_wrong_method_is_405_and_names_the_right_one(
    client: FlaskClient, path: str, method: str, allowed: str
) -> None:
    response = client.open(path, method=method)
    assert_plain_line(response, 405)
    assert allowed in response.headers["Allow"]


@pytest.mark.parametrize("body", [ROW, b"broken"])
def test_custom_attributes_come_back(client: FlaskClient, body: bytes) -> None:
    response = post(client, body, CSV, X_Amzn_SageMaker_Custom_Attributes="trace=1; user name")
    assert response.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1; user name"


@pytest.mark.parametrize("attributes", ["x" * 1025, "tab\there", "ümlaut"])
def test_custom_attributes_that_sagemaker_would_not_send_do_not_come_back(client: FlaskClient, attributes: str) -> None:
    response = post(client, ROW, CSV, X_Amzn_SageMaker_Custom_Attributes=attributes)
    assert response.status_code == 200
    assert "X-Amzn-SageMaker-Custom-Attributes" not in response.headers


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
    client = create_app(BrokenModel(model, error), Settings()).test_client()
    with caplog.at_level(logging.ERROR):
        line = assert_plain_line(post(client, ROW, CSV), 500)
    assert "secret" not in line
    assert "secret" in caplog.text
    assert "Traceback" in caplog.text


def test_topic_proportions_that_are_not_finite_are_never_sent(model: NeuralTopicModel) -> None:
    client = create_app(BrokenModel(model, None), Settings()).test_client()
    assert "document 2" in assert_plain_line(post(client, ROW + b"\n" + ROW, CSV), 400)


def test_counts_as_large_as_a_float32_holds_get_an_answer_or_a_400(client: FlaskClient) -> None:
    response = post(client, b",".join([b"3e38"] * 40), CSV)
    assert response.status_code in (200, 400), response.text


def test_more_documents_than_can_be_answered_at_once_are_413(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topicdock.serving.app.LARGEST_ANSWER", 9)
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


def test_a_request_that_waits_too_long_for_its_turn_gets_503(model: NeuralTopicModel) -> None:
    started, finish = threading.Event(), threading.Event()

    class SlowModel(BrokenModel):
        def transform(self, counts: csr_matrix) -> NDArray[np.float32]:
            started.set()
            assert finish.wait(30)
            return NeuralTopicModel.transform(self, counts)

    app = create_app(SlowModel(model, None), Settings(timeout=1))
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


def test_execution_parameters_are_json(client: FlaskClient) -> None:
    response = client.get("/execution-parameters")
    assert response.content_type == JSON
    assert response.json == {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 100}


@pytest.mark.parametrize("workers", [1, 2, 3, 8, 96, 200])
@pytest.mark.parametrize("limit", [1000, 6 * MEGABYTE, 100 * MEGABYTE, 1024 * MEGABYTE])
def test_execution_parameters_stay_within_batch_transforms_limits(workers: int, limit: int) -> None:
    plan = plan_transform(Settings(workers=workers, body_limit=limit))
    concurrent, payload = int(plan["MaxConcurrentTransforms"]), int(plan["MaxPayloadInMB"])
    assert 1 <= concurrent <= workers
    assert 1 <= payload <= 100
    assert concurrent * payload <= 100
    assert payload == 1 or payload * MEGABYTE <= limit
