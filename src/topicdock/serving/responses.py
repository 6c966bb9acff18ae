"""Response bodies: which type the client accepts, and topic proportions written in that type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.corpus import JSON, JSONLINES, RECORDIO, encode_label_vectors, parse_media_type

Floats = NDArray[np.float32]

# orjson writes the shortest decimal that is the same float32, so that no digit of the model's answer is lost.
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


Extras = Iterable[Mapping[str, Any]]
"""What the prediction of each document holds beside its topic proportions; endless where that is nothing."""

NOTHING: Extras = repeat({})


def encode_json(key: str, theta: Floats, extras: Extras = NOTHING) -> bytes:
    """Return ``{"predictions": [{key: [...]}, ...]}`` with one prediction for each row of `theta`, shape (D, K)."""
    if extras is NOTHING:
        # All rows are written at once, and what stands round each is put there afterwards: two thirds of the time.
        rows = orjson.dumps(np.ascontiguousarray(theta), option=_OPTIONS)[1:-1]
        opening = b"{" + orjson.dumps(key) + b":["
        return b'{"predictions":[' + rows.replace(b"]", b"]}").replace(b"[", opening) + b"]}"
    return b'{"predictions":[' + b",".join(_dump_each(key, theta, extras)) + b"]}"


def encode_jsonlines(key: str, theta: Floats, extras: Extras = NOTHING) -> bytes:
    """Return one line ``{key: [...]}`` for each row of `theta`, shape (D, K).

    The last line has no newline: batch transform (AssembleWith=Line) adds one after each response, and a second would
    leave an empty line between the records.
    """
    return b"\n".join(_dump_each(key, theta, extras))


def _dump_each(key: str, theta: Floats, extras: Extras) -> Iterator[bytes]:
    # One by one, as extras are large: all of them as objects would take more memory, and time to keep, than as text.
    return (orjson.dumps(prediction, option=_OPTIONS) for prediction in _predict(key, theta, extras))


def _predict(key: str, theta: Floats, extras: Extras) -> Iterator[dict[str, Any]]:
    return ({key: row, **extra} for row, extra in zip(np.ascontiguousarray(theta), extras, strict=False))


def _encode_records(key: str, theta: Floats, _: Extras = NOTHING) -> bytes:
    return encode_label_vectors(key, theta)  # a Record has no place for more


ENCODERS: Mapping[str, Callable[..., bytes]] = {
    JSON: encode_json,
    JSONLINES: encode_jsonlines,
    RECORDIO: _encode_records,
}
"""How answers are written in each response type: ``encode(response_key, theta, extras)``, theta of shape (D, K)."""

RESPONSE_TYPES: tuple[str, ...] = tuple(ENCODERS)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_LONGEST_ATTRIBUTES = 1024


def returned_attributes(attributes: str) -> str:
    """Return which custom attributes of a request come back with its answer: all, or none."""
    # SageMaker allows visible ASCII only; anything else was not its doing and is not handed back.
    returned = len(attributes) <= _LONGEST_ATTRIBUTES and attributes.isascii() and attributes.isprintable()
    return attributes if returned else ""


@dataclass(frozen=True)
class _Range:
    """One element of an Accept header: ``application/*; q=0.5``."""

    pattern: str
    quality: float
    position: int

    def matches(self, media_type: str) -> bool:
        main, _, sub = self.pattern.partition("/")
        return self.pattern in (media_type, "*/*") or (sub == "*" and media_type.startswith(main + "/"))

    @property
    def precision(self) -> int:
        return 0 if self.pattern == "*/*" else 1 if self.pattern.endswith("/*") else 2


def choose_response_type(accept: str | None, default: str) -> str | None:
    """Return the response type that an Accept header prefers, or None if it allows none of them.

    Parameters
    ----------
    accept : str or None
        The header as it came; missing or empty means anything.
    default : str
        What is preferred among types that the client holds equal.

    Notes
    -----
    By RFC 9110, section 12.5.1: the most precise range that matches a type gives the type's quality. Among types of
    equal quality the one that is named precisely wins, then the one that is named first, then `default`.
    """
    ranges = list(_parse_accept(accept or ""))
    if not ranges:
        return default
    best, best_rank = None, (0.0, 0, 0, 0)
    for media_type in RESPONSE_TYPES:
        matching = [candidate for candidate in ranges if candidate.matches(media_type)]
        if not matching:
            continue
        chosen = max(matching, key=lambda candidate: (candidate.precision, -candidate.position))
        rank = (chosen.quality, chosen.precision, -chosen.position, int(media_type == default))
        if chosen.quality > 0 and (best is None or rank > best_rank):
            best, best_rank = media_type, rank
    return best


def wants_explanation(accept: str | None, response_type: str) -> bool:
    """Whether an Accept header names the response type with ``verbose=true``."""
    parsed = (parse_media_type(element) for element in (accept or "").split(","))
    return any(
        media_type.name in (response_type, "*/*") and media_type.parameters.get("verbose", "").lower() == "true"
        for media_type in parsed
    )


def _parse_accept(text: str) -> Iterator[_Range]:
    for position, element in enumerate(text.split(",")):
        media_type = parse_media_type(element)
        if media_type.name:
            pattern = "*/*" if media_type.name == "*" else media_type.name
            yield _Range(pattern, _parse_quality(media_type.parameters.get("q", "1")), position)


def _parse_quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        quality = math.nan
    # A quality that is no number says nothing; the type was named all the same.
    return 1.0 if math.isnan(quality) else min(max(quality, 0.0), 1.0)
