"""scripts/local-run: a folder of data, Docker, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.container.docker import Engine
from tests.jobs import ROOT, planted_corpus
from topicdock.artifact import load_model
from topicdock.corpus import CSV, encode_csv

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]


def run(image: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "local-run", *map(str, arguments)], capture_output=True, text=True, check=False,
        timeout=300, env={**os.environ, "TOPICDOCK_IMAGE": image, "SERVE": "no", **variables},
    )  # fmt: skip


def test_it_trains_on_a_folder_of_channels(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "my data"
    for name, seed in (("train", 0), ("validation", 1)):
        (data / name).mkdir(parents=True)
        (data / name / "rows.csv").write_bytes(encode_csv(planted_corpus(200, seed=seed)))
    (data / "auxiliary").mkdir()
    (data / "auxiliary" / "vocab.txt").write_text("\n".join(f"word{number}" for number in range(40)))
    result = run(engine.image, data, tmp_path / "out", "num_topics=4", "feature_dim=40", "epochs=2", CONTENT_TYPE=CSV)
    assert result.returncode == 0, result.stdout + result.stderr
    config = tmp_path / "out" / "input" / "config"
    assert json.loads((config / "inputdataconfig.json").read_text()) == {
        "auxiliary": {}, "train": {"ContentType": CSV}, "validation": {"ContentType": CSV},
    }  # fmt: skip
    assert "validation total_loss" in result.stdout
    model = load_model(tmp_path / "out" / "model")
    assert (model.num_topics, model.word(0)) == (4, "word0")


def test_what_is_no_hyperparameter_and_what_is_no_folder_are_named(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    result = run(engine.image, tmp_path / "data", tmp_path / "out", "num_topics")
    assert result.returncode == 1
    assert "num_topics: hyperparameters are written NAME=VALUE" in result.stderr
    result = run(engine.image, tmp_path / "nothing", tmp_path / "out", "num_topics=4")
    assert result.returncode == 2
    assert "scripts/local-run DATA OUTPUT" in result.stderr
