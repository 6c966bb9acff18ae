"""The checkpoint folder: what was written is read, what was cut short is passed over."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from topicdock.contract.checkpoints import Checkpoint, CheckpointFolder, DamagedCheckpoint
from topicdock.contract.config import read_checkpoint_path
from topicdock.contract.layout import Layout


def checkpoint(number: int) -> Checkpoint:
    arrays = {"weights/a b": np.full((2, 3), number, np.float32), "steps": np.array(number), "facts": np.arange(2)}
    return Checkpoint(arrays, {"epoch": number, "loss": float("inf"), "losses": [0.1, 1 / 3]})


def epoch(data: bytes | None) -> int:
    assert data is not None
    number: int = Checkpoint.decode(data).facts["epoch"]
    return number


def test_what_is_written_is_read() -> None:
    written = checkpoint(7)
    read = Checkpoint.decode(written.encode())
    assert read.facts == written.facts
    assert read.arrays.keys() == written.arrays.keys()
    for name, array in written.arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array)
        assert read.arrays[name].dtype == array.dtype
        assert read.arrays[name].shape == array.shape


def test_a_checkpoint_cut_or_changed_anywhere_is_not_taken_for_one() -> None:
    data = checkpoint(1).encode()
    for length in range(len(data)):
        with pytest.raises(DamagedCheckpoint):
            Checkpoint.decode(data[:length])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(DamagedCheckpoint):
            Checkpoint.decode(bytes(changed))


def test_a_checkpoint_is_a_safetensors_file_after_its_first_bytes() -> None:
    written = checkpoint(3)
    data = written.encode()
    arrays = load(data[len(b"topicdock checkpoint 1\n") + 32 :])
    assert json.loads(arrays.pop("facts").tobytes()) == written.facts
    assert {name.removeprefix("array/") for name in arrays} == set(written.arrays)
    for name, array in written.arrays.items():
        np.testing.assert_array_equal(arrays[f"array/{name}"], array)


def test_neither_writing_nor_reading_copies_the_arrays(tmp_path: Path) -> None:
    array = np.ones(1 << 22, np.float32)
    folder = CheckpointFolder(tmp_path)
    tracemalloc.start()
    try:
        folder.keep(Checkpoint({"array": array}, {}))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        data = folder.find()
        assert data is not None
        assert Checkpoint.decode(data).arrays["array"].ctypes.data % 16 == 0
        assert tracemalloc.get_traced_memory()[1] < 1.1 * array.nbytes
    finally:
        tracemalloc.stop()


def test_a_checkpoint_of_another_version_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.keep(checkpoint(1))
    path.write_bytes(path.read_bytes().replace(b"checkpoint 1\n", b"checkpoint 2\n", 1))
    assert folder.find() is None
    assert "another version of topicdock wrote it" in caplog.text


def test_the_newest_is_found_and_two_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.find() is None
    for number in range(1, 5):
        folder.keep(checkpoint(number))
        assert epoch(folder.find()) == number
    assert sorted(path.name for path in folder.path.iterdir()) == ["checkpoint-00000003", "checkpoint-00000004"]


def test_a_torn_one_is_passed_over_and_left_over_parts_are_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep(checkpoint(1))
    newest = folder.keep(checkpoint(2))
    newest.write_bytes(newest.read_bytes()[:-5])
    (tmp_path / "checkpoint-00000003.unfinished").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("the user's")
    with caplog.at_level(logging.WARNING):
        assert epoch(folder.find()) == 1
    assert f"The checkpoint {newest} is damaged and passed over" in caplog.text
    folder.keep(checkpoint(3))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-00000001", "checkpoint-00000003", "notes.txt"]
    assert epoch(folder.find()) == 3


def test_numbers_beyond_the_digits_of_a_name_are_found_and_go_on(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep(checkpoint(1)).rename(tmp_path / "checkpoint-99999999")
    for number in (2, 3):
        folder.keep(checkpoint(number))
        assert epoch(folder.find()) == number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-100000000", "checkpoint-100000001"]


def test_a_folder_that_cannot_be_synced_keeps_checkpoints_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some file systems of networks and of FUSE."""
    sync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    folder = CheckpointFolder(tmp_path)
    for number in range(1, 4):
        folder.keep(checkpoint(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000002", "checkpoint-00000003"]


def test_on_a_disk_that_holds_but_two_the_newest_one_stays_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def sync_two(descriptor: int) -> None:
        if len(list(tmp_path.iterdir())) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_two)
    folder = CheckpointFolder(tmp_path)
    for number in range(1, 5):
        folder.keep(checkpoint(number))
        assert epoch(folder.find()) == number


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep(checkpoint(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.keep(checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]
    assert epoch(folder.find()) == 1


def test_where_checkpoints_go(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert read_checkpoint_path(layout) is None
    layout.checkpoints.mkdir()
    assert read_checkpoint_path(layout) == tmp_path / "checkpoints"
    layout.checkpoint_config.parent.mkdir(parents=True)
    layout.checkpoint_config.write_text('{"S3Uri": "s3://bucket/prefix", "LocalPath": "/somewhere/else"}')
    assert read_checkpoint_path(layout) == Path("/somewhere/else")
    layout.checkpoint_config.write_text('{"S3Uri": "s3://bucket/prefix"}')
    assert read_checkpoint_path(layout) == tmp_path / "checkpoints"
