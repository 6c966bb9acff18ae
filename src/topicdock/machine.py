"""What this machine, or the container's share of it, has to offer: cores and memory."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")
_DEVICES = Path("/dev")
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own


@dataclass(frozen=True)
class Machine:
    """Cores this process may run on, and the bytes of memory it may still take."""

    cores: int
    memory: int

    @classmethod
    def probe(cls) -> Machine:
        """Return the machine this process runs on, its control group's limits included."""
        return cls(_count_cores(), _measure_memory())


def give_memory_back() -> None:
    """Return what has been freed to the machine; the C library would keep it for later, after large requests for good.

    Does nothing where the C library cannot. (To have large arrays returned at once instead, by MALLOC_MMAP_THRESHOLD_,
    doubles the time of a large request.)
    """
    if _trim is not None:
        _trim(0)


def count_gpu_files() -> int:
    """Return how many NVIDIA GPUs the system shows this process; more than none do not mean that one can be used."""
    return sum(1 for path in _DEVICES.glob("nvidia[0-9]*"))


def _count_cores() -> int:
    cores = len(os.sched_getaffinity(0))
    # "200000 100000": 200 ms of processor time in every 100 ms; "max 100000": no limit.
    quota, _, period = _read(_GROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, round(int(quota) / int(period)))
    return max(cores, 1)


def _measure_memory() -> int:
    lines = dict(line.split(":", 1) for line in _read(_MEMORY).splitlines() if ":" in line)
    amounts = [1024 * int(lines["MemAvailable"].split()[0])] if "MemAvailable" in lines else []
    limits = (_read(_GROUP / name).strip() for name in ("memory.max", "memory/memory.limit_in_bytes"))
    amounts += [int(limit) for limit in limits if limit.isdigit()]
    return min(amounts, default=1 << 30)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
