"""Processes that read and count batches, each into a chunk on disk."""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

from topicdock.errors import PlatformError
from topicdock.prepare.batches import Batch, ReadingRules
from topicdock.prepare.spool import count_batch, write_chunk
from topicdock.text import TextRules, Tokenizer


class Counted(NamedTuple):
    """A batch that was counted: where its chunk lies, its size in bytes, files that were not as they should be."""

    path: Path
    size: int
    notes: Counter[str]


def count_batches(
    batches: Iterable[Batch], rules: ReadingRules, text_rules: TextRules, spool: Path, processes: int
) -> Iterator[Counted]:
    """Count batches, and yield what came of them in their order.

    Parameters
    ----------
    spool : Path
        The folder for the chunks.
    processes : int
        0 is one for each core; 1 counts in this process.

    Raises
    ------
    CustomerError
        A document cannot be read.
    PlatformError
        A process was killed.
    """
    numbered = ((spool / f"chunk-{number:06}", batch) for number, batch in enumerate(batches))
    processes = processes or len(os.sched_getaffinity(0))
    if processes == 1:
        tokenizer = Tokenizer(text_rules)
        yield from (_count(path, batch, rules, tokenizer) for path, batch in numbered)
        return
    waiting: deque[Future[Counted]] = deque()
    with _pool(processes, rules, text_rules) as pool:
        for path, batch in numbered:
            waiting.append(pool.submit(_work, path, batch))
            if len(waiting) > 2 * processes:  # no more in memory than keeps everyone busy
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _pool(processes: int, rules: ReadingRules, text_rules: TextRules) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(processes, initializer=_start_worker, initargs=(rules, text_rules))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise PlatformError(
            "A process that counted words was killed, most likely for want of memory; use fewer with --processes."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What a process that counts keeps from batch to batch."""

    rules: ReadingRules
    tokenizer: Tokenizer


def _start_worker(rules: ReadingRules, text_rules: TextRules) -> None:
    _Worker.rules, _Worker.tokenizer = rules, Tokenizer(text_rules)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nobody else would."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(path: Path, batch: Batch) -> Counted:
    return _count(path, batch, _Worker.rules, _Worker.tokenizer)


def _count(path: Path, batch: Batch, rules: ReadingRules, tokenizer: Tokenizer) -> Counted:
    chunk, notes = count_batch(batch, rules, tokenizer)
    write_chunk(path, chunk)
    return Counted(path, batch.size, notes)
