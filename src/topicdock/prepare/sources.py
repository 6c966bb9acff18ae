"""Where documents come from: which files, of what kind, cut into batches of work."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from topicdock.corpus.files import list_data_files
from topicdock.errors import CustomerError
from topicdock.prepare.batches import Batch, FileBatch, LineBatch, ReadingRules, RowBatch
from topicdock.prepare.newsgroups import PARTS, fetch_newsgroups
from topicdock.prepare.tables import read_csv_rows, read_json_rows, read_parquet_rows

TEXT, LINES, CSV, JSON, JSONLINES, PARQUET = KINDS = ("text", "lines", "csv", "json", "jsonlines", "parquet")
NEWSGROUPS = "20newsgroups"
_SUFFIXES = {
    ".csv": CSV, ".tsv": CSV, ".json": JSON, ".jsonl": JSONLINES, ".ndjson": JSONLINES, ".jsonlines": JSONLINES,
    ".parquet": PARQUET, ".pq": PARQUET,
}  # fmt: skip
_BATCH_BYTES = 2 << 20
_BATCH_FILES = 1000


@dataclass(frozen=True)
class Sources:
    """Files and folders with documents.

    Attributes
    ----------
    paths : tuple of Path
        Of a folder all files are read, but those whose names begin with a dot or an underscore.
    kind : str
        What every file is: ``text`` (a document a file), ``lines`` (a document a line), ``csv``, ``json`` (a list),
        ``jsonlines``, ``parquet``; empty to go by the ends of the names: ``.csv``, ``.tsv``, ``.json``, ``.jsonl``,
        ``.ndjson``, ``.parquet``, each also with ``.gz``, and text for all others.
    columns : tuple of str
        The columns of a table, or fields of a JSON line, that hold the text; several are joined.
    name_column : str
        The one that holds a document's name; empty for file and line.
    encoding : str
        Of all files; empty for UTF-8 (or UTF-16 where a byte order mark says so), and Windows-1252 for a text file
        that is neither.
    strip : tuple of str
        What is no text of a post: some of ``headers``, ``quotes``, ``footers``.
    """

    paths: tuple[Path, ...]
    kind: str = ""
    columns: tuple[str, ...] = ("text",)
    name_column: str = ""
    encoding: str = ""
    strip: tuple[str, ...] = ()

    @property
    def reading(self) -> ReadingRules:
        """What a worker needs to know to read a batch."""
        return ReadingRules(self.columns, self.name_column, self.encoding, self.strip)

    def list_files(self) -> list[Path]:
        """List all files, sorted within each folder.

        Raises
        ------
        CustomerError
            A path does not exist or cannot be read, or there is no file at all.
        """
        found: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                found += list_data_files(path)
            elif path.is_file():
                found.append(path)
            else:
                raise CustomerError("there is no such file or folder", where=str(path), todo="name one that is there")
        if not found:
            raise CustomerError(
                "there is nothing to read",
                where=", ".join(map(str, self.paths)),
                got="no file with anything in it",
                todo="name a folder with text files, or a CSV, JSON Lines or Parquet file",
            )
        return found

    def batches(self, files: list[Path]) -> Iterator[Batch]:
        """Cut `files` into batches, in their order, whatever the number of processes that will read them.

        Raises
        ------
        CustomerError
            A table cannot be read; naming file and row.
        """
        waiting: list[Path] = []
        size = 0
        for path in files:
            kind = self.kind or _guess_kind(path)
            if kind == TEXT:
                waiting.append(path)
                size += path.stat().st_size
                if size >= _BATCH_BYTES or len(waiting) >= _BATCH_FILES:
                    yield FileBatch(size, tuple(waiting))
                    waiting, size = [], 0
                continue
            if waiting:
                yield FileBatch(size, tuple(waiting))
                waiting, size = [], 0
            yield from _table_batches(path, kind, self.reading)
        if waiting:
            yield FileBatch(size, tuple(waiting))


def fetch_batches() -> list[Batch]:
    """Return 20 Newsgroups as scikit-learn fetches it, in batches."""
    posts = fetch_newsgroups()
    return [
        RowBatch(sum(len(text) for _, text in part), tuple(part))
        for part in (posts[start : start + _BATCH_FILES] for start in range(0, len(posts), _BATCH_FILES))
    ]


def newsgroups_in(folder: Path) -> Sources:
    """Return the sources of an unpacked copy of 20 Newsgroups, a folder for each group."""
    return Sources((folder,), kind=TEXT, encoding="latin-1", strip=PARTS)


def _guess_kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(name[name.rfind(".") :], TEXT) if "." in name else TEXT


def _table_batches(path: Path, kind: str, rules: ReadingRules) -> Iterator[Batch]:
    if kind in (LINES, JSONLINES):
        if re.match("utf[-_]?(16|32)", rules.encoding, re.IGNORECASE):  # a byte 10 is not always a line end there
            raise CustomerError(
                "lines are not read in this encoding", got=rules.encoding, todo="save the file as UTF-8"
            )
        with open_binary(path) as file:
            yield from _cut_lines(file, path, as_json=kind == JSONLINES)
        return
    if kind == PARQUET:
        rows = read_parquet_rows(path, rules)
    elif kind == JSON:
        rows = read_json_rows(path, open_binary(path), rules)
    else:
        delimiter = "\t" if ".tsv" in path.suffixes[-2:] else ","
        rows = read_csv_rows(path, open_binary(path), rules, delimiter)
    part: list[tuple[str, str]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row[1])
        if size >= _BATCH_BYTES:
            yield RowBatch(size, tuple(part))
            part, size = [], 0
    if part:
        yield RowBatch(size, tuple(part))


def _cut_lines(file: IO[bytes], path: Path, *, as_json: bool) -> Iterator[Batch]:
    """Cut a file where lines end, so that workers parse them; an unfinished last line is a line."""
    first, pieces, size = 1, [], 0
    try:
        while block := file.read(_BATCH_BYTES):
            end = block.rfind(b"\n") + 1
            if not end:  # a line longer than a block
                pieces.append(block)
                continue
            content = b"".join([*pieces, block[:end]])
            yield LineBatch(len(content), path, first, content, as_json)
            first += content.count(b"\n")
            pieces = [block[end:]]
        content = b"".join(pieces)
        size = len(content)
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise CustomerError("the file cannot be read to its end", where=str(path), got=str(error)) from error
    if size:
        yield LineBatch(size, path, first, content, as_json)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, unpacking it if its name ends with ``.gz``.

    Raises
    ------
    CustomerError
        It cannot be opened.
    """
    try:
        return io.BufferedReader(gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")
    except OSError as error:
        raise CustomerError("the file cannot be read", where=str(path), got=error.strerror or str(error)) from error
