"""How many threads the arithmetic uses.

A second thread that sleeps takes some 35 us to wake, and most operations of a step of NTM take less than that by
themselves. Where threads spin instead they are there at once, but take cores from those that work. So a step runs on
one core, but for its large operations, which are most of its time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from threadpoolctl import threadpool_limits

_LARGE = 1 << 18
"""Numbers from which on an operation is quicker on several cores: it takes 100 us or more on one."""
_given_up: ContextVar[int] = ContextVar("_given_up", default=0)
"""Inside of :func:`one_thread`, how many threads there were before; 0 elsewhere."""


def use_available_cores(processes: int = 1) -> int:
    """Use every core that this process is allowed to run on, and return how many these are.

    So many processes share them, this one among them, and each uses its part.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = max(1, cores // processes)
    torch.set_num_threads(cores)
    return cores


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on one core while in this context, but for what is in :func:`threads_for`.

    Within another such context it changes nothing: the threads have been given up already.
    """
    if _given_up.get():
        yield
        return
    threads = torch.get_num_threads()
    token = _given_up.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _given_up.reset(token)


@contextmanager
def threads_for(numbers: int) -> Iterator[None]:
    """Take back the threads that :func:`one_thread` gave up, if what is done here is worth it.

    Parameters
    ----------
    numbers : int
        How many numbers an operation is about, one that takes about half a nanosecond for each.
    """
    available, present = _given_up.get(), torch.get_num_threads()
    if available <= present or numbers < _LARGE:
        yield
        return
    torch.set_num_threads(available)
    try:
        yield
    finally:
        torch.set_num_threads(present)


def side_by_side(tasks: Sequence[Callable[[], None]], numbers: int) -> None:
    """Do some things in any order, on all the cores that :func:`one_thread` gave up if that is worth it, each on one.

    Many operations on blocks of a core's cache are so done on several cores, with threads that are woken once.

    Parameters
    ----------
    numbers : int
        What all tasks together are about, as for :func:`threads_for`.
    """
    others = min(_given_up.get(), len(tasks)) - 1
    if others < 1 or numbers < _LARGE:
        for task in tasks:
            task()
        return
    waiting = iter(tasks)  # whose next one is one thread's alone

    def work() -> None:
        for task in waiting:
            task()

    helpers = [_helpers(_given_up.get() - 1).submit(work) for _ in range(others)]
    token = _given_up.set(0)  # or what this thread does would take back the cores that the helpers are on
    try:
        work()
    finally:
        _given_up.reset(token)
        wait(helpers)
    for helper in helpers:
        helper.result()


@cache
def _helpers(number: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(number, initializer=_stay_on_one_core)


def _stay_on_one_core() -> None:
    torch.get_num_threads()  # a thread of its own takes over what others have, when it first asks, once
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # threads do not come along


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep numpy's and scipy's linear algebra on one core while in this context.

    Its threads spin while they wait for each other: where cores are shared, a factorisation of a thin matrix takes
    twenty times as long on two threads as on one. torch, whose threads sleep, is left alone.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
