"""``docker run IMAGE train``: how it ends and what it leaves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.container.docker import Engine, mount
from tests.jobs import RESOURCES, Job, planted_corpus, small_job
from topicdock.artifact import load_model
from topicdock.contract.logs import metric_definitions

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]
MEASURED = ("train:total_loss", "train:progress", "train:throughput")
STOPPING_WINDOW = 120


def test_train_ends_with_zero_and_leaves_a_model(trained: tuple[Job, int, str]) -> None:
    job, code, log = trained
    assert code == 0, log
    assert sorted(path.name for path in job.model.parent.iterdir()) == ["model_algo-1"]
    theta = load_model(job.model.parent).transform(planted_corpus(10, seed=1))
    np.testing.assert_allclose(theta.sum(axis=1), 1.0, atol=1e-5)
    assert not job.failure


def test_the_log_of_the_container_holds_the_metrics(trained: tuple[Job, int, str]) -> None:
    log = trained[2]
    hits = {
        definition["Name"]: len(re.findall(definition["Regex"], log)) for definition in metric_definitions(MEASURED)
    }
    assert hits == {"train:total_loss": 3, "train:progress": 3, "train:throughput": 3}
    assert log.startswith("Docker entrypoint called with argument(s): train\n")


@pytest.mark.parametrize(
    "how", [["--network", "none"], ["--entrypoint", "train"]], ids=["no argument", "ContainerEntrypoint"]
)
def test_it_trains_without_an_argument_and_without_a_network(engine: Engine, tmp_path: Path, how: list[str]) -> None:
    job = small_job(tmp_path, epochs="1")
    code, log = engine.run([*mount(job.base), *how])
    assert code == 0, log
    assert job.model.exists()


def test_the_container_trains_to_the_same_bits_twice(
    trained: tuple[Job, int, str], engine: Engine, tmp_path: Path
) -> None:
    job = small_job(tmp_path)
    assert engine.run(mount(job.base), ["train"])[0] == 0
    assert job.model.read_bytes() == trained[0].model.read_bytes()


def test_local_modes_host_names_and_missing_interface_are_stood(engine: Engine, tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    host = "algo-1-ab1cd"
    job.config(
        "resourceconfig.json", RESOURCES | {"current_host": host, "hosts": [host], "network_interface_name": "ethwe"}
    )
    code, log = engine.run(mount(job.base), ["train"])
    assert code == 0, log
    assert job.model.exists()


def test_bad_hyperparameters_end_with_one_and_all_of_them_in_the_failure_file(engine: Engine, tmp_path: Path) -> None:
    job = small_job(tmp_path, num_topics="many", epochs="0")
    code, log = engine.run(mount(job.base), ["train"])
    assert code == 1
    assert "num_topics" in job.failure
    assert "epochs" in job.failure
    assert job.failure in log
    assert not job.model.exists()


def test_docker_stop_during_training_leaves_a_model_within_the_window(engine: Engine, tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1000000", num_patience_epochs="2000000")
    container = engine.start(mount(job.base), ["train"])
    container.wait_for_log("#quality_metric: host=algo-1, epoch=2,")
    assert container.stop(STOPPING_WINDOW) < STOPPING_WINDOW / 4
    assert container.wait() == 0, container.log
    assert load_model(job.model.parent).num_topics == 4
