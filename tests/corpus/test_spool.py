"""Documents on disk are the documents in memory, to the last bit, in little memory."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from tests.corpus.bags import assert_same, random_bag
from topicdock.corpus import documents as corpus
from topicdock.corpus import encode_counts
from topicdock.corpus import spool as on_disk
from topicdock.corpus.documents import InMemory
from topicdock.corpus.spool import Spool
from topicdock.corpus.storage import Storage
from topicdock.errors import PlatformError

COUNTS = random_bag(500, 30, 0.2, seed=5)


def cut(counts: csr_matrix, size: int) -> list[csr_matrix]:
    return [counts[start : start + size] for start in range(0, counts.shape[0], size)]


@pytest.mark.parametrize("together", [1, 7, 1000])
def test_documents_are_taken_from_disk_in_the_order_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(on_disk, "_READ_TOGETHER", together)
    spool = Spool(cut(COUNTS, 7), 30, tmp_path)
    for rows in (np.random.default_rng(0).permutation(500), np.array([499, 0, 250, 0]), np.arange(0)):
        assert_same(COUNTS[rows], spool.take(rows))


@pytest.mark.parametrize("on_a_disk", [True, False])
def test_parts_that_documents_are_dealt_into_are_read_by_other_processes(tmp_path: Path, on_a_disk: bool) -> None:
    folder = tmp_path if on_a_disk else None
    spools = Spool.deal(cut(COUNTS[:100], 7), 30, folder, 3)
    for part, spool in enumerate(spools):
        descriptor, documents = spool.hand_over()
        program = (
            "import sys; import numpy as np; from topicdock.corpus import encode_counts; "
            "from topicdock.corpus.spool import Spool; "
            f"spool = Spool.take_over({descriptor}, {documents}, 30, None); "
            "sys.stdout.buffer.write(encode_counts(spool.take(np.arange(spool.shape[0]))))"
        )
        read = subprocess.run([sys.executable, "-c", program], pass_fds=[descriptor], capture_output=True, check=True)
        assert read.stdout == encode_counts(COUNTS[part:100:3])
        assert_same(COUNTS[part:100:3], spool.take(np.arange(documents)))
    assert list(tmp_path.iterdir()) == []


def test_a_storage_for_several_processes_deals_documents_in_memory_and_on_disk(tmp_path: Path) -> None:
    for memory in (0, 1_000_000):
        storage = Storage(memory, "a test", tmp_path, parts=2)
        first = storage.keep(cut(COUNTS, 100), 30, "one")
        assert_same(COUNTS[::2], first.take(np.arange(250)))
        assert_same(COUNTS[1::2], storage.dealt["one"][1].take(np.arange(250)))
    assert storage.keep([], 30, "none").shape == (0, 30)


@pytest.mark.parametrize("documents", [1, 60, 1000])
def test_blocks_on_disk_are_the_blocks_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: int
) -> None:
    monkeypatch.setattr(corpus, "_BLOCK_COUNTS", 100)
    spool, memory = Spool(cut(COUNTS, 33), 30, tmp_path), InMemory(COUNTS)
    assert (spool.shape, spool.nnz) == (memory.shape, memory.nnz)
    for expected, actual in zip(memory.blocks(documents), spool.blocks(documents), strict=True):
        assert_same(expected, actual)


def test_no_documents_and_empty_documents_are_documents(tmp_path: Path) -> None:
    nothing = Spool([], 30, tmp_path)
    assert (nothing.shape, nothing.nnz, list(nothing.blocks())) == ((0, 30), 0, [])
    empty = csr_matrix((3, 30), dtype=np.float32)
    assert_same(empty, Spool([empty], 30, tmp_path).take(np.array([2, 0, 1])))
    assert_same(empty, next(Spool([empty], 30, tmp_path).blocks()))


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_table_keeps_numbers_beside_the_documents(tmp_path: Path, kind: str) -> None:
    documents = InMemory(COUNTS) if kind == "memory" else Spool([COUNTS], 30, tmp_path)
    table = documents.table(3)
    rows = np.random.default_rng(0).random((500, 3), np.float32)
    for start in range(0, 500, 120):
        table.write(start, rows[start : start + 120])
    np.testing.assert_array_equal(table.read(100, 350), rows[100:350])
    some = table.read(10, 20)
    some += 1
    table.write(10, some)
    np.testing.assert_array_equal(table.read(10, 20), rows[10:20] + 1)


def test_nothing_is_left_on_disk_even_by_a_process_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from tests.corpus.test_spool import COUNTS; "
        "from topicdock.corpus.spool import Spool; spool = Spool([COUNTS], 30, Path(sys.argv[1])); "
        "assert spool.nbytes > 0; os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(PlatformError, match=r"The disk of .* is full .* set TMPDIR .* or TOPICDOCK_MEMORY_MB"):
        Spool([COUNTS], 30, tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"no file can be made for them in .*missing: No such file"):
        Spool([COUNTS], 30, tmp_path / "missing")


def test_documents_stay_in_memory_as_far_as_they_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    size = COUNTS.data.nbytes + COUNTS.indices.nbytes + COUNTS.indptr.nbytes
    storage = Storage(int(1.5 * size), "a test", tmp_path)
    with caplog.at_level(logging.INFO):
        assert isinstance(storage.keep(cut(COUNTS, 50), 30, "channel train"), InMemory)
        assert not caplog.messages
        second = storage.keep(cut(COUNTS, 50), 30, "channel test")
        assert isinstance(second, Spool)
        assert isinstance(storage.keep(cut(COUNTS[:9], 50), 30, "channel validation"), InMemory)
    assert "The documents of channel test do not fit" in caplog.messages[0]
    assert str(tmp_path) in caplog.messages[0]
    assert_same(COUNTS, csr_matrix(vstack(list(second.blocks(13)), format="csr")))


def test_numbers_beside_documents_in_memory_go_to_disk_where_they_do_not_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = COUNTS.data.nbytes + COUNTS.indices.nbytes + COUNTS.indptr.nbytes
    storage = Storage(size + 4 * 500 * 7, "a test", tmp_path)
    documents = storage.keep([COUNTS], 30, "channel train")
    rows = np.random.default_rng(0).random((500, 5), np.float32)
    with caplog.at_level(logging.INFO):
        first, second = documents.table(5), documents.table(5)
    assert not isinstance(first, on_disk.StoredTable)
    assert isinstance(second, on_disk.StoredTable)
    (said,) = caplog.messages
    assert "What is kept beside the documents of channel train, 0 MB, does not fit" in said
    for table in (first, second):
        table.write(0, rows)
        np.testing.assert_array_equal(table.read(0, 500), rows)


def test_many_small_blocks_become_few(tmp_path: Path) -> None:
    kept = Storage(0, "a test", tmp_path).keep(cut(COUNTS, 1), 30, "channel train")
    assert_same(COUNTS, next(kept.blocks()))
    assert_same(COUNTS, next(Storage(1 << 30, "a test", tmp_path).keep(cut(COUNTS, 1), 30, "train").blocks()))
