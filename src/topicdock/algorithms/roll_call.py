"""Which hosts are gone, when a connection breaks: one that goes because another is gone must not be taken for it.

What a broken connection tells is an address at most, which hosts may share, and soon connections break all around. So
whoever finds one calls the roll in the leader's store before it goes itself. Every host answers, in a thread of its
own, whatever else it waits for; who does not is gone. The leader, with whom the store goes, stays until all have read
the answers: a host that finds no store has lost the leader, and nobody before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import torch.distributed

_CALLED = "roll/called"
_LOOK_SECONDS = 0.25
"""Between two looks at the store."""
_LEAST_SECONDS, _MOST_SECONDS = 1.0, 5.0
"""In which answers are waited for: the shorter time where all but one host have answered."""


class RollCall:
    """The roll of the hosts, called at most once.

    Parameters
    ----------
    address, port : str, int
        Of the leader's store.
    rank : int
        This host.
    names : sequence of str
        All hosts', by rank.
    silence : float
        Seconds after which a store that does not answer is given up.
    """

    def __init__(self, address: str, port: int, rank: int, names: Sequence[str], silence: float) -> None:
        self._rank, self._names = rank, names
        self._store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            address, port, is_master=False, timeout=timedelta(seconds=silence)
        )
        self._wanted, self._ended, self._over = threading.Event(), threading.Event(), threading.Event()
        self._gone: tuple[str, ...] = ()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Answer no more, now that no host waits for another."""
        self._ended.set()

    def call(self) -> tuple[str, ...]:
        """Return the names of the hosts that are gone, as far as that is known; this one is to end after that."""
        self._wanted.set()
        self._over.wait(2 * _MOST_SECONDS)
        if self._rank == 0:
            self._stay()
        return self._gone

    def _watch(self) -> None:
        try:
            while not self._wanted.wait(_LOOK_SECONDS) and not self._store.check([_CALLED]):
                if self._ended.is_set():
                    return
            self._gone = tuple(self._names[rank] for rank in self._await_answers())
        except RuntimeError:
            self._gone = (self._names[0],)
        self._over.set()

    def _await_answers(self) -> list[int]:
        """Answer, and return the hosts that do not."""
        self._store.set(_CALLED, "")
        self._store.set(f"roll/here/{self._rank}", "")
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began
            missing = [rank for rank in range(len(self._names)) if not self._store.check([f"roll/here/{rank}"])]
            if waited > (_LEAST_SECONDS if len(missing) == 1 else _MOST_SECONDS):
                break
            time.sleep(_LOOK_SECONDS)
        self._store.set(f"roll/told/{self._rank}", "")
        return missing

    def _stay(self) -> None:
        """Wait, as the leader, until every host that answered knows who did not."""
        end = time.monotonic() + _MOST_SECONDS
        here = [rank for rank in range(len(self._names)) if self._names[rank] not in self._gone]
        while time.monotonic() < end and not self._store.check([f"roll/told/{rank}" for rank in here]):
            time.sleep(_LOOK_SECONDS)
        time.sleep(_LOOK_SECONDS)  # for what they say to the store last
