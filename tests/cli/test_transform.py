"""``topicdock transform`` gives what the model computes, in every format, whole or not at all."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.models import random_counts, random_model
from topicdock.artifact import save_model
from topicdock.cli import main
from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, encode_label_vectors, parse_media_type, write_counts
from topicdock.text import TextRules, count_texts

WORDS = tuple(f"word{number}" for number in range(30))
MODEL = random_model(vocabulary=WORDS)
COUNTS = random_counts(50)
TYPES = {"counts.csv": CSV, "counts.csv.gz": CSV, "counts.json": JSON, "counts.jsonl": JSONLINES, "counts": RECORDIO}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["transform", *map(str, arguments)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model directory."""
    save_model(MODEL, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", list(TYPES))
def test_every_format_of_counts_is_read(model: Path, tmp_path: Path, name: str) -> None:
    write_counts(tmp_path / name, COUNTS, parse_media_type(TYPES[name]))
    result = run(model, tmp_path / name, "-o", tmp_path / "theta.jsonl")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "theta.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([line["topic_weights"] for line in lines], MODEL.transform(COUNTS), rtol=1e-6)


def test_every_format_is_written(model: Path, tmp_path: Path) -> None:
    write_counts(tmp_path / "in", COUNTS, parse_media_type(RECORDIO))
    for name in ("t.csv", "t.csv.gz", "t.pbr"):
        assert run(model, tmp_path / "in", "-o", tmp_path / name).exit_code == 0
    theta = MODEL.transform(COUNTS)
    assert np.array_equal(np.loadtxt(tmp_path / "t.csv", delimiter=",", dtype=np.float32), theta)
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == (tmp_path / "t.csv").read_bytes()
    assert (tmp_path / "t.pbr").read_bytes() == encode_label_vectors("topic_weights", theta)


def test_texts_are_cut_as_the_models_own_were(tmp_path: Path) -> None:
    rules = TextRules(token_pattern=r"w\w+", stop_words=("word1",))
    model = random_model(vocabulary=WORDS)
    model.metadata = replace(model.metadata, text_rules=rules.to_mapping())
    save_model(model, tmp_path / "model")
    texts = ["WORD1 word2, word2", "word3 other"]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"id": k, "text": t}) + "\n" for k, t in enumerate(texts)))
    result = run(
        tmp_path / "model", tmp_path / "texts.jsonl", "--texts", "--name-column", "id", "-o", tmp_path / "t.jsonl"
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    counts, _ = count_texts(texts, WORDS, rules)
    assert counts[0].nnz == 1
    assert [line["name"] for line in lines] == ["0", "1"]
    np.testing.assert_allclose([line["topic_weights"] for line in lines], model.transform(counts), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["model", "nowhere", "-o", "t.csv"], "no such file or folder"),
        (["model", "empty", "-o", "t.csv"], "not a single document"),
        (["model", "t.csv", "-o", "t.csv"], "is the input"),
        (["model", "good", "-o", "t.txt"], "end it with .jsonl, .csv or .pbr"),
        (["model", "wrong.csv", "-o", "t.csv"], "wrong.csv, row 2"),
        (["model", "good", "-o", "t.csv", "--content-type", "image/png"], "not supported"),
        (["bare", "texts", "--texts", "-o", "t.csv"], "has no vocabulary"),
        (["nowhere", "good", "-o", "t.csv"], "no such file or folder"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_the_output_as_it_was(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(random_model(), tmp_path / "bare")
    for folder in ("empty", "texts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "texts" / "a.txt").write_text("word")
    write_counts(tmp_path / "good", COUNTS, parse_media_type(RECORDIO))
    (tmp_path / "wrong.csv").write_text(",".join("1" * 30) + "\n1,2\n")
    (tmp_path / "t.csv").write_text("before")
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert "Traceback" not in result.output
    assert (tmp_path / "t.csv").read_text() == "before"
    assert not list(tmp_path.glob(".t*"))
