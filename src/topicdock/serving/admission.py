"""Who may come in, and whose turn it is: what keeps a busy process answering its health check."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Places:
    """So many places, each free or taken; nobody waits for one.

    A deque's ends are safe from threads, and take a tenth of a semaphore's time, which knows how to wait.
    """

    def __init__(self, number: int) -> None:
        self._free = deque(range(number))

    def try_take(self) -> bool:
        """Take a place if there is one; whoever got it has to :meth:`give_back`."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """Leave a place that :meth:`try_take` took."""
        self._free.append(0)


class Admission:
    """A WSGI application that lets so many requests in at once, and refuses the others there and then.

    A request is inside from before its body is read until its answer is written, for all of that may be slow and takes
    a thread; the threads that are left answer the health check.

    Parameters
    ----------
    app : WSGI application
    uncounted : set of str
        Paths that are always let in, for they take no time.
    most : int
        Requests for other paths inside at once.
    refuse : callable
        Turns the error of a refused request into its answer.

    Attributes
    ----------
    places : Places
        What is held by each request that is inside.
    """

    def __init__(
        self, app: WSGIApplication, uncounted: Set[str], most: int, refuse: Callable[[Exception], WSGIApplication]
    ) -> None:
        self._app, self._uncounted, self._refuse = app, uncounted, refuse
        self.places = Places(most)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or refuse it."""
        if environ.get("PATH_INFO") in self._uncounted:
            return self._app(environ, start_response)
        if not self.places.try_take():
            return self._refuse(_busy())(environ, start_response)
        try:
            answer = self._app(environ, start_response)
        except BaseException:
            self.places.give_back()
            raise
        return ClosingIterator(answer, self.places.give_back)


class Turn:
    """One request at a time computes in each process; the others wait for their turn, within reason.

    A process has more threads than it can compute with, so that those that wait for slow clients are no loss. Computing
    one after the other answers the first request sooner and the last one no later, and needs the memory of one.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._seconds = seconds

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the turn, or raise ServiceUnavailable when it has not come after the seconds allowed."""
        if not self._lock.acquire(timeout=self._seconds):
            raise _busy()
        try:
            yield
        finally:
            self._lock.release()

    def try_take(self) -> bool:
        """Take the turn if nobody has it; whoever got it has to :meth:`give_up`."""
        return self._lock.acquire(blocking=False)

    def give_up(self) -> None:
        """End a turn that :meth:`try_take` began."""
        self._lock.release()


def _busy() -> ServiceUnavailable:
    return ServiceUnavailable("The service is busy; try again in a moment.", retry_after=1)
