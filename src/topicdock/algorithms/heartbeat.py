"""Whether the other hosts are still there: one that is gone without a word leaves a connection that waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import torch.distributed

BEATS = 6
"""In the time after which a silent host is given up."""


class Heartbeat:
    """Says, and asks, every few seconds who is there; in threads of its own, until :meth:`stop`.

    Every host counts up a number in the leader's store, and looks at those of the others. A store that does not answer
    is the leader's silence.

    Parameters
    ----------
    address, port : str, int
        Of the leader's store.
    rank : int
        This host.
    names : sequence of str
        All hosts', by rank.
    silence : float
        Seconds after which a silent host is given up.
    given_up : callable
        Told the name of the host that is, once.
    """

    def __init__(
        self, address: str, port: int, rank: int, names: Sequence[str], silence: float, given_up: Callable[[str], None]
    ) -> None:
        self._rank, self._names, self._silence, self._given_up = rank, names, silence, given_up
        self._store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            address, port, is_master=False, timeout=timedelta(seconds=silence)
        )
        self._ended = threading.Event()
        self._answered = time.monotonic()
        for work in (self._beat, self._watch_store):
            threading.Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Say and ask nothing more, now that no host waits for another."""
        self._ended.set()

    def _beat(self) -> None:
        number, interval = 0, self._silence / BEATS
        heard = {rank: ("", time.monotonic()) for rank in range(len(self._names)) if rank != self._rank}
        while not self._ended.wait(interval):
            number += 1
            try:
                self._store.set(self._key(self._rank), str(number))
                told = {rank: self._store.get(self._key(rank)).decode() for rank in heard if self._spoke(rank)}
            except RuntimeError:  # the leader's silence, or its end; the thread that watches the store tells
                continue
            now = self._answered = time.monotonic()
            for rank, (last, since) in heard.items():
                if told.get(rank, "") != last:
                    heard[rank] = told[rank], now
                elif now - since > self._silence:
                    self._give_up(rank)

    def _watch_store(self) -> None:
        # Between two looks this host itself may have been stopped, and the store could not be asked meanwhile.
        while not self._ended.wait(self._silence / BEATS):
            if self._rank and time.monotonic() - self._answered > self._silence:
                self._give_up(0)

    def _spoke(self, rank: int) -> bool:
        return bool(self._store.check([self._key(rank)]))

    def _give_up(self, rank: int) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._given_up(self._names[rank])

    @staticmethod
    def _key(rank: int) -> str:
        return f"beat/{rank}"
