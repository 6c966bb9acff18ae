"""Requests that are answered together get what each of them gets alone."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.models import random_model
from topicdock.artifact import save_model
from topicdock.corpus import decode_json, decode_json_requests, encode_json
from topicdock.serving.app import ADMITTED, create_app
from topicdock.serving.immediate import Answer, Immediate, Outcome, Unanswered
from topicdock.serving.registry import Registry
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings
from topicdock.serving.spool import Card

from .malformed import CSV, JSON, LINES, MALFORMED, ROW
from .service import Service
from .test_immediate import ask, immediate, post, without_date  # noqa: F401 - a fixture

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


def body_of(outcome: Outcome) -> bytes | Unanswered:
    if isinstance(outcome, Answer):
        outcome.release()
        return without_date(outcome.content)
    return outcome


def test_requests_of_every_kind_get_together_what_each_gets_alone(
    immediate: Immediate,  # noqa: F811
    counts: csr_matrix,
) -> None:
    good = [post(encode_json(counts[number : number + size]), JSON) for number, size in ((0, 1), (1, 3), (11, 1))]
    others = [
        post(b'{"instances": []}', JSON),
        post(encode_json(counts[3]), JSON, b"Accept: application/jsonlines\r\n"),
        post(encode_json(counts[3]), JSON, b"Accept: application/x-recordio-protobuf\r\n"),
        post(encode_json(counts[4], dense=True), JSON),
        post(ROW, CSV),
        PING,
        post(ROW)[:-1],
    ]
    wrong = [post(body, content_type) for content_type, body, _ in MALFORMED.values() if content_type in (JSON, LINES)]
    requests = [*good, *others]
    alone = [body_of(ask(immediate, request)) for request in requests]
    for together in (good, requests, requests[::-1], *([*good, one, *good] for one in wrong)):
        expected = [dict(zip(requests, alone, strict=True)).get(one, Unanswered.ORDINARY) for one in together]
        assert [body_of(one) for one in immediate(together)] == expected


def test_no_more_are_answered_than_there_are_places(immediate: Immediate, counts: csr_matrix) -> None:  # noqa: F811
    request = post(encode_json(counts[0]), JSON)
    outcomes = immediate([request] * (ADMITTED + 3))
    assert [isinstance(one, Answer) for one in outcomes] == [True] * ADMITTED + [False] * 3
    for one in outcomes:
        body_of(one)
    assert isinstance(ask(immediate, request), Answer)


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [{"data": {"features": {"keys": [true], "shape": [40], "values": [1]}}}]}',
        b'{"instances": [{"data": {"features": {"keys": [1.0], "shape": [40], "values": [1]}}}]}',
        b'{"instances": [{"data": {"features": {"keys": [40], "shape": [40], "values": [1]}}}]}',
        b'{"instances": [{"data": {"features": {"keys": [1], "shape": [40], "values": ["1"]}}}]}',
        b'{"instances": {"data": 1}}',
        b"[]",
        b"{",
    ],
)
def test_what_is_unusual_is_not_decoded_together(body: bytes, counts: csr_matrix) -> None:
    assert decode_json_requests([encode_json(counts), body], 40) is None


def test_bodies_decoded_together_hold_what_each_holds() -> None:
    bodies = [
        b'{"instances": [{"data": {"features": {"keys": [2, 1, 1], "shape": [4], "values": [1.5, 0, 2e1]}}}]}',
        b'{"instances": []}',
        b'{"instances": [{"data": {"features": {"keys": [3], "shape": [4], "values": [true]}}}], "more": 1}',
    ]
    decoded = decode_json_requests(bodies, 4)
    assert decoded is not None
    counts, numbers = decoded
    assert numbers == [1, 0, 1]
    np.testing.assert_array_equal(counts.toarray(), np.vstack([decode_json(body, 4).toarray() for body in bodies]))


def test_a_model_among_many_is_answered_for_at_once_when_it_is_mapped(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    registry = Registry(tmp_path / "spool", 1 << 30)
    for seed in (0, 1):
        save_model(random_model(seed=seed), tmp_path / f"{seed}")
        registry.load(Card(f"model-{seed}.tar", str(tmp_path / f"{seed}")))
    at_once = create_app(registry, Settings(multi_model=True)).immediate
    counts = csr_matrix(np.eye(30, dtype=np.float32)[:2])
    requests = [
        post(encode_json(counts), JSON).replace(b"/invocations", b"/models/model-%d.tar/invoke" % n) for n in (0, 1)
    ]
    assert at_once(requests) == [Unanswered.ORDINARY] * 2
    for name in ("model-0.tar", "model-1.tar"):
        registry.find(name)
    answers = [body_of(one) for one in at_once([*requests, post(ROW)])]
    for seed in (0, 1):
        alone = create_app(ServedModel(random_model(seed=seed)), Settings()).immediate
        assert answers[seed] == body_of(ask(alone, post(encode_json(counts), JSON)))
    assert answers[0] != answers[1]
    assert answers[2] is Unanswered.ORDINARY
    registry.unload("model-0.tar")
    assert [isinstance(one, Answer) for one in at_once(requests)] == [False, True]


def test_many_clients_at_once_are_answered_as_one_after_the_other(service: Service, counts: csr_matrix) -> None:
    requests = [post(encode_json(counts[number % 12]), JSON) for number in range(24)]
    connections = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in requests]

    def receive(connection: socket.socket) -> bytes:
        received = b""
        while not received.endswith(b"]}]}"):
            piece = connection.recv(1 << 16)
            assert piece, "the service hung up"
            received += piece
        return without_date(received)

    expected = []
    for connection, request in zip(connections, requests, strict=True):
        connection.sendall(request)
        expected.append(receive(connection))
    for _ in range(20):
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request)
        assert [receive(connection) for connection in connections] == expected
    for connection in connections:
        connection.close()
