"""Where a person waits: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows how far something is, and how long it will take yet.

    On a terminal it is a bar; elsewhere a line on standard error every ten seconds, so that a short wait says nothing.
    """

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._what = ""
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def show(self, what: str, done: int, whole: int, *, unit: str = "", note: str = "") -> None:
        """Show that `done` of `whole` of something are done; `unit` is ``B`` for bytes, `note` is what else to say."""
        if what != self._what:
            self._close()
            self._what = what
            self._began = self._said = time.monotonic()
        if sys.stderr.isatty():
            self._draw(done, whole, unit, note)
        elif done < whole and time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            left = (self._said - self._began) / max(done, 1) * (whole - done)
            parts = [f"{what}: {100 * done / max(whole, 1):.0f} %", f"about {say_seconds(left)} left", note]
            print(", ".join(filter(None, parts)), file=sys.stderr, flush=True)

    def _draw(self, done: int, whole: int, unit: str, note: str) -> None:
        bar = self._bar
        if bar is None:
            bar = self._bar = tqdm(desc=self._what, unit=unit or "it", unit_scale=True, leave=False, dynamic_ncols=True)
        bar.total = whole
        if note:
            bar.set_postfix_str(note, refresh=False)
        bar.update(done - bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say_seconds(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``3 min``, ``2 h 10 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
