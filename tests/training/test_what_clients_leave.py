"""What SageMaker's SDKs leave in a container that no documentation mentions, met by the container's real programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.jobs import RESOURCES, Job, planted_corpus, small_job
from tests.serving.service import Service
from topicdock.artifact import load_model
from topicdock.corpus import CSV, encode_csv


def train(job: Job) -> str:
    """Train on the 400 documents of a small job, and return the log."""
    result = job.train()
    assert result.returncode == 0, result.stdout
    assert re.search(r"# Finished training epoch 1 on 400 examples", result.stdout)
    assert job.model.exists()
    return result.stdout


def test_a_host_name_with_a_suffix_and_an_interface_that_is_not_there_are_stood(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    host = "algo-1-vumy5"
    job.config("resourceconfig.json", {
        "current_host": host, "hosts": [host], "network_interface_name": "ethwe", "current_instance_type": "local",
    })  # fmt: skip
    assert f"host={host}," in train(job)


def test_a_channel_without_a_content_type_is_recordio(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    job.config("inputdataconfig.json", {"train": {"TrainingInputMode": "File"}})
    train(job)


def test_the_sdks_own_channel_is_passed_over(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    job.text("sm_drivers", "sm_train.sh", "#!/bin/sh\necho this is no channel of documents\n")
    (job.base / "input" / "data" / "sm_drivers" / "distributed_drivers").mkdir()
    train(job)


def test_the_manifest_of_a_record_set_is_no_document(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    folder = job.base / "input" / "data" / "train"
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"matrix_{number}.pbr")
    (folder / ".amazon.manifest").write_text(json.dumps([{"prefix": "s3://bucket/NTM/"}, "matrix_0.pbr"]))
    train(job)


def test_hyperparameters_are_read_in_each_sdks_spelling(tmp_path: Path) -> None:
    given = {
        "num_topics": "4", "feature_dim": '"40"', "epochs": "1", "batch_norm": "False", "encoder_layers": "[8, 4]",
        "optimizer": '"adam"', "_tuning_objective_metric": "validation:total_loss", "sagemaker_region": '"us-east-1"',
    }  # fmt: skip
    job = small_job(tmp_path)
    job.config("hyperparameters.json", given)
    job.config("resourceconfig.json", RESOURCES)
    train(job)


@pytest.mark.parametrize("stray", ["model.tar.gz", "output.tar.gz"])
def test_the_archive_beside_the_unpacked_model_is_passed_over_by_the_endpoint(tmp_path: Path, stray: str) -> None:
    job = small_job(tmp_path, epochs="1")
    train(job)
    (job.model.parent / stray).write_bytes(b"\x1f\x8b as local mode leaves it")
    asked = planted_corpus(5, seed=3)
    with Service(job.base) as service:
        answer = service.ask("POST", "/invocations", encode_csv(asked), {"Content-Type": CSV})
    theta = [document["topic_weights"] for document in json.loads(answer.body)["predictions"]]
    np.testing.assert_allclose(theta, load_model(job.model.parent).transform(asked), atol=1e-6)
