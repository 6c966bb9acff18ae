"""gunicorn's threaded worker, whose loop answers by itself what takes no time."""

from __future__ import annotations

import socket
import time
from collections import deque
from concurrent.futures import Future
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from topicdock.serving.immediate import LARGEST_REQUEST, Answer, Immediate, Unanswered

_SOON = 0.02
"""Seconds in which the rest of a small request comes, if its client has sent the head already."""

_KEPT: Future[bool] = Future()
_KEPT.set_result(True)


class PromptWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """What :class:`topicdock.serving.immediate.Immediate` can answer, the loop answers; the rest is for threads.

    To hand a connection to a thread and back, with threads that take the interpreter from one another, takes several
    times as long as the answer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incomplete: deque[tuple[float, Any]] = deque()

    def init_process(self) -> None:
        """Set up the worker in its own process."""
        self._immediate: Immediate | None = self.app.wsgi().immediate
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
        """Answer what a connection has to read, or give it to a thread."""
        try:
            needs_thread = not self._answer_at_once(conn)
        except Exception:  # an error of ours ends one connection, and not the loop
            self.log.exception("A request failed in the loop")
            self._let_go(conn)
        else:
            if needs_thread:
                super().on_client_socket_readable(conn, client)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to do, and do it; threads wait for the rests of requests that are late."""
        if self._incomplete:
            timeout = max(min(timeout, self._incomplete[0][0] - time.monotonic()), 0.0)
        super().wait_for_and_dispatch_events(timeout)
        while self._incomplete and self._incomplete[0][0] <= time.monotonic():
            until, conn = self._incomplete.popleft()
            if conn.early and conn.early_until == until:
                self._hand_over(conn, conn.early)
                super().on_client_socket_readable(conn, conn.sock)

    def _answer_at_once(self, conn: Any) -> bool:
        """Say whether a connection needs no thread: it is answered, or there is nothing to answer yet."""
        try:
            received = conn.early + conn.sock.recv(LARGEST_REQUEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            received = conn.early
        if not received:
            self._let_go(conn)
            return True
        may_answer = self.alive and len(self.keepalived_conns) <= self.max_keepalived
        outcome = self._immediate(received) if may_answer and self._immediate is not None else Unanswered.ORDINARY
        if outcome is Unanswered.INCOMPLETE and len(received) > len(conn.early):
            if not conn.early:
                conn.early_until = time.monotonic() + _SOON
                self._incomplete.append((conn.early_until, conn))
            conn.early = received
            return True
        if isinstance(outcome, Unanswered):
            self._hand_over(conn, received)
            return False
        conn.early = b""
        self._send(conn, outcome)
        return True

    def _let_go(self, conn: Any) -> None:
        """Close a connection whose client has nothing more to ask."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)
        self.nr_conns -= 1
        conn.close()

    def _hand_over(self, conn: Any, received: bytes) -> None:
        conn.early = b""
        conn.parser.unreader.unread(received)

    def _send(self, conn: Any, answer: Answer) -> None:
        self.nr += 1
        try:
            sent = conn.sock.send(answer.content, socket.MSG_DONTWAIT)
        except OSError:
            sent = 0
        self.keepalived_conns.remove(conn)
        if sent == len(answer.content):
            self._end(answer)
            conn.set_timeout()
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
            self._end(answer)
        return True

    def _end(self, answer: Answer) -> None:
        answer.release()
        self.log.note(answer.environ, answer.status, answer.sent, time.monotonic() - answer.began)
