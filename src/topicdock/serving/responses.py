"""Response bodies: which type the client accepts, and topic proportions written in that type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.corpus import JSON, JSONLINES, RECORDIO, encode_label_vectors, parse_media_type

Floats = NDArray[np.float32]

# orjson writes the shortest decimal that is the same float32, so that no digit of the model's answer is lost.
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def encode_json(key: str, theta: Floats) -> bytes:
    """Return ``{"predictions": [{key: [...]}, ...]}`` with one prediction for each row of `theta`, shape (D, K)."""
    return orjson.dumps({"predictions": [{key: row} for row in np.ascontiguousarray(theta)]}, option=_OPTIONS)


def encode_jsonlines(key: str, theta: Floats) -> bytes:
    """Return one line ``{key: [...]}`` for each row of `theta`, shape (D, K).

    The last line has no newline: batch transform (AssembleWith=Line) adds one after each response, and a second would
    leave an empty line between the records.
    """
    return b"\n".join(orjson.dumps({key: row}, option=_OPTIONS) for row in np.ascontiguousarray(theta))


ENCODERS: Mapping[str, Callable[[str, Floats], bytes]] = {
    JSON: encode_json,
    JSONLINES: encode_jsonlines,
    RECORDIO: encode_label_vectors,
}
"""How topic proportions are written in each response type; called with the response key and theta (D, K)."""

RESPONSE_TYPES: tuple[str, ...] = tuple(ENCODERS)


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
