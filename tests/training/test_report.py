"""Training leaves a page about the model, and never fails for want of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.jobs import planted_corpus, small_job
from topicdock.artifact import load_model
from topicdock.training import train
from topicdock.training.report import thin


def test_a_job_leaves_a_page_and_the_model_remembers_its_figures(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    job.documents("validation", planted_corpus(50, seed=1))
    assert train({"SAGEMAKER_BASE_DIR": str(tmp_path)}) == 0
    page = (tmp_path / "output" / "data" / "report.html").read_text()
    assert "Topic by topic" in page
    assert "on the validation data" in page
    training = load_model(tmp_path / "model").metadata.training
    assert [epoch for epoch, _, _ in training["losses"]] == [1, 2, 3]
    assert all(held_out is not None for _, _, held_out in training["losses"])
    assert sum(topic["size"] for topic in training["topics"]) == pytest.approx(1.0)
    assert all(-1 <= topic["npmi"] <= 1 for topic in training["topics"])


@pytest.mark.parametrize("broken", ["summarize", "render_report"])
def test_a_page_that_cannot_be_made_is_only_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], broken: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(f"topicdock.report.{broken}", fail)
    small_job(tmp_path, epochs="1")
    assert train({"SAGEMAKER_BASE_DIR": str(tmp_path)}) == 0
    assert "surprise" in capfd.readouterr().out
    assert (tmp_path / "model" / "model_algo-1").is_file()
    assert not (tmp_path / "output" / "data" / "report.html").exists()


def test_a_model_that_is_too_large_for_a_page_is_saved_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("topicdock.training.report._MOST_PROBABILITIES", 100)
    small_job(tmp_path, epochs="1")
    assert train({"SAGEMAKER_BASE_DIR": str(tmp_path)}) == 0
    assert "there will be no report.html" in capfd.readouterr().out
    assert (tmp_path / "model" / "model_algo-1").is_file()


def test_the_log_says_how_long_training_will_take_yet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    small_job(tmp_path)
    assert train({"SAGEMAKER_BASE_DIR": str(tmp_path)}) == 0
    assert len(re.findall(r"About \d+ seconds left", capfd.readouterr().out)) == 2  # of three epochs


def test_of_very_many_epochs_some_are_kept_the_first_and_last_among_them() -> None:
    kept = thin([(epoch, 1.0, None) for epoch in range(1, 10_001)])
    assert len(kept) == 500
    assert (kept[0][0], kept[-1][0]) == (1, 10_000)
    assert thin([(1, 2.0, 3.0)]) == [[1, 2.0, 3.0]]
