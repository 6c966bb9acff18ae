"""Pipe mode: SageMaker writes a channel's objects, end to end, into a FIFO for each pass over them.

The n-th pass is ``<channel>_<n>``, counted from 0. A FIFO may appear late, and its writer later still; a reader may
close it early, and need not open the next one.
"""

from __future__ import annotations

import logging
import os
import select
import time
from pathlib import Path
from typing import BinaryIO

from topicdock.errors import PlatformError

_APPEAR_SECONDS = 300.0
_RETRY_SECONDS = 0.1
_SAY_SECONDS = 60.0
"""Between two lines in the log that say what is waited for."""
_logger = logging.getLogger(__name__)


def open_pipe(path: Path) -> BinaryIO:
    """Open a channel's FIFO, once its writer has come.

    Raises
    ------
    PlatformError
        There is no FIFO after five minutes.
    """
    descriptor = _open(path)
    try:
        _wait_for_writer(descriptor, path)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _open(path: Path) -> int:
    began = time.monotonic()
    said = 0.0
    while True:
        try:
            # Opening it for good waits for the writer where nothing could be said about it.
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            waited = time.monotonic() - began
        except OSError as error:
            raise PlatformError(f"The pipe {path} could not be opened: {error.strerror or error}.") from error
        if waited > _APPEAR_SECONDS:
            raise PlatformError(
                f"There is no pipe {path} after {waited:.0f} seconds, though the channel's input mode is Pipe."
            )
        if waited >= said:
            _logger.info("Waiting for the pipe %s.", path)
            said = waited + _SAY_SECONDS
        time.sleep(_RETRY_SECONDS)


def _wait_for_writer(descriptor: int, path: Path) -> None:
    """Wait for data, or for a writer that leaves without any: before one has come, reading finds an end at once."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not poll.poll(1000 * _SAY_SECONDS):
        _logger.info("Waiting for data in the pipe %s.", path)
