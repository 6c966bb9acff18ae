"""Newsgroup posts and mail: what is not the writer's own text goes; and the 20 Newsgroups collection."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection

from topicdock.errors import CustomerError

PARTS = ("headers", "quotes", "footers")
"""What can be stripped, in the order in which it is."""

_QUOTED = re.compile(r"(writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>)")


def strip_parts(text: str, parts: Collection[str]) -> str:
    """Return a post without those of its `parts` that are named, by scikit-learn's rules.

    headers: all before the first blank line. quotes: lines that begin with ``>`` or ``|``, and lines that announce
    a quote. footers: what follows the last blank line, or line of hyphens.
    """
    if "headers" in parts:
        text = text.partition("\n\n")[2]
    if "quotes" in parts:
        text = "\n".join(line for line in text.split("\n") if not _QUOTED.search(line))
    if "footers" in parts:
        text = _without_footer(text)
    return text


def _without_footer(text: str) -> str:
    lines = text.strip().split("\n")
    for place in range(len(lines) - 1, -1, -1):
        if not lines[place].strip().strip("-"):
            return "\n".join(lines[:place]) if place else text
    return text


def fetch_newsgroups() -> list[tuple[str, str]]:
    """Return name and text, headers and all, of every post of 20 Newsgroups, as scikit-learn downloads and keeps them.

    Raises
    ------
    CustomerError
        scikit-learn is not installed, or there is no way to the collection.
    """
    todo = "unpack the collection yourself and name its folder with --from"
    try:
        fetch = importlib.import_module("sklearn.datasets").fetch_20newsgroups
    except ImportError as error:
        raise CustomerError(
            "the package scikit-learn is not installed, which fetches 20 Newsgroups",
            todo=f"pip install scikit-learn, or {todo}",
        ) from error
    try:
        posts = fetch(subset="all", shuffle=False)
    except OSError as error:  # URLError is one
        raise CustomerError("20 Newsgroups could not be fetched", got=str(error)[:200], todo=todo) from error
    names = [f"{posts.target_names[group]}/{number}" for number, group in enumerate(posts.target)]
    return list(zip(names, posts.data, strict=True))
