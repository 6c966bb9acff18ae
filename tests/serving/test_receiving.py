"""Bodies of requests, taken from a real socket as they come."""

from __future__ import annotations

import io
import socket
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, RequestTimeout

from topicdock.serving.receiving import DirectBody, Unreader, receive_directly
from topicdock.serving.requests import read_body

LIMIT = 1 << 24


class Connection:
    """A server's end of a connection, and its client's."""

    def __init__(self) -> None:
        server, self.client = socket.socketpair()
        self.parser = RequestParser(Config(), server, ("127.0.0.1", 0))
        self.parser.unreader = Unreader(server)
        self.server = server

    def read_request(self) -> Any:
        request = next(self.parser)
        receive_directly(request)
        return request


@pytest.fixture
def connection() -> Iterator[Connection]:
    opened = Connection()
    yield opened
    opened.client.close()
    opened.server.close()


def post(length: int) -> bytes:
    return f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize("size", [1, 100, 8192, 50_000])
def test_a_body_is_read_to_its_end_and_what_follows_it_is_left_for_the_next_request(
    connection: Connection, size: int
) -> None:
    first, second = (bytes(range(256)) * size)[:size], b"second"
    connection.client.sendall(post(len(first)) + first + post(len(second)) + second)
    for expected in (first, second):
        request = connection.read_request()
        assert isinstance(request.body, DirectBody)
        assert read_body(request.body, LIMIT, 10, len(expected)) == expected
        assert request.body.read1(100) == b""


def test_what_is_left_of_a_line_comes_first(connection: Connection) -> None:
    connection.client.sendall(post(20) + b"first\nsecond\nthird\n.")
    body = connection.read_request().body
    assert body.readline() == b"first\n"
    assert body.read1(3) == b"sec"
    assert read_body(body, LIMIT, 10) == b"ond\nthird\n."


def test_a_body_in_chunks_is_gunicorns_to_read(connection: Connection) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.client.sendall(head + b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")
    body = connection.read_request().body
    assert not isinstance(body, DirectBody)
    assert read_body(body, LIMIT, 10) == b"firstsecond"


def test_a_body_that_comes_byte_by_byte_takes_no_more_memory_than_one_that_comes_at_once() -> None:
    class Dripping(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read1(3)

    body = bytes(range(256)) * 800
    tracemalloc.start()
    try:
        assert read_body(Dripping(body), LIMIT, 60) == body
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


def test_a_body_cut_short_is_a_bad_request(connection: Connection) -> None:
    connection.client.sendall(post(20) + b"first")
    connection.client.shutdown(socket.SHUT_WR)
    with pytest.raises(BadRequest, match="5 of 20 bytes"):
        read_body(connection.read_request().body, LIMIT, 10, 20)


def test_after_a_body_that_came_too_late_nothing_more_is_read(connection: Connection) -> None:
    connection.client.sendall(post(20))
    request = connection.read_request()
    connection.client.sendall(b"first")
    connection.parser.unreader.deadline = time.monotonic() - 1
    with pytest.raises(RequestTimeout):
        read_body(request.body, LIMIT, 10, 20)
    assert not connection.parser.finish_body(deadline=time.monotonic() + 10)
