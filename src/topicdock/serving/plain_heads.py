"""Heads of requests that leave nothing to ask, recognised without the web server's parser.

Whatever is odd about a head, be it right or wrong, is for that parser to judge: here it is not recognised. So nothing
that it refuses may pass, and what passes must mean the same to both; ``tests/serving/test_immediate.py`` holds them
side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

LONGEST_HEAD = 1 << 12
"""Bytes of a head that is looked at: longer ones are rare, and of no interest to who wants to be fast."""

HEAD_END = b"\r\n\r\n"

_PATH = rb"/[a-z]+|/models/[0-9A-Za-z._-]{1,200}/invoke"
_HEAD = re.compile(rb"([A-Z]{3,7}) (" + _PATH + rb") HTTP/1\.1\r\n((?:[0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n){1,50})\r\n")
_LENGTH = re.compile(r"[0-9]{1,9}")

_DECISIVE = frozenset({
    "EXPECT", "TE", "TRAILER", "TRANSFER-ENCODING", "UPGRADE", "CONTENT-ENCODING", "HTTP2-SETTINGS",
    "X-FORWARDED-PROTO", "X-FORWARDED-PROTOCOL", "X-FORWARDED-SSL",
})  # fmt: skip
"""Headers that say how to read what follows, or who asks: not for here."""


@dataclass(frozen=True)
class Head:
    """What a plain head says.

    Attributes
    ----------
    method, path : str
    length : int
        Bytes of the body.
    headers : mapping of str to str
        Names in upper case; no name came twice.
    """

    method: str
    path: str
    length: int
    headers: Mapping[str, str]

    @cached_property
    def environ(self) -> Mapping[str, Any]:
        """What there would be of it in a WSGI environment, as far as it is logged."""
        return {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "CONTENT_LENGTH": self.headers.get("CONTENT-LENGTH"),
            "CONTENT_TYPE": self.headers.get("CONTENT-TYPE", ""),
            "HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID": self.headers.get("X-AMZN-SAGEMAKER-INFERENCE-ID", ""),
        }

    @cached_property
    def model(self) -> str | None:
        """The name of the model that is to answer, where the path says one."""
        return self.path[len("/models/") : -len("/invoke")] if self.path.startswith("/models/") else None


@lru_cache(maxsize=256)
def recognise(head: bytes) -> Head | None:
    """Return what a head says, its empty line included; None if there is any doubt about it.

    A client's heads are alike, so that most of them have been recognised before.
    """
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    method, path, lines = (part.decode("ascii") for part in match.groups())
    headers: dict[str, str] = {}
    for line in lines.split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        headers[name.upper()] = value.strip("\t ")
    if len(headers) != lines.count("\r\n") or not _DECISIVE.isdisjoint(headers):
        return None
    if "HOST" not in headers or headers.get("CONNECTION", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("CONTENT-LENGTH", "0")
    return Head(method, path, int(length), headers) if _LENGTH.fullmatch(length) else None
