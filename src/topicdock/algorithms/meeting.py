"""How the processes of a job find each other: network interface, address, and the store of the leader.

Most hosts train in one process, those with several GPUs in one for each. A host's processes are numbered from 0, its
places; those of all hosts host by host, their ranks. How many another host has shows when they meet.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch.distributed

from topicdock.algorithms.hosts import Seat
from topicdock.errors import PlatformError

LOOPBACK, LOOPBACK_ADDRESS = "lo", "127.0.0.1"
_RESOLVE_SECONDS = 300.0
_RETRY_SECONDS = 1.0
_logger = logging.getLogger(__name__)


def open_store(address: str, port: int, leads: bool, listener: int | None, seconds: float) -> Any:
    """Return the leader's store, once it can be reached.

    Raises
    ------
    RuntimeError
        It cannot within so many seconds, or the port is in use.
    """
    return torch.distributed.TCPStore(  # type: ignore[attr-defined]
        address, port, None, leads, timedelta(seconds=seconds), wait_for_workers=False, master_listen_fd=listener
    )


def count_processes(store: Any, host: int, hosts: int, seat: Seat) -> tuple[int, ...]:
    """Tell the others how many processes this host, number `host` of so many, has; return how many each host has."""
    if seat.place == 0:
        store.set(f"processes/{host}", str(seat.size))
    return tuple(int(store.get(f"processes/{other}")) for other in range(hosts))


def name_processes(hosts: Sequence[str], processes: Sequence[int]) -> Iterator[str]:
    """Yield what each process is called, by rank: its host alone, where that has no other."""
    for name, number in zip(hosts, processes, strict=True):
        for place in range(number):
            yield name if number == 1 else f"{name} (process {place + 1} of {number})"


def choose_interface(interface: str) -> None:
    """Have gloo use `interface` if there is one of that name."""
    present = [name for _, name in socket.if_nameindex()]
    if interface in present:
        os.putenv("GLOO_SOCKET_IFNAME", interface)  # where gloo, which is no Python, looks
        os.putenv("NCCL_SOCKET_IFNAME", f"={interface}")  # of just this name; without the sign, of names that begin so
    elif interface:
        _logger.warning(
            "There is no network interface %s (%s); the one that this host's name leads to is used.",
            interface, ", ".join(present),
        )  # fmt: skip


def resolve(name: str) -> str:
    """Return the address of a host, which may not be known at once.

    Raises
    ------
    PlatformError
        It is not within five minutes.
    """
    end = time.monotonic() + _RESOLVE_SECONDS
    while True:
        addresses = _addresses(name)
        if addresses:
            return addresses[0]
        if time.monotonic() > end:
            raise PlatformError(f"The host {name} could not be resolved within {_RESOLVE_SECONDS:.0f} seconds.")
        time.sleep(_RETRY_SECONDS)


def _addresses(name: str) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)]
    except OSError:
        return []
