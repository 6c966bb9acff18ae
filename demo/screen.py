# This is the one file of the demo that prints.
# ruff: noqa: T201
"""Where the demo prints: steps, lines and progress, on a terminal or into a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from demo.job import Progress

_SECONDS_BETWEEN_LINES = 5.0
# Given, because tqdm shows nothing on terminals that do not know their size.
_COLUMNS, _ROWS = 100, 24


def say(lines: str | Iterable[str] = "") -> None:
    """Print a line, or lines."""
    for line in [lines] if isinstance(lines, str) else lines:
        print(line.rstrip(), flush=True)


def say_step(title: str) -> None:
    """Begin a step of the demo."""
    say()
    say(f"── {title} ".ljust(_COLUMNS, "─") if sys.stdout.isatty() else f"== {title}")


@contextmanager
def counting(total: int, unit: str) -> Iterator[Callable[[], object]]:
    """Show a bar while things are counted; nothing where output is no terminal."""
    with tqdm(
        total=total, unit=unit, leave=False, disable=not sys.stdout.isatty(),
        ncols=_COLUMNS, nrows=_ROWS, file=sys.stdout,
    ) as bar:  # fmt: skip
        yield bar.update


@contextmanager
def following() -> Iterator[Callable[[Progress], None]]:
    """Show how training proceeds: a bar on a terminal, else a line every few seconds."""
    began = shown = time.monotonic()
    if not sys.stdout.isatty():

        def print_line(progress: Progress) -> None:
            nonlocal shown
            now = time.monotonic()
            if progress.epoch == 1 or progress.percent >= 100 or now - shown >= _SECONDS_BETWEEN_LINES:
                shown = now
                say(f"   {progress.percent:>3.0f} % of epochs  {now - began:>4.0f} s  {describe(progress)}")

        yield print_line
        return
    layout = "   {percentage:3.0f} % |{bar:25}| {elapsed}, {remaining} left{postfix}"
    with tqdm(total=100.0, bar_format=layout, ncols=_COLUMNS, nrows=_ROWS, file=sys.stdout) as bar:

        def move_bar(progress: Progress) -> None:
            bar.set_postfix_str(describe(progress), refresh=False)
            bar.update(progress.percent - bar.n)

        yield move_bar


def describe(progress: Progress) -> str:
    """Say in words how far training is."""
    return f"epoch {progress.epoch:<3} loss {progress.train_loss:.3f}, validation {progress.validation_loss:.3f}"
