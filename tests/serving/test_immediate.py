"""Small requests that are answered at once: as the ordinary way answers them, or not at all."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]
from gunicorn.http.unreader import IterUnreader  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines
from topicdock.model import NeuralTopicModel
from topicdock.serving import immediate as immediate_module
from topicdock.serving.app import ADMITTED, create_app
from topicdock.serving.immediate import LARGEST_REQUEST, Answer, Immediate, Outcome, Unanswered
from topicdock.serving.plain_heads import recognise
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings

from .malformed import CSV, JSON, LINES, MALFORMED, RECORDIO, ROW
from .reading import READERS
from .service import Service
from .test_watching import logged

ENCODERS = {RECORDIO: encode_counts, CSV: encode_csv, JSON: encode_json, LINES: encode_jsonlines}
ORDINARY = b"TE: trailers\r\n"
"""A header that changes nothing, but for the way that its request goes."""


def post(body: bytes, content_type: str = CSV, extra: bytes = b"") -> bytes:
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + extra + b"\r\n" + body


@pytest.fixture
def immediate(model: NeuralTopicModel, monkeypatch: pytest.MonkeyPatch) -> Immediate:
    monkeypatch.setattr(immediate_module, "_LONG", 60.0)  # whatever else this process has to do
    found = create_app(ServedModel(model), Settings()).immediate
    assert found is not None
    return found


def ask(immediate: Immediate, request: bytes) -> Outcome:
    [outcome] = immediate([request])
    return outcome


@pytest.fixture(scope="module")
def lone(base: Path) -> Iterator[Service]:
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as running:
        yield running


class Connection:
    """A connection whose answers are read one by one, to the byte."""

    def __init__(self, service: Service) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=30)
        self._read = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def answer(self) -> bytes:
        while b"\r\n\r\n" not in self._read:
            self._read += self._receive()
        head, _, rest = self._read.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        length = int(found[1]) if found else 0
        while len(rest) < length:
            rest += self._receive()
        self._read = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def ask(self, request: bytes) -> bytes:
        self.socket.sendall(request)
        return self.answer()

    def _receive(self) -> bytes:
        received = self.socket.recv(1 << 16)
        assert received, "the service hung up"
        return received


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer, count=1)


@pytest.mark.parametrize("accept", [*READERS, f"{JSON}; verbose=true", "image/png"])
@pytest.mark.parametrize("content_type", list(ENCODERS))
def test_the_answer_is_to_the_byte_that_of_the_ordinary_way(
    lone: Service, immediate: Immediate, counts: csr_matrix, content_type: str, accept: str
) -> None:
    extra = f"Accept: {accept}\r\nX-Amzn-SageMaker-Custom-Attributes:  trace=1 \r\nx-other:\r\n".encode()
    for documents in (counts[0], counts):
        body = ENCODERS[content_type](documents)
        request = post(body, content_type, extra)
        assert isinstance(ask(immediate, request), Answer)
        assert ask(immediate, post(body, content_type, extra + ORDINARY)) is Unanswered.ORDINARY
        with Connection(lone) as connection:
            at_once = connection.ask(request)
            assert at_once.startswith(b"HTTP/1.1 200 OK\r\n")
            assert without_date(at_once) == without_date(connection.ask(post(body, content_type, extra + ORDINARY)))


def test_a_ping_is_answered_as_by_the_application(lone: Service) -> None:
    with Connection(lone) as connection:
        at_once = connection.ask(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert without_date(at_once) == without_date(
            connection.ask(b"GET /ping HTTP/1.1\r\nHost: x\r\n" + ORDINARY + b"\r\n")
        )


def test_both_ways_are_logged_alike(lone: Service) -> None:
    before = len(logged(lone))
    with Connection(lone) as connection:
        for extra in (b"", ORDINARY):
            connection.ask(post(ROW, CSV, b"X-Amzn-SageMaker-Inference-Id: id-1\r\n" + extra))
    lone.wait_until(lambda: len(logged(lone)) == before + 2)
    at_once, ordinary = logged(lone)[before:]
    varying = {"time", "milliseconds"}
    assert {name: at_once[name] for name in at_once.keys() - varying} == {
        name: ordinary[name] for name in ordinary.keys() - varying
    }
    assert at_once["inference_id"] == "id-1"


@pytest.mark.parametrize("name", list(MALFORMED))
def test_what_is_wrong_goes_the_ordinary_way(immediate: Immediate, name: str) -> None:
    content_type, body, _ = MALFORMED[name]
    for _ in range(2 * ADMITTED):  # a place that is not given back would be missed
        assert ask(immediate, post(body, content_type)) is Unanswered.ORDINARY
    assert isinstance(ask(immediate, post(ROW)), Answer)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(b""), id="no body"),
        pytest.param(post(ROW) + b"G", id="something behind it"),
        pytest.param(post(ROW).replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
        pytest.param(post(ROW).replace(b"POST", b"PUT"), id="another method"),
        pytest.param(post(ROW).replace(b"/invocations", b"/models"), id="another path"),
        pytest.param(post(ROW).replace(b"/invocations", b"/invocations?a=1"), id="a query"),
        pytest.param(post(ROW).replace(b"Host: x\r\n", b""), id="no host"),
        pytest.param(post(ROW, extra=b"Connection: close\r\n"), id="the last one"),
        pytest.param(post(ROW, extra=b"Expect: 100-continue\r\n"), id="expects something"),
        pytest.param(post(ROW, extra=b"Content-Encoding: gzip\r\n"), id="compressed"),
        pytest.param(post(ROW, extra=b"Transfer-Encoding: chunked\r\n"), id="two lengths"),
        pytest.param(post(ROW, extra=b"content-length: 79\r\n"), id="the length twice"),
        pytest.param(post(ROW, extra=b"X-Under_score: 1\r\n"), id="an underscore"),
        pytest.param(post(ROW, extra=b"X: \xe9\r\n"), id="beyond ASCII"),
        pytest.param(post(ROW, extra=b"X: 1\r\n 2\r\n"), id="folded"),
        pytest.param(post(ROW, extra=b"X-Long: " + b"x" * 5000 + b"\r\n"), id="a long head"),
        pytest.param(post(b"1" * LARGEST_REQUEST), id="large"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /invocations HT", id="half a head"),
    ],
)
def test_what_is_out_of_the_ordinary_goes_the_ordinary_way(immediate: Immediate, request_bytes: bytes) -> None:
    assert ask(immediate, request_bytes) is Unanswered.ORDINARY


PIECES = [
    b"POST", b"GET", b" ", b"/invocations", b"/ping", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n", b"\r\n\r\n", b"\n",
    b"Host: x", b"Host:", b"Content-Length: 7", b"Content-Length: 07", b"Content-Length: +7",
    b"Content-Length : 7",
    b"content-length:7\t", b"Content-Type: text/csv", b"X-A: \t a b ", b"X_A: 1", b" folded", b"Expect: x", b":", b"\0",
    b"X-Forwarded-Proto: https", b"Transfer-Encoding: chunked", b"Connection: Keep-Alive", b"Connection: close",
    b"\xe9",
]  # fmt: skip
USUAL = [
    b"Host: x", b"Content-Length: 7", b"content-LENGTH:\t007 ", b"Content-Type: text/csv", b"Content-Type:",
    b"X-A:  b c",
    b"X-A: 2", b"Connection: Keep-Alive", b"Connection: close", b"Accept: */*", b"Upgrade: h2c", b"Te: x", b"X.B: 1",
]  # fmt: skip
HEADS = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join) | st.lists(st.sampled_from(USUAL), max_size=7).map(
    lambda lines: b"\r\n".join([b"POST /invocations HTTP/1.1", *lines, b"", b""])
)


@given(HEADS)
def test_a_head_that_is_recognised_says_the_same_to_the_web_servers_parser(text: bytes) -> None:
    head = recognise(text)
    if head is None:
        return
    try:
        request = Request(Config(), IterUnreader([text + b"x" * 20]), ("127.0.0.1", 1))
    except ParseException as error:
        raise AssertionError("the parser refuses it") from error
    assert (request.method, request.path, request.query) == (head.method, head.path, "")
    assert request.headers == list(head.headers.items())
    assert request.body.read() == b"x" * head.length
    assert not request.should_close()
    assert not request._expected_100_continue


def test_a_usual_head_is_recognised() -> None:
    head = recognise(post(ROW, JSON, b"Connection: Keep-Alive\r\n")[: -len(ROW)])
    assert head is not None
    assert (head.method, head.path, head.length) == ("POST", "/invocations", len(ROW))


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["soon", "late"])
def test_a_request_in_pieces_is_answered(lone: Service, pause: float) -> None:
    request = post(ROW)
    with Connection(lone) as connection:
        expected = connection.ask(request)
        body = len(request) - len(ROW)
        for places in ([body], [20, body - 2], [body + 5], [body, body + 40, len(request) - 1]):
            for start, end in pairwise([0, *places, len(request)]):
                connection.socket.sendall(request[start:end])
                time.sleep(pause)
            assert without_date(connection.answer()) == without_date(expected)


def test_requests_that_are_sent_without_waiting_are_answered_in_their_order(lone: Service, counts: csr_matrix) -> None:
    requests = [post(encode_csv(counts[number])) for number in range(12)]
    requests[3:3] = [b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", post(b"broken"), post(ROW, extra=ORDINARY)]
    with Connection(lone) as connection:
        expected = [without_date(connection.ask(request)) for request in requests]
        connection.socket.sendall(b"".join(requests))
        assert [without_date(connection.answer()) for _ in requests] == expected


def test_clients_that_do_not_read_their_answers_hold_up_nobody_and_find_them_all(lone: Service) -> None:
    request = post(b"\n".join([ROW] * 700))  # an answer of 50 kB
    with Connection(lone) as lazy, Connection(lone) as other:
        expected = without_date(lazy.ask(request))
        lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        for _ in range(30):
            lazy.socket.sendall(request)
        began = time.monotonic()
        assert other.ask(post(ROW)).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < 2
        assert {without_date(lazy.answer()) for _ in range(30)} == {expected}


def test_who_leaves_without_a_word_leaves_nothing_behind(lone: Service) -> None:
    for _ in range(50):
        with Connection(lone) as connection:
            connection.socket.sendall(post(ROW)[:-3])
        with Connection(lone) as connection:
            connection.socket.sendall(post(ROW))
    with Connection(lone) as connection:
        assert connection.ask(post(ROW)).startswith(b"HTTP/1.1 200")
    [worker] = lone.workers
    lone.wait_until(lambda: count_sockets(worker) < 20)
    assert "Traceback" not in lone.log


def count_sockets(pid: int) -> int:
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(link.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def test_nothing_is_answered_out_of_turn(immediate: Immediate) -> None:
    with immediate._invocation.turn.taken():
        assert ask(immediate, post(ROW)) is Unanswered.ORDINARY
    assert isinstance(ask(immediate, post(ROW)), Answer)


def test_an_answer_holds_a_place_until_it_is_sent(immediate: Immediate) -> None:
    answers = [ask(immediate, post(ROW)) for _ in range(ADMITTED)]
    assert ask(immediate, post(ROW)) is Unanswered.ORDINARY
    assert isinstance(answers[0], Answer)
    answers[0].release()
    assert isinstance(ask(immediate, post(ROW)), Answer)


def test_after_one_that_took_long_the_next_ones_go_the_ordinary_way(
    immediate: Immediate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immediate_module, "_LONG", 0.0)
    assert isinstance(ask(immediate, post(ROW)), Answer)
    assert ask(immediate, post(ROW)) is Unanswered.ORDINARY
    assert ask(immediate, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n") is not Unanswered.ORDINARY
