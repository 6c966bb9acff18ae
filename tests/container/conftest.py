from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.docker import Engine, mount
from tests.jobs import Job, small_job


@pytest.fixture(scope="session")
def trained(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, int, str]]:
    """Train once: the job, the container's exit code and its log."""
    job = small_job(tmp_path_factory.mktemp("ml"))
    starter = Engine(image)
    yield job, *starter.run(mount(job.base), ["train"])
    starter.give_back(job.base)
    starter.remove_all()


@pytest.fixture
def engine(image: str, tmp_path: Path) -> Iterator[Engine]:
    starter = Engine(image)
    yield starter
    starter.give_back(tmp_path)
    starter.remove_all()
