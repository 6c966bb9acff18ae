"""Requests that are text: one document a line, or in JSON under ``text``."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

import orjson

from topicdock.corpus import JSON, JSONLINES, MediaType
from topicdock.errors import CustomerError

PLAIN_TEXT = "text/plain"
_KEY = "text"
_MARK = b'"text"'


def may_hold_texts(body: bytes) -> bool:
    """Whether JSON may hold texts; sure if it does not."""
    return _MARK in body


def find_texts(body: bytes, media_type: MediaType) -> list[str] | None:
    """Return the texts of a request, or None if it holds no text.

    In plain text every line is a document, an empty one too, so that there is an answer for each; the newline at the
    end belongs to the last line. In JSON Lines empty lines are skipped, as with word counts.

    Raises
    ------
    CustomerError
        The text is not UTF-8; or some documents are text and others are not.
    """
    if media_type.name == PLAIN_TEXT:
        return _split_lines(body)
    if media_type.name not in (JSON, JSONLINES) or not may_hold_texts(body):
        return None
    content = body.removeprefix(codecs.BOM_UTF8)
    try:
        if media_type.name == JSON:
            return _take_texts(_list_instances(orjson.loads(content)), lambda index: f"instance {index + 1}")
        lines = content.split(b"\n")
        numbers = [number for number, line in enumerate(lines) if line.strip()]
        documents = [orjson.loads(lines[number]) for number in numbers]
        return _take_texts(documents, lambda index: f"line {numbers[index] + 1}")
    except orjson.JSONDecodeError:
        return None  # the decoder of counts says what is wrong with it


def _split_lines(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + body.count(b"\n", 0, error.start)
        raise CustomerError(
            "the text is not UTF-8",
            where=f"line {line}",
            got=repr(body[error.start : error.end]),
            todo="send it in UTF-8",
        ) from error
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _list_instances(parsed: Any) -> list[Any]:
    instances = parsed.get("instances", [parsed]) if isinstance(parsed, dict) else parsed
    return instances if isinstance(instances, list) else []


def _take_texts(documents: list[Any], name: Callable[[int], str]) -> list[str] | None:
    are_texts = [isinstance(document, dict) and _KEY in document for document in documents]
    if not any(are_texts):
        return None
    for index, document in enumerate(documents):
        if not are_texts[index]:
            raise CustomerError(
                "this document is not text, as others of the request are",
                where=name(index),
                allowed='{"text": "..."} for all of them, or word counts for all of them',
            )
        if not isinstance(document[_KEY], str):
            raise CustomerError(
                '"text" must be a string', where=name(index), got=repr(document[_KEY])[:60], allowed='{"text": "..."}'
            )
    return [document[_KEY] for document in documents]
