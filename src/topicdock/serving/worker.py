"""gunicorn's threaded worker, made safe from clients that are slow, silent or do not speak HTTP."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from contextlib import ExitStack
from functools import partial
from threading import BoundedSemaphore
from typing import Any

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

from topicdock.machine import give_memory_back
from topicdock.serving.app import ADMITTED
from topicdock.serving.prompt_loop import PromptWorker
from topicdock.serving.receiving import Unreader, receive_directly

HEADS = 8
"""Threads of a worker that may wait for the rest of a request's head."""

THREADS = ADMITTED + HEADS + 8
"""Threads of a worker. One of them computes at a time; others read, write or wait, and the last eight never wait."""

DRAINING = 25
"""Seconds for the requests in flight after SIGTERM; SageMaker kills after 30."""

_FAREWELL = 5
"""Seconds in which a client that is still sending may find its answer, before the connection is cut."""

_LEFTOVERS = 0.05
"""Seconds to skip what a request's answer did not need of its body, so that the connection can go on."""

_NOTICE = 0.2
"""Seconds between two signs of life."""

_SWITCH = 0.001
"""Seconds after which a thread that computes lets another one run: small requests wait for large ones several times."""

_TRIM = 2.0
"""Seconds between two looks for memory that can be given back."""

_PEEK = 1 << 16
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


def hold_back_signals() -> None:
    """Hold SIGTERM and its like back in every new process until it has handlers of its own.

    A worker that is told to stop between its fork and its first handlers would forget it, and the first process would
    wait for it until its patience is over.
    """
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, _STOPPING),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, _STOPPING),
    )


class Worker(PromptWorker):
    """The worker: no thread of it and no turn of its loop waits for a client, but for those that are counted.

    Threaded, because the synchronous worker knows no keep-alive and would let one slow client hold up everybody, the
    health check included. Greenlets would need patched sockets and gain nothing for work that is all computing.

    Notes
    -----
    Requests for answers are counted by :class:`topicdock.serving.admission.Admission`, unfinished heads here. gunicorn
    itself waits up to five seconds in a thread for a connection's first byte, and up to two in the loop that accepts
    connections for each client to see its connection closed; here the loop watches those connections beside the others.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heads = BoundedSemaphore(HEADS)
        self._leaving: deque[tuple[float, socket.socket]] = deque()
        self._noticed = 0.0
        self._trimmed = 0.0, 0

    def init_signals(self) -> None:
        """Take the signals that were held back while this process was made; see :func:`hold_back_signals`."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    def init_process(self) -> None:
        """Set up the worker in its own process."""
        self.cfg.set("graceful_timeout", DRAINING)  # in this process only; the first one has more patience
        sys.setswitchinterval(_SWITCH)
        super().init_process()

    def run(self) -> None:
        """Serve until SIGTERM, then until all requests are answered or their time is over."""
        super().run()
        if self.nr_conns > 0:
            # Python would wait for their threads until it is killed.
            self.log.warning("%d connections were still busy after %d seconds; they are cut.", self.nr_conns, DRAINING)
            logging.shutdown()
            os._exit(0)

    def prepare(self, conn: Any) -> None:
        """Do what a new connection needs before it is watched."""
        super().prepare(conn)
        conn.parser.unreader = Unreader(conn.sock)
        conn.close = partial(self._close, conn)

    def handle(self, conn: Any) -> Any:
        """Answer a request, in a thread; say what is to become of the connection."""
        conn.parser.unreader.deadline = time.monotonic() + self.cfg.timeout
        with ExitStack() as conn.place:
            if not _has_whole_head(conn):
                if not self._heads.acquire(blocking=False):
                    _answer(conn.sock, "503 Service Unavailable", "The service is busy; try again in a moment.")
                    return False
                conn.place.callback(self._heads.release)
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head is whole."""
        conn.place.close()
        receive_directly(req)
        return super().handle_request(req, conn)

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: Exception) -> None:
        """Answer what gunicorn cannot hand to the application, in one plain line instead of a page of HTML."""
        if isinstance(exc, ParseException):
            self.log.warning("A request is not HTTP: %s", ascii(str(exc))[:500])
            _answer(client, "400 Bad Request", "The request is not HTTP as it should be.")
        else:
            self.log.exception("A request failed outside the application")
            _answer(client, "500 Internal Server Error", "Internal error: the request could not be answered.")

    def notify(self) -> None:
        """Tell the first process that this one is alive; and give back the memory that requests took, now and then."""
        now = time.monotonic()
        if now < self._noticed + _NOTICE:
            return
        self._noticed = now
        super().notify()
        if self.nr != self._trimmed[1] and now > self._trimmed[0] + _TRIM:
            self._trimmed = now, self.nr
            give_memory_back()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close the connections that have been idle, or leaving, for too long."""
        super().murder_keepalived(force)
        while self._leaving and (force or self._leaving[0][0] < time.monotonic()):
            self._cut(self._leaving.popleft()[1])

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        try:
            return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + _LEFTOVERS))
        except (ParseException, OSError):
            return False  # a broken body has had its answer, and what follows it cannot be another request

    def _close(self, conn: Any, graceful: bool = False) -> None:
        """Close a connection from the loop; gracefully by reading on for a while, lest the answer be lost."""
        try:
            conn.sock.setblocking(False)
            if graceful:
                conn.sock.shutdown(socket.SHUT_WR)
                self.poller.register(conn.sock, selectors.EVENT_READ, self._read_on)
                self._leaving.append((time.monotonic() + _FAREWELL, conn.sock))
                return
        except (OSError, ValueError) as error:
            self.log.debug("The client has left: %s", error)
        conn.sock.close()

    def _read_on(self, client: socket.socket) -> None:
        try:
            if client.recv(_PEEK):
                return
        except BlockingIOError:
            return
        except OSError as error:
            self.log.debug("The client has left: %s", error)
        self._cut(client)

    def _cut(self, client: socket.socket) -> None:
        if client.fileno() >= 0:  # else it has left before its time was over
            self.poller.unregister(client)
            client.close()


def _has_whole_head(conn: Any) -> bool:
    """Whether the next request's head can be read without waiting, or the client has gone."""
    read = conn.parser.unreader.buf.getvalue() if conn.parser else b""
    try:
        waiting = conn.sock.recv(_PEEK, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b"\r\n\r\n" in read
    except OSError:
        return True
    return not waiting or b"\r\n\r\n" in read + waiting


def _answer(client: socket.socket, status: str, line: str) -> None:
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(line)}"
    if status.startswith("503"):
        head += "\r\nRetry-After: 1"
    try:
        client.sendall(f"{head}\r\n\r\n{line}".encode("ascii"))
    except OSError as error:
        logging.getLogger(__name__).debug("The client did not wait for its error: %s", error)
