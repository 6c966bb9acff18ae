"""A job whose documents do not fit in its memory for documents trains the same model from disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.jobs import Job, planted_corpus, small_job
from topicdock.artifact import load_model

VARIABLE = "TOPICDOCK_MEMORY_MB"


def job_of(base: Path, algorithm: str) -> Job:
    job = small_job(base)
    job.config("hyperparameters.json", {"num_topics": "4", "feature_dim": "40", "algorithm": algorithm})
    if algorithm != "lda":
        job.documents("validation", planted_corpus(60, seed=4))
    job.documents("test", planted_corpus(60, seed=3))
    return job


@pytest.mark.parametrize("algorithm", [pytest.param("ntm", marks=pytest.mark.slow), "lda", "etm"])
def test_training_from_disk_gives_the_bits_of_training_from_memory(tmp_path: Path, algorithm: str) -> None:
    memory, disk = job_of(tmp_path / "memory", algorithm), job_of(tmp_path / "disk", algorithm)
    spools = tmp_path / "spools"
    spools.mkdir()
    assert memory.train().returncode == 0
    done = disk.train(TOPICDOCK_MEMORY_MB="0", TMPDIR=str(spools))
    assert done.returncode == 0, done.stdout
    said = (
        f"The documents of channel train do not fit in the memory for documents (0 MB: {VARIABLE}); they are put down"
    )
    assert f"{said} once in {spools} and read from there." in done.stdout
    assert list(spools.iterdir()) == []
    models = [load_model(job.model.parent) for job in (memory, disk)]
    for name, array in models[0].arrays.items():
        np.testing.assert_array_equal(models[1].arrays[name], array)
    figures = [model.metadata.training for model in models]
    assert {k: v for k, v in figures[0].items() if k != "seconds"} == {
        k: v for k, v in figures[1].items() if k != "seconds"
    }
    reports = [(job.base / "output" / "data" / "topics.json").read_bytes() for job in (memory, disk)]
    assert reports[0] == reports[1]


def test_a_memory_for_documents_that_is_no_number_is_a_mistake(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    assert job.train(TOPICDOCK_MEMORY_MB="2G").returncode == 1
    assert job.failure.startswith("ClientError: environment variable TOPICDOCK_MEMORY_MB: the memory for documents is")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")
@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_job_with_what_to_do(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=True)
    try:
        job = small_job(tmp_path / "job")
        job.documents("train", planted_corpus(3000))
        assert job.train(TOPICDOCK_MEMORY_MB="0", TMPDIR=str(small)).returncode == 1
        assert job.failure.startswith(f"PlatformError: The disk of {small} is full after 0.0 GB of documents")
    finally:
        subprocess.run(["umount", str(small)], check=True)
