"""SIGTERM: SageMaker, Docker and Spot ask a job to stop, and give it two minutes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The job was asked to stop while there was nothing yet worth saving; ``except Exception`` must not catch it."""


class StopRequest:
    """Whether the job was asked to stop.

    Until :meth:`defer` is entered a request raises :class:`Stopped` where the program stands; from then on it is
    only noted, so that training can end in good order and save what it has.
    """

    def __init__(self) -> None:
        self.requested = False
        self.raised = False
        """Whether a request has raised :class:`Stopped`."""
        self._deferred = self._held = False

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Take SIGTERM and SIGINT while the block runs. As PID 1 a process ignores them until it does so."""
        previous = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a request back while the block runs, and raise it after: for code that no exception may cut short."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.requested:
            self._raise()

    def defer(self) -> None:
        """From now on only note a request."""
        self._deferred = True

    def __call__(self) -> bool:
        """Return whether the job was asked to stop."""
        return self.requested

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not self._held:
            self._raise()

    def _raise(self) -> None:
        if not self._deferred:
            self.raised = True
            raise Stopped
