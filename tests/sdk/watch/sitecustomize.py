"""Loaded by every Python started with this folder on PYTHONPATH: it may speak to this machine alone.

Each address is written to the file that WATCH_LOG names, and any but loopback and Unix sockets is refused.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Any

_LOG = os.environ["WATCH_LOG"]


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in ("localhost", "")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        # A tuple is a host and a port; a Unix socket has a path, which stays on this machine.
        host = str(address[0]) if isinstance(address, tuple) else "localhost"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex"):
        name = arguments[0] or ""
        host = name.decode() if isinstance(name, bytes) else str(name)
    else:
        return
    with open(_LOG, "a") as log:  # noqa: PTH123 - pathlib is not worth importing before every program
        log.write(f"{host}\n")
    if not _is_here(host):
        raise PermissionError(f"{event}: {host} is not this machine")


sys.addaudithook(_watch)
