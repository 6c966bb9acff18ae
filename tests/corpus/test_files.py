from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from scipy.sparse import csr_matrix, vstack

from tests.corpus.bags import assert_same, bag, random_bag
from topicdock.corpus import (
    CSV,
    JSON,
    JSONLINES,
    RECORDIO,
    UnsupportedMediaTypeError,
    encode_counts,
    list_data_files,
    parse_media_type,
    read_counts,
    write_counts,
)
from topicdock.errors import CustomerError

FORMATS = [RECORDIO, CSV, JSON, JSONLINES]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dense", [False, True])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, suffix: str, dense: bool) -> None:
    counts, media_type = random_bag(20, 30, 0.2, seed=7), parse_media_type(name)
    write_counts(tmp_path / f"part-0{suffix}", counts, media_type, dense=dense)
    assert_same(counts, read_counts(tmp_path, media_type, 30))
    assert suffix == "" or (tmp_path / "part-0.gz").read_bytes().startswith(b"\x1f\x8b")


def test_the_files_of_a_channel_are_stacked_in_the_order_of_their_paths(tmp_path: Path) -> None:
    parts = [random_bag(5, 9, 0.4, seed=seed) for seed in range(3)]
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for place, part in zip(["a/deep/part-1", "a/part-0.gz", "b"], parts, strict=True):
        write_counts(tmp_path / place, part, parse_media_type(RECORDIO))
    assert_same(csr_matrix(vstack(parts, format="csr")), read_counts(tmp_path, parse_media_type(RECORDIO), 9))


def test_hidden_empty_and_irregular_files_are_no_data(tmp_path: Path) -> None:
    for place in (".hidden", "_SUCCESS", ".git/x", "_temporary/0/x", "a/.amazon.manifest", "a/data", "z"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "train_0")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert [tmp_path / "a" / "data", tmp_path / "z"] == list_data_files(tmp_path)


def test_an_empty_channel_has_no_documents(tmp_path: Path) -> None:
    assert read_counts(tmp_path, parse_media_type(CSV), 4).shape == (0, 4)


def test_a_mistake_names_file_and_record(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write_counts(tmp_path / "a.pbr", bag([[1, 0, 2]]), parse_media_type(RECORDIO))
    (tmp_path / "sub" / "b.pbr").write_bytes(encode_counts(bag([[1, 0, 2]])) + encode_counts(bag([[1, 0, 2, 5]])))
    with pytest.raises(CustomerError, match=r"^sub/b\.pbr, record 2: .*got: shape \[4\]; allowed: \[3\]"):
        read_counts(tmp_path, parse_media_type(RECORDIO), 3)


def test_a_mistake_names_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_text("1,0,2\n1,2\n")
    with pytest.raises(CustomerError, match=r"^part-0\.csv, row 2: .*got: 2; allowed: 3 columns"):
        read_counts(tmp_path, parse_media_type("text/csv;label_size=0"), 3)


def test_every_torn_gzip_file_is_a_customer_error_that_names_it(tmp_path: Path) -> None:
    whole = gzip.compress(encode_counts(random_bag(3, 9, 0.5, seed=8)), mtime=0)
    for length in range(1, len(whole)):
        (tmp_path / "part.gz").write_bytes(whole[:length])
        with pytest.raises(CustomerError, match=r"^part\.gz: the file cannot be unpacked"):
            read_counts(tmp_path, parse_media_type(RECORDIO), 9)


def test_what_only_claims_to_be_gzip_is_a_customer_error(tmp_path: Path) -> None:
    (tmp_path / "part.gz").write_bytes(b"1,0,2\n")
    with pytest.raises(CustomerError, match=r"^part\.gz: .*got: Not a gzipped file"):
        read_counts(tmp_path, parse_media_type(CSV), 3)


def test_an_unknown_content_type_is_found_before_any_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        read_counts(tmp_path / "missing", parse_media_type("image/png"), 3)


def test_there_is_no_writer_for_an_unknown_content_type(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no writer"):
        write_counts(tmp_path / "x", bag([[1]]), parse_media_type("image/png"))


def test_the_same_documents_give_the_same_packed_bytes(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_counts(tmp_path / name, bag([[1, 0, 2]]), parse_media_type(JSON))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
