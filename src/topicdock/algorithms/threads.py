"""How many threads the arithmetic uses."""

from __future__ import annotations

import os

import torch


def use_available_cores() -> int:
    """Use every core that this process may run on, which in a container can be fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    return cores
