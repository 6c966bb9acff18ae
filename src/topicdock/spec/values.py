"""Hyperparameters arrive as strings that four different clients wrote; these functions read them all alike.

The same value reaches a container as ``"[60, 40]"`` (``str`` or ``json.dumps`` of a list), ``"60,40"`` (the
documentation's spelling), ``"\"60,40\""`` (JSON-encoded once more), or ``"[\"6\", \"0\", ...]"`` (a string that
SageMaker's NTM class took for a list of characters). Numbers and booleans have as many spellings.
"""

from __future__ import annotations

import json
import math
from typing import Any


def unwrap(value: Any) -> Any:
    """Return `value` without the JSON quotes that some clients put around strings; other values as they are."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) >= 2 and text[0] == text[-1] == '"':
            try:
                return unwrap(json.loads(text))
            except (ValueError, RecursionError):
                return text
        return text
    return value


def parse_int(value: Any) -> int:
    """Parse an integer: ``"50"``, ``"50.0"``, ``"1e3"``, 50. Raises ValueError on anything else."""
    value = unwrap(value)
    if isinstance(value, bool):
        raise ValueError("an integer")
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            value = parse_float(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("an integer")
    try:
        return int(value)
    except (TypeError, OverflowError) as error:
        raise ValueError("an integer") from error


def parse_auto(value: Any) -> int | None:
    """Parse an integer or the word ``auto``, which is None. Raises ValueError on anything else."""
    if value is None or str(unwrap(value)).lower() == "auto":
        return None
    return parse_int(value)


def parse_auto_float(value: Any) -> float | None:
    """Parse a number or the word ``auto``, which is None. Raises ValueError on anything else."""
    if value is None or str(unwrap(value)).lower() == "auto":
        return None
    return parse_float(value)


def parse_float(value: Any) -> float:
    """Parse a number: ``"1e-06"``, ``"Inf"``, ``"Infinity"``, 0.5. Raises ValueError on NaN and anything else."""
    value = unwrap(value)
    if isinstance(value, bool):
        raise ValueError("a number")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError("a number") from error
    if math.isnan(number):
        raise ValueError("a number")
    return number


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def parse_bool(value: Any) -> bool:
    """Parse a truth value: ``"True"``, ``"true"``, ``"1"``, ``"yes"``, True, and their opposites."""
    value = unwrap(value)
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[str(value).lower()]
    except KeyError as error:
        raise ValueError("true or false") from error


def parse_auto_bool(value: Any) -> str:
    """Parse a truth value or the word ``auto``; return ``true``, ``false`` or ``auto``."""
    if str(unwrap(value)).lower() == "auto":
        return "auto"
    return str(parse_bool(value)).lower()


def parse_word(value: Any) -> str:
    """Parse one of a set of words, in any case."""
    value = unwrap(value)
    if not isinstance(value, str):
        raise ValueError("a word")
    return value.lower()


def parse_sizes(value: Any) -> tuple[int, ...] | str:
    """Parse layer sizes, ``"60,40"`` or ``"[60, 40]"``, or the words ``auto`` and ``wide``.

    Raises ValueError on anything else.
    """
    value = unwrap(value)
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("sizes") from error
    if isinstance(value, list | tuple) and "," in value:  # SageMaker's NTM class made list("60,40") of a string
        value = "".join(map(str, value))
    if isinstance(value, str):
        if value.lower() in ("auto", "wide"):
            return value.lower()
        value = value.strip("() ").removesuffix(",").split(",")
    elif not isinstance(value, list | tuple):
        value = [value]
    if not value:
        raise ValueError("sizes")
    return tuple(parse_int(item) for item in value)
