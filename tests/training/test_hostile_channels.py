"""Training channels as they should not be, and disks without room: real processes end with a sentence."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs import environment, planted_corpus, small_job
from tests.training.test_several_hosts import ALL, finish, prepare, start
from topicdock.artifact import load_model
from topicdock.corpus import encode_counts

CORPUS = planted_corpus(10_000, length=10)
SPOILT = encode_counts(CORPUS[:100])


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", ["1", "1000"])
def test_a_channel_of_ten_thousand_files_of_a_document_each(tmp_path: Path, megabytes: str) -> None:
    job = small_job(tmp_path, epochs="1")
    folder = tmp_path / "input" / "data" / "train"
    for path in folder.iterdir():
        path.unlink()
    for number in range(10_000):
        (folder / f"document-{number:05d}").write_bytes(encode_counts(CORPUS[number]))
    done = job.train(TOPICDOCK_MEMORY_MB=megabytes, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert load_model(job.model.parent).metadata.training["documents"] == 10_000


def link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def cut(path: Path) -> None:
    path.write_bytes(SPOILT[: len(SPOILT) // 2 + 3])


def cut_when_packed(path: Path) -> None:
    packed = gzip.compress(SPOILT)
    path.with_suffix(".gz").write_bytes(packed[: len(packed) // 2])


def damage_when_packed(path: Path) -> None:
    packed = bytearray(gzip.compress(SPOILT))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    path.with_suffix(".gz").write_bytes(packed)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (link_to_nowhere, "part-7: the link leads nowhere"),
        (cut, "part-7, record "),
        (cut_when_packed, "part-7.gz"),
        (damage_when_packed, "part-7.gz"),
    ],
)
def test_one_bad_file_among_good_ones_is_named_and_all_are_left_as_they_were(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    job = small_job(tmp_path)
    job.documents("train", planted_corpus(400), shards=9)
    folder = tmp_path / "input" / "data" / "train"
    (folder / "part-7").unlink()
    spoil(folder / "part-7")
    before = {path: os.lstat(path).st_size for path in folder.iterdir()}
    done = job.train()
    assert done.returncode == 1
    assert job.failure.startswith(f"ClientError: channel train, {says}"), job.failure
    assert "Traceback" not in done.stdout
    assert {path: os.lstat(path).st_size for path in folder.iterdir()} == before


def test_a_folder_where_a_file_was_expected_is_looked_into(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    folder = tmp_path / "input" / "data" / "train"
    (folder / "part-1").rename(folder / "moved")
    (folder / "part-1").mkdir()
    (folder / "moved").rename(folder / "part-1" / "part-0")
    (folder / "part-2").mkdir()
    assert job.train().returncode == 0
    assert load_model(job.model.parent).metadata.training["documents"] == 400


def test_a_limit_on_the_size_of_files_ends_the_job_with_what_to_do(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    job.documents("train", planted_corpus(3000))
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; exec "$0"', *job.command()], cwd=tmp_path, timeout=60, text=True, check=False,
        env=environment(tmp_path, TOPICDOCK_MEMORY_MB="0", TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 1
    assert job.failure.startswith(f"PlatformError: The disk of {tmp_path} is full after 0.0 GB of documents")
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_one_of_two_hosts_with_nothing_but_an_empty_file(tmp_path: Path) -> None:
    jobs = prepare(tmp_path, (ALL, ()))
    jobs[1].text("train", "part-0", "")
    hosts = start(jobs)
    assert finish(hosts) == [0, 0], hosts[1].log
    assert load_model(jobs[0].model.parent).metadata.training["documents"] == 400
