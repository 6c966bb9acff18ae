"""gunicorn's threaded worker, whose loop answers by itself what takes no time."""

from __future__ import annotations

import socket
import time
from collections import deque
from concurrent.futures import Future
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from topicdock.serving.access_log import Entry
from topicdock.serving.immediate import LARGEST_REQUEST, Answer, Immediate, Outcome, Unanswered

_SOON = 0.02
"""Seconds in which the rest of a small request comes, if its client has sent the head already."""

_TOGETHER = 8
"""Requests that are computed together; more of them gain little more, and keep the first one waiting."""

_KEPT: Future[bool] = Future()
_KEPT.set_result(True)


class PromptWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """What :class:`topicdock.serving.immediate.Immediate` can answer, the loop answers; the rest is for threads.

    To hand a connection to a thread and back, with threads that take the interpreter from one another, takes several
    times as long as the answer. Requests that are there at the same time are read first, then computed together, then
    answered.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received: list[tuple[Any, bytes]] = []
        self._incomplete: deque[tuple[float, Any]] = deque()
        self._ended: list[Entry] = []

    def init_process(self) -> None:
        """Set up the worker in its own process."""
        self._immediate: Immediate = self.app.wsgi().immediate
        self._patience: int = self.cfg.keepalive  # which gunicorn looks up anew each time
        super().init_process()

    def prepare(self, conn: Any) -> None:
        """Do what a new connection needs before it is watched."""
        conn.early, conn.early_until = b"", 0.0

    def enqueue_req(self, conn: Any) -> None:
        """Let the loop watch a new connection, and a thread answer what the loop does not."""
        if conn.initialized:
            super().enqueue_req(conn)
            return
        conn.init()
        self.prepare(conn)
        self.finish_request(conn, _KEPT)  # as one whose last request has been answered
        self.on_client_socket_readable(conn, conn.sock)

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Read what a connection has sent; it is answered once all that have sent something have been read."""
        try:
            received = conn.early + client.recv(LARGEST_REQUEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            received = conn.early
        if received:
            self._received.append((conn, received))
        else:
            self._let_go(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to do, and do it; threads wait for the rests of requests that are late."""
        if self._incomplete:
            timeout = max(min(timeout, self._incomplete[0][0] - time.monotonic()), 0.0)
        super().wait_for_and_dispatch_events(timeout)
        if self._received:
            received, self._received = self._received, []
            for start in range(0, len(received), _TOGETHER):
                self._answer_at_once(received[start : start + _TOGETHER])
            if self._ended:
                self.log.note(self._ended)
                self._ended = []
        while self._incomplete and self._incomplete[0][0] <= time.monotonic():
            until, conn = self._incomplete.popleft()
            if conn.early and conn.early_until == until:
                self._hand_over(conn, conn.early)

    def _answer_at_once(self, received: list[tuple[Any, bytes]]) -> None:
        """Answer what connections have to read, or give it to threads."""
        outcomes: list[Outcome] = [Unanswered.ORDINARY] * len(received)
        try:
            if self.alive and len(self.keepalived_conns) <= self.max_keepalived:
                outcomes = self._immediate([text for _, text in received])
        except Exception:  # an error of ours does not end the loop
            self.log.exception("Requests failed in the loop")
        for (conn, text), outcome in zip(received, outcomes, strict=True):
            try:
                self._settle(conn, text, outcome)
            except Exception:  # it ends one connection
                self.log.exception("A request failed in the loop")
                self._let_go(conn)

    def _settle(self, conn: Any, received: bytes, outcome: Outcome) -> None:
        if isinstance(outcome, Answer):
            conn.early = b""
            self._send(conn, outcome)
        elif outcome is Unanswered.INCOMPLETE and len(received) > len(conn.early):
            if not conn.early:
                conn.early_until = time.monotonic() + _SOON
                self._incomplete.append((conn.early_until, conn))
            conn.early = received
        else:
            self._hand_over(conn, received)

    def _let_go(self, conn: Any) -> None:
        """Close a connection whose client has nothing more to ask."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)
        self.nr_conns -= 1
        conn.close()

    def _hand_over(self, conn: Any, received: bytes) -> None:
        """Let a thread answer a request of which this much has been read."""
        conn.early = b""
        conn.parser.unreader.unread(received)
        super().on_client_socket_readable(conn, conn.sock)

    def _send(self, conn: Any, answer: Answer) -> None:
        self.nr += 1
        try:
            sent = conn.sock.send(answer.content, socket.MSG_DONTWAIT)
        except OSError:
            sent = 0
        self.keepalived_conns.remove(conn)
        if sent == len(answer.content):
            now = time.monotonic()
            self._ended.append(_end(answer, now))
            conn.timeout = now + self._patience
            self.keepalived_conns.append(conn)  # where they are in the order in which their time is over
            return
        self.poller.unregister(conn.sock)
        future = self.tpool.submit(self._send_rest, conn, answer, sent)
        future.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _send_rest(self, conn: Any, answer: Answer, sent: int) -> bool:
        """Send, in a thread, what the loop could not send without waiting."""
        conn.sock.setblocking(True)
        try:
            conn.sock.sendall(memoryview(answer.content)[sent:])
        except OSError as error:
            self.log.debug("The client did not wait for its answer: %s", error)
            return False
        finally:
            self.log.note([_end(answer, time.monotonic())])
        return True


def _end(answer: Answer, now: float) -> Entry:
    answer.release()
    return Entry(answer.environ, answer.status, answer.sent, now - answer.began)
