"""A file that is read in pieces holds the documents that it holds in one."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import vstack

from tests.models import random_counts
from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, parse_media_type, pieces, write_counts
from topicdock.corpus.recordio import frame_record, read_records
from topicdock.errors import CustomerError
from topicdock.transform.pieces import read_counts_in_pieces

COUNTS = random_counts(200)


def read(path: Path, media_type: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    found = list(read_counts_in_pieces(path, parse_media_type(media_type), 30))
    result: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = vstack([piece.counts for piece in found]).toarray()
    return result


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1 << 20])
@pytest.mark.parametrize("media_type", [RECORDIO, CSV, JSONLINES, JSON])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_documents_are_the_same_wherever_a_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media_type: str, size: int, suffix: str
) -> None:
    write_counts(tmp_path / f"a{suffix}", COUNTS, parse_media_type(media_type))
    monkeypatch.setattr(pieces, "PIECE", size)
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}", media_type), COUNTS.toarray())


def test_split_records_are_not_torn_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_counts(tmp_path / "whole", COUNTS[:20], parse_media_type(RECORDIO))
    content = b""
    for record in read_records((tmp_path / "whole").read_bytes()):
        parts = [record[:9], record[9:18], record[18:]]
        for flag, part in zip((1, 2, 3), parts, strict=True):
            framed = bytearray(frame_record(part))
            framed[4:8] = (len(part) | flag << 29).to_bytes(4, "little")
            content += framed
    (tmp_path / "split").write_bytes(content)
    for size in (1, 16, 50, 4000):
        monkeypatch.setattr(pieces, "PIECE", size)
        np.testing.assert_array_equal(read(tmp_path / "split", RECORDIO), COUNTS[:20].toarray())


def test_labels_are_told_by_the_first_row_for_all_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"7,{','.join(str(int(n)) for n in row)}\n" for row in COUNTS.toarray())
    (tmp_path / "a.csv").write_text("\n" + lines)
    monkeypatch.setattr(pieces, "PIECE", 100)
    np.testing.assert_array_equal(read(tmp_path / "a.csv", CSV), COUNTS.toarray())


@pytest.mark.parametrize(
    ("name", "media_type", "spoil", "says"),
    [
        ("a.csv", CSV, lambda data: data + b"x\n", r"a\.csv, row 201"),
        ("a", RECORDIO, lambda data: data[:-20], r"a, record 200 at byte \d{5}"),
        ("a", RECORDIO, lambda data: data[:4000] + b"junk" + data[4000:], r"a, record \d+ at byte \d+"),
        ("a.gz", RECORDIO, lambda data: gzip.compress(data)[:-50], "cannot be unpacked"),
    ],
)
def test_a_mistake_names_the_record_or_row_counted_through_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, media_type: str, spoil: object, says: str
) -> None:
    write_counts(tmp_path / "good", COUNTS, parse_media_type(media_type))
    assert callable(spoil)
    (tmp_path / name).write_bytes(spoil((tmp_path / "good").read_bytes()))
    monkeypatch.setattr(pieces, "PIECE", 1000)
    with pytest.raises(CustomerError, match=says):
        read(tmp_path / name, media_type)
