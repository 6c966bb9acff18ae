"""Batches of work: what a process is given, and how it reads documents from it."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from topicdock.errors import CustomerError
from topicdock.prepare.newsgroups import strip_parts

FALLBACK = "cp1252"
"""What a text file is taken for that is not UTF-8."""

BINARY = "that are not text"
FALLEN_BACK = f"that are not UTF-8, read as {FALLBACK}"
_SAMPLE = 8192
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Document = tuple[str, str]
"""Name and text."""


@dataclass(frozen=True)
class ReadingRules:
    """How documents are read; as in :class:`topicdock.prepare.sources.Sources`."""

    columns: tuple[str, ...] = ("text",)
    name_column: str = ""
    encoding: str = ""
    strip: tuple[str, ...] = ()


class Batch(Protocol):
    """A part of the documents."""

    @property
    def size(self) -> int:
        """How many bytes it has, roughly."""

    def read(self, rules: ReadingRules, notes: Counter[str]) -> Iterator[Document]:
        """Yield its documents; `notes` counts files that are not as they should be."""


@dataclass(frozen=True)
class FileBatch:
    """Text files, each a document."""

    size: int
    paths: tuple[Path, ...]

    def read(self, rules: ReadingRules, notes: Counter[str]) -> Iterator[Document]:
        """Yield a document for each file that is text."""
        for path in self.paths:
            text = read_text_file(path, rules.encoding, notes)
            if text is not None:
                yield str(path), strip_parts(text, rules.strip) if rules.strip else text


@dataclass(frozen=True)
class LineBatch:
    """Lines of one file, each a document: text, or a JSON object."""

    size: int
    path: Path
    first: int
    content: bytes
    as_json: bool

    def read(self, rules: ReadingRules, notes: Counter[str]) -> Iterator[Document]:
        """Yield a document for each line that is not blank."""
        content = self.content
        if rules.encoding or not self.as_json:
            content = self._decode(rules.encoding or "utf-8-sig").encode("utf-8", "surrogatepass")
        content = content.removeprefix(codecs.BOM_UTF8) if self.first == 1 else content
        for number, line in enumerate(content.split(b"\n"), start=self.first):
            if not line.strip():
                continue
            where = f"{self.path}, line {number}"
            name, text = _read_json(line, where, rules) if self.as_json else (where, line.decode("utf-8", "replace"))
            yield name, strip_parts(text, rules.strip) if rules.strip else text

    def _decode(self, encoding: str) -> str:
        try:
            return self.content.decode(encoding)
        except UnicodeDecodeError as error:
            line = self.first + self.content.count(b"\n", 0, error.start)
            raise not_text(f"{self.path}, line {line}", encoding, self.content[error.start]) from error


@dataclass(frozen=True)
class RowBatch:
    """Documents that were read already."""

    size: int
    documents: tuple[Document, ...]

    def read(self, rules: ReadingRules, notes: Counter[str]) -> Iterator[Document]:
        """Yield them."""
        for name, text in self.documents:
            yield name, strip_parts(text, rules.strip) if rules.strip else text


def read_text_file(path: Path, encoding: str, notes: Counter[str]) -> str | None:
    """Return the text of a file; None if it is not text, which `notes` then counts.

    Raises
    ------
    CustomerError
        It cannot be read, or is not in the `encoding` that was asked for.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - half a folder's reading time would go into paths
            data = file.read()
        if str(path).lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CustomerError("the file cannot be read", where=str(path), got=str(error)) from error
    if encoding:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise not_text(str(path), encoding, data[error.start]) from error
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not marked and b"\0" in data[:_SAMPLE]:
        notes[BINARY] += 1
        return None
    try:
        return data.decode(marked or "utf-8")
    except UnicodeDecodeError:
        notes[FALLEN_BACK] += 1
        return data.decode(FALLBACK, "replace")


def not_text(where: str, encoding: str, byte: int) -> CustomerError:
    """Return the error for text in another encoding."""
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    return CustomerError(
        f"the text is not {name}",
        where=where,
        got=f"byte {byte:#04x}",
        todo="say with --encoding what it is, for example cp1252 or latin-1",
    )


def join_columns(row: dict[str, Any], where: str, rules: ReadingRules) -> Document:
    """Return name and text of a row of a table; what is null is empty.

    Raises
    ------
    CustomerError
        A column is missing or holds no text.
    """
    texts = []
    for column in rules.columns:
        if column not in row:
            raise CustomerError(
                f"there is no column {column!r}",
                where=where,
                got="columns " + ", ".join(map(repr, list(row)[:12])),
                todo="name the column that holds the text with --text-column",
            )
        value = row[column]
        if value is not None and not isinstance(value, str):
            raise CustomerError(
                f"the column {column!r} does not hold text", where=where, got=repr(value)[:60], allowed="text, or null"
            )
        texts.append(value or "")
    name = row.get(rules.name_column) if rules.name_column else None
    return where if name is None else str(name), "\n".join(texts)


def _read_json(line: bytes, where: str, rules: ReadingRules) -> Document:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CustomerError("the line is not JSON", where=where, got=str(error)) from error
    return read_item(content, where, rules)


def read_item(content: Any, where: str, rules: ReadingRules) -> Document:
    """Return name and text of a JSON object, or of a string.

    Raises
    ------
    CustomerError
        It is something else, or lacks the text.
    """
    if isinstance(content, str) and rules.columns == ("text",):
        return where, content
    if not isinstance(content, dict):
        raise CustomerError(
            "this is no JSON object", where=where, got=repr(content)[:60], allowed='{"text": "..."}, or a string'
        )
    return join_columns(content, where, rules)
