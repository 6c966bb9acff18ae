"""A model carries the rules by which its texts were cut into words."""

from __future__ import annotations

import json
from pathlib import Path

from tests.jobs import small_job
from topicdock.artifact import load_model
from topicdock.text import TextRules

WORDS = "".join(f"word{number}\n" for number in range(40))


def test_the_rules_beside_the_vocabulary_go_into_the_model(tmp_path: Path) -> None:
    rules = TextRules(min_length=3, stop_words=("the",))
    job = small_job(tmp_path, epochs="1")
    job.text("auxiliary", "vocab.txt", WORDS)
    job.text("auxiliary", "manifest.json", json.dumps({"text_rules": rules.to_mapping()}))
    result = job.train()
    assert result.returncode == 0, result.stdout
    assert "holds no file of word vectors" in result.stdout
    found = load_model(tmp_path / "model").metadata.text_rules
    assert found is not None
    assert TextRules.from_mapping(found) == rules


def test_rules_that_cannot_be_followed_end_the_job_with_a_word(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    job.text("auxiliary", "vocab.txt", WORDS)
    job.text("auxiliary", "manifest.json", json.dumps({"text_rules": {"min_length": 0}}))
    assert job.train().returncode == 1
    assert "channel auxiliary, manifest.json, min_length" in job.failure
