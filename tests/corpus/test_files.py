from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path
from typing import Any

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
    encode_csv,
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
    (tmp_path / ".dangling").symlink_to(tmp_path / "nowhere")
    assert [tmp_path / "a" / "data", tmp_path / "z"] == list_data_files(tmp_path)


def test_what_is_left_out_is_logged_in_one_line_with_its_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place in ("_SUCCESS", ".amazon.manifest", "data"):
        (tmp_path / place).write_bytes(b"x")
    with caplog.at_level(logging.INFO):
        (tmp_path / "empty").touch()
        list_data_files(tmp_path)
    assert [record.message for record in caplog.records] == [
        f"Not read in {tmp_path}: 2 whose name begins with a dot or an underscore; 1 without a byte."
    ]


def test_nothing_is_logged_when_all_files_are_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").write_bytes(b"x")
    with caplog.at_level(logging.INFO):
        list_data_files(tmp_path)
    assert not caplog.messages


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    for place in ("channel/own", "elsewhere/folder/deep/part-1", "elsewhere/part-2"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    channel = tmp_path / "channel"
    (channel / "folder").symlink_to(tmp_path / "elsewhere" / "folder")
    (channel / "part-2").symlink_to("../elsewhere/part-2")
    expected = [channel / "folder" / "deep" / "part-1", channel / "own", channel / "part-2"]
    assert expected == list_data_files(channel)
    (tmp_path / "link").symlink_to(channel)
    assert len(list_data_files(tmp_path / "link")) == 3


def test_a_link_to_a_folder_that_it_is_in_ends_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "data").write_bytes(b"x")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "top").symlink_to("..")
    with caplog.at_level(logging.INFO):
        assert [tmp_path / "a" / "data"] == list_data_files(tmp_path)
    assert "2 linked to a folder around the link" in caplog.text


@pytest.mark.parametrize("target", ["nowhere", "broken"])
def test_a_broken_link_is_a_customer_error_that_names_it(tmp_path: Path, target: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "data").write_bytes(b"x")
    (tmp_path / "sub" / "broken").symlink_to(target)
    with pytest.raises(CustomerError, match=f"^sub/broken: the link leads nowhere; got: .*{target}.*to do: "):
        list_data_files(tmp_path)


def test_a_folder_that_cannot_be_read_is_a_customer_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "locked").mkdir(parents=True)
    open_folder = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return open_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root, who runs the tests in containers, may read every folder
    with pytest.raises(CustomerError, match=r"^sub/locked: it cannot be read; got: Permission denied; .*to do: "):
        list_data_files(tmp_path)


def test_a_file_that_cannot_be_read_is_a_customer_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part-0.csv").write_text("1,0,2\n")

    def refuse(path: Path, mode: str) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CustomerError, match=r"^part-0\.csv: it cannot be read; got: Permission denied"):
        read_counts(tmp_path, parse_media_type(CSV), 3)


def test_a_channel_without_a_folder_is_a_customer_error(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match=r"missing: it cannot be read; got: No such file or directory"):
        list_data_files(tmp_path / "missing")


@pytest.mark.timeout(30)
def test_a_gzip_file_of_very_many_members_is_read_in_time_that_grows_with_its_size(tmp_path: Path) -> None:
    members = 60_000  # half a minute and more if the rest of the file is copied for each of them
    line = encode_csv(random_bag(1, 200, 0.9, seed=1))
    (tmp_path / "part.csv.gz").write_bytes(gzip.compress(line, mtime=0) * members)
    assert read_counts(tmp_path, parse_media_type(CSV), 200).shape == (members, 200)


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
        with pytest.raises(CustomerError, match=r"^part\.gz: the data cannot be unpacked"):
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
