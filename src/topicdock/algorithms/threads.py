"""How many threads the arithmetic uses."""

from __future__ import annotations

import os

import torch


def use_available_cores() -> int:
    """Use every core that this process is allowed to run on, and return how many these are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    return cores
