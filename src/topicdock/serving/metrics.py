"""Counters of all workers together, as Prometheus reads them.

They lie in memory that the workers share. Each adds to a row of its own, as adding is not atomic between processes; the
row of a worker that died goes on with the one that replaces it, so that no counter ever goes back.

References
----------
https://prometheus.io/docs/instrumenting/exposition_formats/, the text format.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATUSES = (200, 204, 400, 404, 405, 406, 408, 409, 413, 415, 500, 503, 507)
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DOCUMENTS, _RECEIVED, _SENT, _SECONDS = range(4)
_FIRST_STATUS = 4
_FIRST_BUCKET = _FIRST_STATUS + len(_STATUSES) + 1
_COLUMNS = _FIRST_BUCKET + len(_BOUNDS) + 1


class Counters:
    """What the workers of a service have done since it started.

    Parameters
    ----------
    rows : int
        Workers that may be alive at once.
    """

    def __init__(self, rows: int) -> None:
        self._memory = mmap.mmap(-1, 8 * rows * _COLUMNS)
        self._table = np.frombuffer(self._memory, np.float64).reshape(rows, _COLUMNS)
        self._lock = threading.Lock()
        self._owners: dict[int, object] = {}
        self._row = 0

    def take_row(self, worker: object) -> None:
        """Give the worker that is about to be forked a row; called in the process that forks."""
        free = (row for row in range(len(self._table)) if row not in self._owners)
        # With all rows taken, two workers share one; they may lose a count then, no more.
        self._row = next(free, 0)
        self._owners[self._row] = worker

    def give_back(self, worker: object) -> None:
        """Take the row of a worker that has ended; called in the process that forked it."""
        self._owners = {row: owner for row, owner in self._owners.items() if owner is not worker}

    def add(self, status: int, seconds: float, documents: int, received: int, sent: int) -> None:
        """Count one request; called in a worker."""
        place = _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)
        bucket = int(np.searchsorted(_BOUNDS, seconds))
        with self._lock:
            row = self._table[self._row]
            row[_DOCUMENTS] += documents
            row[_RECEIVED] += received
            row[_SENT] += sent
            row[_SECONDS] += seconds
            row[_FIRST_STATUS + place] += 1
            row[_FIRST_BUCKET + bucket] += 1

    def show(self, models: int) -> str:
        """Return the sums over all workers, and how many models are loaded, in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines(models))

    def _lines(self, models: int) -> Iterator[str]:
        sums = self._table.sum(axis=0)
        yield from _head("topicdock_requests_total", "counter", "Requests answered, by status; no health checks.")
        for place, status in enumerate((*_STATUSES, "other")):
            yield f'topicdock_requests_total{{status="{status}"}} {sums[_FIRST_STATUS + place]:.0f}'
        yield from _head("topicdock_request_seconds", "histogram", "Seconds from a request's head to its answer's end.")
        counts = list(accumulate(sums[_FIRST_BUCKET:]))
        for bound, count in zip((*_BOUNDS, "+Inf"), counts, strict=True):
            yield f'topicdock_request_seconds_bucket{{le="{bound}"}} {count:.0f}'
        yield f"topicdock_request_seconds_sum {sums[_SECONDS]:.6f}"
        yield f"topicdock_request_seconds_count {counts[-1]:.0f}"
        for name, place, text in (
            ("documents", _DOCUMENTS, "Documents answered."),
            ("received_bytes", _RECEIVED, "Bytes of request bodies, as announced."),
            ("sent_bytes", _SENT, "Bytes of answers."),
        ):
            yield from _head(f"topicdock_{name}_total", "counter", text)
            yield f"topicdock_{name}_total {sums[place]:.0f}"
        yield from _head("topicdock_models", "gauge", "Models that are loaded.")
        yield f"topicdock_models {models}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
