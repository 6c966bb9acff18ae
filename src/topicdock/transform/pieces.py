"""Documents from files, a piece at a time, so that a file may be larger than memory."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scipy.sparse import csr_matrix

from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, MediaType, decode_counts
from topicdock.corpus.csv_columns import find_columns
from topicdock.corpus.recordio import HEADER_SIZE, LONGEST_PART, MAGIC_BYTES, WHOLE
from topicdock.errors import CustomerError
from topicdock.prepare import Sources
from topicdock.text import Tokenizer, count_texts

PIECE = 8 << 20
"""Bytes that are read at a time."""

_LONGEST = LONGEST_PART + HEADER_SIZE + 4
_LAST = 3
"""The flag of the last part of a record; see topicdock.corpus.recordio."""


@dataclass(frozen=True)
class Piece:
    """Some documents: their counts, shape (D, V), their names if they have any, and how many bytes they took."""

    counts: csr_matrix
    names: list[str] | None
    size: int


def read_counts_in_pieces(path: Path, media_type: MediaType, feature_dim: int) -> Iterator[Piece]:
    """Read the documents of a file; one whose name ends with ``.gz`` is unpacked.

    JSON is read in one piece, as its brackets close at the end; the three other formats by and by.

    Raises
    ------
    CustomerError
        Naming the file, how many documents came before, and the record, row or line after them.
    """
    done = 0
    try:
        with _open(path) as file:
            for body in _cut(file, media_type, path):
                if media_type.name == CSV:
                    media_type = _with_label_size(body, media_type, feature_dim)
                counts = decode_counts(body, media_type, feature_dim)
                done += counts.shape[0]
                yield Piece(counts, None, len(body))
    except CustomerError as error:
        raise error.inside(f"{path}, after {done} documents" if done else str(path)) from error
    except (EOFError, zlib.error, OSError) as error:
        raise CustomerError("the file cannot be read to its end", where=str(path), got=str(error)) from error


def read_texts_in_pieces(
    sources: Sources, files: list[Path], vocabulary: tuple[str, ...], tokenizer: Tokenizer, notes: Counter[str]
) -> Iterator[Piece]:
    """Read texts and count their words; `notes` counts files that are not as they should be."""
    for batch in sources.batches(files):
        documents = list(batch.read(sources.reading, notes))
        counts, _ = count_texts((text for _, text in documents), vocabulary, tokenizer)
        yield Piece(counts, [name for name, _ in documents], batch.size)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _cut(file: IO[bytes], media_type: MediaType, path: Path) -> Iterator[bytes]:
    if media_type.name == JSON:
        if whole := file.read():
            yield whole
        return
    pieces: list[bytes] = []
    while block := file.read(PIECE):
        pieces.append(block)
        rest = b"".join(pieces)
        end = _end_of_records(rest) if media_type.name == RECORDIO else rest.rfind(b"\n") + 1
        if not end and len(rest) > _LONGEST:
            end = len(rest)  # no document is that long: the decoder will say what is wrong
        if end:
            yield rest[:end]
        pieces = [rest[end:]] if len(rest) > end else []
    if pieces and (rest := b"".join(pieces)).strip(b"\r\n" if media_type.name in (CSV, JSONLINES) else b""):
        yield rest


def _end_of_records(body: bytes) -> int:
    """Return where the last whole record of `body` ends; 0 if none does."""
    offset = end = 0
    while offset + HEADER_SIZE <= len(body):
        if body[offset : offset + 4] != MAGIC_BYTES:
            return end  # what follows is for the decoder to complain of, or to take for one bare record
        word = int.from_bytes(body[offset + 4 : offset + 8], "little")
        offset += HEADER_SIZE + ((word & LONGEST_PART) + 3) // 4 * 4
        if offset > len(body):
            break
        if word >> 29 in (WHOLE, _LAST):
            end = offset
    return end


def _with_label_size(body: bytes, media_type: MediaType, feature_dim: int) -> MediaType:
    """Settle by the first piece how many columns of the others are labels."""
    if "label_size" in media_type.parameters:
        return media_type
    labels = find_columns(body, feature_dim, None).labels
    return MediaType(media_type.name, {**media_type.parameters, "label_size": str(labels)})
