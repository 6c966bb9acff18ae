from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from flask.testing import FlaskClient
from scipy.sparse import csr_matrix

from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines
from topicdock.model import NeuralTopicModel
from topicdock.serving.app import create_app, plan_transform
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import MEGABYTE, Settings

from .asking import assert_plain_line, post
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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping_is_200_with_an_empty_body(client: FlaskClient, method: str) -> None:
    response = client.open("/ping", method=method)
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "/ping"), ("OPTIONS", "/invocations"), ("HEAD", "/ping"), ("HEAD", "/"), ("POST", "/invocations")],
)
def test_no_answer_claims_to_be_html(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(path, method=method).mimetype == "text/plain"


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


@pytest.mark.parametrize("name", list(REQUESTS))
def test_no_damaged_body_is_more_than_a_400(client: FlaskClient, counts: csr_matrix, name: str) -> None:
    content_type, encode = REQUESTS[name]
    whole, dice = encode(counts[:3]), random.Random(name)
    for _ in range(40):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(body))
            body[place : place + dice.randint(0, 4)] = dice.randbytes(dice.randint(0, 4))
        response = post(client, bytes(body), content_type)
        if response.status_code != 200:
            assert_plain_line(response, 400)


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "text/html", "nonsense", "application/json+x", ";", "téxt/csv"]
)
def test_a_content_type_that_is_not_known_is_415(client: FlaskClient, content_type: str) -> None:
    line = assert_plain_line(post(client, b"1,2", content_type), 415)
    assert "not supported" in line
    assert "application/x-recordio-protobuf, text/csv, application/json, application/jsonlines, text/plain" in line


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
    client = create_app(ServedModel(model), Settings(strict_accept=True)).test_client()
    assert "allowed: application/json, " in assert_plain_line(post(client, ROW, CSV, Accept="text/csv"), 406)
    assert post(client, ROW, CSV, Accept="*/*").status_code == 200


def test_the_default_response_type_can_be_chosen(model: NeuralTopicModel) -> None:
    client = create_app(ServedModel(model), Settings(default_accept=LINES)).test_client()
    assert post(client, ROW, CSV).content_type == LINES
    assert post(client, ROW, CSV, Accept="image/png").content_type == LINES


def test_a_body_may_be_exactly_as_large_as_the_limit(model: NeuralTopicModel) -> None:
    client = create_app(ServedModel(model), Settings(body_limit=len(ROW))).test_client()
    assert post(client, ROW, CSV).status_code == 200
    assert str(len(ROW)) in assert_plain_line(post(client, ROW + b"\n", CSV), 413)


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


def test_execution_parameters_are_json(client: FlaskClient) -> None:
    response = client.get("/execution-parameters")
    assert response.content_type == JSON
    assert response.json == {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 100}


@pytest.mark.parametrize("workers", [1, 2, 3, 8, 96, 200])
@pytest.mark.parametrize("limit", [1000, 6 * MEGABYTE, 100 * MEGABYTE, 1024 * MEGABYTE])
def test_execution_parameters_stay_within_batch_transforms_limits(workers: int, limit: int) -> None:
    plan = plan_transform(Settings(workers=workers, body_limit=limit))
    concurrent, payload = plan["MaxConcurrentTransforms"], plan["MaxPayloadInMB"]
    assert 1 <= concurrent <= workers
    assert 1 <= payload <= 100
    assert concurrent * payload <= 100
    assert payload == 1 or payload * MEGABYTE <= limit
