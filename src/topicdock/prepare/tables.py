"""Rows of CSV and Parquet files, one after the other."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson

from topicdock.errors import CustomerError
from topicdock.prepare.batches import Document, ReadingRules, join_columns, not_text, read_item

_PARQUET_ROWS = 1024


def read_csv_rows(path: Path, file: IO[bytes], rules: ReadingRules, delimiter: str) -> Iterator[Document]:
    """Yield the documents of a CSV file with a header line; quoted fields may hold line ends.

    Raises
    ------
    CustomerError
        Naming the row (the header is row 1) that is not CSV, or lacks a column, or is not in the encoding.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    encoding = rules.encoding or "utf-8-sig"
    number = 1
    with file, io.TextIOWrapper(file, encoding, newline="") as text:
        try:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            header = next(reader, [])
            for number, fields in enumerate(reader, start=2):
                if not fields:
                    continue
                where = f"{path}, row {number}"
                if len(fields) != len(header):
                    raise CustomerError(
                        "the row has not as many fields as the header",
                        where=where,
                        got=f"{len(fields)} fields",
                        allowed=f"{len(header)} fields",
                        todo="put text that holds commas, quotes or line ends in quotes",
                    )
                yield join_columns(dict(zip(header, fields, strict=True)), where, rules)
        except UnicodeDecodeError as error:
            raise not_text(f"{path}, after row {number}", encoding, error.object[error.start]) from error
        except csv.Error as error:
            raise CustomerError("the row is not CSV", where=f"{path}, after row {number}", got=str(error)) from error
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise CustomerError("the file cannot be read to its end", where=str(path), got=str(error)) from error


def read_json_rows(path: Path, file: IO[bytes], rules: ReadingRules) -> Iterator[Document]:
    """Yield the documents of a JSON file, a list of objects or strings; it is read whole.

    Raises
    ------
    CustomerError
        It is something else.
    """
    with file:
        try:
            content = orjson.loads(file.read())
        except orjson.JSONDecodeError as error:
            todo = "if it is a JSON object on each line, name it .jsonl or say --kind jsonlines"
            raise CustomerError("the file is not JSON", where=str(path), got=str(error), todo=todo) from error
        except (EOFError, zlib.error, OSError) as error:
            raise CustomerError("the file cannot be read to its end", where=str(path), got=str(error)) from error
    if not isinstance(content, list):
        raise CustomerError(
            "the file is no list of documents", where=str(path), allowed='[{"text": "..."}, ...]',
            todo="if it is a JSON object on each line, name it .jsonl or say --kind jsonlines",
        )  # fmt: skip
    for number, item in enumerate(content, start=1):
        yield read_item(item, f"{path}, item {number}", rules)


def read_parquet_rows(path: Path, rules: ReadingRules) -> Iterator[Document]:
    """Yield the documents of a Parquet file, row by row.

    Raises
    ------
    CustomerError
        pyarrow is not installed, the file is not Parquet, or a column is missing.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow_error = importlib.import_module("pyarrow").ArrowException
    except ImportError as error:
        raise CustomerError(
            "the package pyarrow is not installed, which reads Parquet", where=str(path), todo="pip install pyarrow"
        ) from error
    wanted = [*rules.columns, *([rules.name_column] if rules.name_column else [])]
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            join_columns(dict.fromkeys(names, ""), str(path), rules)  # complains of a missing column
            columns = [name for name in dict.fromkeys(wanted) if name in names]
            for batch in file.iter_batches(_PARQUET_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield join_columns(row, f"{path}, row {number}", rules)
    except (arrow_error, OSError) as error:
        raise CustomerError("the file is not Parquet, or is damaged", where=str(path), got=str(error)[:200]) from error
