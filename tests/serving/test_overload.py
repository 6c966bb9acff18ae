"""The service when clients are many, large or slow: the health check goes on, and so does the way out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from .malformed import CSV, ROW
from .service import Service
from .test_server import POST, send

PING_LIMIT = 2
"""Seconds that SageMaker gives a health check."""

LINE = ROW + b"\n"


ALONE = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
"""One worker has nobody to share a burden with."""


@pytest.fixture(scope="module")
def shared(base: Path) -> Iterator[Service]:
    with Service(base, ALONE) as running:
        yield running


@pytest.fixture
def lone(shared: Service) -> Service:
    """The service with one worker, recovered from the test before."""
    shared.wait_until(lambda: shared.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200)
    return shared


@contextmanager
def connections(service: Service, number: int, opening: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30))
            connection.sendall(opening)
            opened.append(connection)
        yield opened


def assert_pings(service: Service, times: int = 3) -> None:
    for _ in range(times):
        assert service.ask("GET", "/ping", timeout=PING_LIMIT).status == 200


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(b"", id="silent"),
        pytest.param(POST[:30], id="half a head"),
        pytest.param(POST + b"Content-Length: 1000\r\n\r\n1", id="half a body"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n1", id="half a chunk"),
        pytest.param(b"NOT HTTP\r\n\r\n", id="not HTTP, and not closed"),
    ],
)
def test_ping_is_answered_while_120_connections_stand_still(lone: Service, opening: bytes) -> None:
    with connections(lone, 120, opening):
        assert_pings(lone)


def test_ping_is_answered_while_40_large_requests_are_sent_at_once(lone: Service) -> None:
    body = LINE * 30_000
    statuses: list[int] = []

    def post() -> None:
        statuses.append(lone.ask("POST", "/invocations", body, {"Content-Type": CSV}, timeout=120).status)

    threads = [threading.Thread(target=post) for _ in range(40)]
    for thread in threads:
        thread.start()
    assert_pings(lone, 10)
    for thread in threads:
        thread.join(120)
    assert len(statuses) == 40
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 12


def test_who_is_refused_is_told_so_and_places_come_back_when_clients_leave(lone: Service) -> None:
    with connections(lone, 40, POST + b"Expect: 100-continue\r\nContent-Length: 79\r\n\r\n"):
        lone.wait_until(lambda: lone.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 503)
        head, _, body = send(lone, POST + b"Content-Length: 79\r\n\r\n" + ROW).partition(b"\r\n\r\n")
        assert b"Retry-After: 1" in head
        assert b"busy" in body
    lone.wait_until(lambda: lone.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200)


def test_a_connection_cut_between_two_documents_is_400(lone: Service) -> None:
    answer = send(lone, POST + b"Content-Length: %d\r\n\r\n" % (3 * len(LINE)) + LINE)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too early: 80 of 240 bytes" in answer


def test_clients_that_send_a_byte_now_and_then_hold_their_places_no_longer_than_the_time_limit(base: Path) -> None:
    with Service(base, {**ALONE, "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}) as running:
        head, body = POST[:40], POST + b"Content-Length: 79\r\n\r\n1"
        with connections(running, 8, head) as heads, connections(running, 16, body) as bodies:
            over = time.monotonic() + 2
            while time.monotonic() < over:
                for connection in (*heads, *bodies):
                    with suppress(OSError):
                        connection.sendall(b"1")
                time.sleep(0.2)
            assert running.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200
            assert all(connection.recv(100).startswith(b"HTTP/1.1 408") for connection in bodies)
            assert not any(connection.recv(100) for connection in heads)
        assert "Traceback" not in running.log


@pytest.mark.slow
def test_stalled_clients_hold_back_the_end_for_no_more_than_their_patience(base: Path) -> None:
    openings = (b"", POST[:30], POST + b"Content-Length: 1000\r\n\r\n1")
    with ExitStack() as stack:
        running = stack.enter_context(Service(base, ALONE))
        for opening in openings:
            stack.enter_context(connections(running, 10, opening))
        assert_pings(running)
        status, seconds = running.stop()
    assert status == 0
    assert seconds < 20
    assert "SIGKILL" not in running.log
    assert "Traceback" not in running.log


def test_a_port_in_use_ends_with_1_and_one_line_at_once(base: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = time.monotonic()
        second = Service(base, {"SAGEMAKER_BIND_TO_PORT": str(port)})
        assert second.process.wait(30) == 1
    assert time.monotonic() - started < 5
    _, *lines = second.log.splitlines()
    assert len(lines) == 1
    assert f"PlatformError: port {port} is in use" in lines[0]
