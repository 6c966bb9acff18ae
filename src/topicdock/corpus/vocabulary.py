"""The vocabulary file: one word a line, the line's number from 0 being the word's id."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from topicdock.errors import CustomerError

logger = logging.getLogger(__name__)


def read_vocabulary(path: Path, feature_dim: int) -> tuple[str, ...]:
    """Read the words of a vocabulary.

    Parameters
    ----------
    path : Path
        UTF-8 text, with or without byte order mark, line ends of any system.
    feature_dim : int
        V, the number of words expected.

    Returns
    -------
    tuple of str, of length V
        Where the file has too few lines, or a blank one, the word is its id as text; lines too many are left out. A
        wrong number of lines is logged as a warning.

    Raises
    ------
    CustomerError
        If the file is not UTF-8.
    """
    return parse_vocabulary(path.read_bytes(), path.name, feature_dim)


def parse_vocabulary(data: bytes, name: str, feature_dim: int) -> tuple[str, ...]:
    """Return the words in the bytes of a vocabulary that is called `name`; see :func:`read_vocabulary`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CustomerError(
            "the vocabulary is not UTF-8 text",
            where=f"{name}, line {data.count(bytes((10,)), 0, error.start) + 1}",
            got=f"byte {data[error.start]:#04x}",
            todo="save the file as UTF-8",
        ) from error
    # Not splitlines(): that also splits at characters which a word of some languages may hold.
    words = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")]
    found = len(words) if text.strip() else 0
    if found != feature_dim:
        logger.warning(
            "%s has %d words while feature_dim is %d: %s.",
            name,
            found,
            feature_dim,
            "the missing ones are shown as their ids" if found < feature_dim else "the last ones are left out",
        )
    named = [word or str(number) for number, word in enumerate(words[:feature_dim])]
    return (*named, *map(str, range(len(named), feature_dim)))


def write_vocabulary(path: Path, words: Iterable[str]) -> None:
    """Write words as UTF-8, one a line."""
    path.write_text("".join(f"{word}\n" for word in words), encoding="utf-8", newline="\n")
