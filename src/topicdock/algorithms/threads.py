"""How many threads the arithmetic uses."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import torch
from threadpoolctl import threadpool_limits


def use_available_cores() -> int:
    """Use every core that this process is allowed to run on, and return how many these are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    return cores


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep numpy's and scipy's linear algebra on one core while in this context.

    Its threads spin while they wait for each other: where cores are shared, a factorisation of a thin matrix takes
    twenty times as long on two threads as on one. torch, whose threads sleep, is left alone.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
