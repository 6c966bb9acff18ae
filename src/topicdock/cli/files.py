"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from topicdock.errors import PlatformError

_PERMISSIONS = 0o666


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write; it gets the name `path` when the block is left, unless by an exception.

    Raises
    ------
    PlatformError
        It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as temporary:
            try:
                yield temporary
                temporary.flush()
                Path(temporary.name).chmod(_PERMISSIONS & ~_umask())
                Path(temporary.name).replace(path)
            except BaseException:
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise PlatformError(f"{path} could not be written: {error.strerror or error}.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file."""
    with writing(path) as file:
        file.write(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
