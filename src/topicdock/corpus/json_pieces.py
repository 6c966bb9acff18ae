"""A long JSON list of documents in pieces, and the sparse documents of a piece all together.

A body of 100 MB as Python objects takes more than a gigabyte, and the parser lets no other thread run before it
is done. So a list is cut between two of its elements, and each piece is parsed as a list of its own. No scanner
of nesting is needed for that: if every piece parses as a list, the pieces joined by commas are the whole list,
by JSON's grammar. A cut in the wrong place, perhaps inside a string, gives a piece that does not parse.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.corpus.json_dense import read_dense_alike
from topicdock.corpus.json_tokens import IN_LIST, Ragged, read_alike

PIECE = 1 << 20
"""Bytes of a piece, about: ten milliseconds of parsing."""

_TRIES = 4
_HEAD = re.compile(rb'\s*(\{\s*"instances"\s*:\s*)?\[\s*(?=[{\[])')
_TAILS = {True: re.compile(rb"\s*\]\s*\}\s*\Z"), False: re.compile(rb"\s*\]\s*\Z")}
_LONGEST_TAIL = 100
_BORDER = re.compile(rb"[\]}]\s*(,)\s*[\[{]")

Piece = list[Any] | Ragged
"""Documents as the parser gives them, or their numbers already put together."""

Number = TypeVar("Number", np.int64, np.float64)


class CannotCutError(ValueError):
    """The text is not JSON, or has no place to cut where one was looked for; it may still be JSON as a whole."""


def cut_instances(text: bytes, feature_dim: int) -> Iterator[Piece]:
    """Read ``{"instances": [...]}`` or a list of objects or lists, piece by piece.

    Raises
    ------
    CannotCutError
        The pieces so far are of no use; parse the text as a whole.
    """
    head = _HEAD.match(text)
    tail = head and _TAILS[head[1] is not None].search(text, max(len(text) - _LONGEST_TAIL, head.end()))
    if not head or not tail:
        raise CannotCutError
    begin, end = head.end(), tail.start()
    while end - begin > PIECE:
        piece, begin = _cut(text, begin, end, feature_dim)
        yield piece
    if begin < end:
        yield _read(text[begin:end], feature_dim)


def _cut(text: bytes, begin: int, end: int, feature_dim: int) -> tuple[Piece, int]:
    looked = begin + PIECE
    for _ in range(_TRIES):
        border = _BORDER.search(text, looked, end)
        if border is None:
            return _read(text[begin:end], feature_dim), end
        try:
            return _read(text[begin : border.start(1)], feature_dim), border.end(1)
        except CannotCutError:
            looked = border.end(1)
    raise CannotCutError


def _read(elements: bytes, feature_dim: int) -> Piece:
    text = elements.strip(b" \t\r\n")
    alike = read_alike(text, feature_dim, IN_LIST)
    if alike is None:
        alike = read_dense_alike(text, feature_dim, IN_LIST)
    return _parse(elements) if alike is None else alike


def _parse(elements: bytes) -> list[Any]:
    try:
        parsed: list[Any] = orjson.loads(b"[" + elements + b"]")
    except orjson.JSONDecodeError as error:
        raise CannotCutError from error
    if not parsed:
        raise CannotCutError  # a comma before it or behind it
    return parsed


def gather_sparse(documents: list[Any], feature_dim: int, *, may_hold_bools: bool = True) -> Ragged | None:
    """Put documents together that are all ``{"data": {"features": {"keys": .., "shape": .., "values": ..}}}``.

    Numbers are checked all at once, which takes half the time of one document after the other.

    Parameters
    ----------
    documents : list
        As the parser gives them.
    feature_dim : int
        V, the size of the vocabulary.
    may_hold_bools : bool
        Whether there may be a true or false in them, which are no word ids.

    Returns
    -------
    Ragged or None
        None if there is anything unusual about any of them, be it right or wrong.
    """
    keys: list[int] = []
    values: list[float] = []
    lengths: list[int] = []
    expected = [feature_dim]
    try:
        for document in documents:
            features = document["data"]["features"]
            ids, counts, shape = features["keys"], features["values"], features["shape"]
            if type(ids) is not list or type(counts) is not list or len(ids) != len(counts):
                return None
            if shape != expected or type(shape[0]) is not int:
                return None
            keys += ids
            values += counts
            lengths.append(len(ids))
        if may_hold_bools and bool in set(map(type, keys)):
            return None
        return _pack_numbers(values), _pack(keys, "q", np.int64), np.array(lengths, np.int64)
    except (KeyError, TypeError, OverflowError, struct.error):
        return None


def _pack_numbers(numbers: list[float]) -> NDArray[np.float64]:
    try:
        return _pack(numbers, "q", np.int64).astype(np.float64)  # a third of the time of what follows
    except struct.error:
        return _pack(numbers, "d", np.float64)


def _pack(numbers: list[Any], code: str, dtype: type[Number]) -> NDArray[Number]:
    """Return numbers as an array; struct takes no fraction for a whole number, and no text for a number.

    It takes half the time of numpy, which asks every number anew what it is.
    """
    return np.frombuffer(bytearray(struct.pack(f"{len(numbers)}{code}", *numbers)), dtype)
