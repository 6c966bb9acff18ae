"""What is prepared is what scikit-learn would count, split and written once, whole."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import CountVectorizer

from topicdock.corpus import CSV, RECORDIO, parse_media_type, read_counts
from topicdock.errors import CustomerError, PlatformError
from topicdock.prepare import Settings, Sources, preparation, prepare
from topicdock.prepare.channels import Shares
from topicdock.text import TextRules, count_texts
from topicdock.text.manifest import read_text_rules
from topicdock.text.stop_words import ENGLISH

WORDS = [f"{a}{b}" for a in ("ka", "le", "mi", "no", "pu", "Ré") for b in ("bo", "ce", "di", "fu")] + ["the", "of", "x"]
ALL = Settings(TextRules(), vocabulary_size=None, min_df=1, max_df=1.0, min_words=0, shares=Shares(1, 0, 0))


def make_texts(folder: Path, documents: int = 120, seed: int = 0) -> list[str]:
    """Write texts into files and return them in the files' order."""
    generator = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    weights = [1 / (1 + place) for place in range(len(WORDS))]
    texts = [" ".join(generator.choices(WORDS, weights, k=generator.randint(0, 40))) for _ in range(documents)]
    for number, text in enumerate(texts):
        (folder / f"{number:04}.txt").write_text(text + ".", encoding="utf-8")
    return texts


def read_channel(output: Path, channel: str, media_type: str = RECORDIO) -> csr_matrix:
    width = len((output / "auxiliary" / "vocab.txt").read_text(encoding="utf-8").splitlines())
    return read_counts(output / channel, parse_media_type(media_type), width)


def names(output: Path, channel: str = "train") -> list[str]:
    lines = (output / "documents" / f"{channel}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Path(json.loads(line)["name"]).stem for line in lines]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_df": 2, "max_df": 0.8, "max_features": 12},
        {"lowercase": False, "ngram_range": (1, 2), "min_df": 3},
        {"stop_words": sorted(ENGLISH), "strip_accents": "unicode"},
    ],
)
def test_counts_are_those_of_scikit_learn(tmp_path: Path, options: dict[str, Any], processes: int) -> None:
    texts = make_texts(tmp_path / "texts")
    rules: dict[str, Any] = {
        name: options[name] for name in ("lowercase", "ngram_range", "strip_accents") if name in options
    }
    settings = replace(
        ALL, rules=TextRules.from_mapping({**rules, "stop_words": options.get("stop_words", ())}), processes=processes,
        vocabulary_size=options.get("max_features"), min_df=options.get("min_df", 1), max_df=options.get("max_df", 1.0),
    )  # fmt: skip
    prepared = prepare(Sources((tmp_path / "texts",)), tmp_path / "out", settings)
    vectorizer = CountVectorizer(**options)
    expected = vectorizer.fit_transform(texts).toarray()
    assert list(prepared.vocabulary) == vectorizer.get_feature_names_out().tolist()
    order = [int(name) for name in names(tmp_path / "out")]
    np.testing.assert_array_equal(read_channel(tmp_path / "out", "train").toarray(), expected[order])


def test_documents_are_shuffled_and_split_as_the_notebook_does(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    settings = replace(ALL, shares=Shares(), parts=3, min_words=10)
    prepared = prepare(Sources((tmp_path / "texts",)), tmp_path / "out", settings)
    kept = prepared.totals.kept
    assert 0 < prepared.totals.short == 120 - kept
    rest = kept - int(0.8 * kept)
    assert prepared.documents == {"train": int(0.8 * kept), "validation": rest // 2, "test": rest - rest // 2}
    assert [path.name for path in sorted((tmp_path / "out" / "train").iterdir())] == [
        "part-00000.pbr", "part-00001.pbr", "part-00002.pbr",
    ]  # fmt: skip
    channels = [read_channel(tmp_path / "out", channel) for channel in prepared.documents]
    assert [counts.shape[0] for counts in channels] == list(prepared.documents.values())
    assert vstack(channels).sum(axis=1).min() >= 10
    shown = [name for channel in prepared.documents for name in names(tmp_path / "out", channel)]
    assert len(set(shown)) == kept
    assert shown != sorted(shown)


def test_the_notebooks_rules_give_the_notebooks_shapes(tmp_path: Path) -> None:
    # V = 2,000, words that begin with a letter, documents of more than 25 words, 80 % to train.
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(generator.choice(letters, 6)) for _ in range(3000)] + ["12", "the"])
    lines = [" ".join(words[generator.zipf(1.2, 60) % len(words)][: generator.integers(5, 60)]) for _ in range(1500)]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    rules = TextRules(token_pattern=r"(?u)\b[a-z]\w+\b", stop_words=tuple(sorted(ENGLISH)))
    settings = Settings(rules, vocabulary_size=2000, min_df=2, max_df=0.95, min_words=26)
    prepared = prepare(Sources((tmp_path / "posts.jsonl",)), tmp_path / "out", settings)
    vectorizer = CountVectorizer(token_pattern=rules.token_pattern, stop_words="english", min_df=2, max_df=0.95)
    lengths = np.sort(np.asarray(vectorizer.fit_transform(lines).sum(axis=0)).ravel())[::-1]
    assert len(prepared.vocabulary) == min(2000, len(lengths))
    assert "12" not in prepared.vocabulary
    assert "the" not in prepared.vocabulary
    sizes = np.asarray(read_channel(tmp_path / "out", "train").sum(axis=1)).ravel()
    assert sizes.min() > 25
    assert len(sizes) == int(0.8 * prepared.totals.kept)


def test_the_same_texts_give_the_same_bytes_however_many_processes_read_them(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    for processes in (1, 3):
        prepare(Sources((tmp_path / "texts",)), tmp_path / str(processes), replace(ALL, processes=processes, parts=2))
    first, second = (
        {path.relative_to(tmp_path / run): path.read_bytes() for path in (tmp_path / run).rglob("*") if path.is_file()}
        for run in ("1", "3")
    )
    assert first == second


def test_the_manifest_lets_others_cut_texts_alike(tmp_path: Path) -> None:
    texts = make_texts(tmp_path / "texts")
    rules = TextRules(min_length=4, stop_words=("the",))
    prepared = prepare(Sources((tmp_path / "texts",)), tmp_path / "out", replace(ALL, rules=rules))
    found = read_text_rules(tmp_path / "out" / "auxiliary" / "manifest.json")
    assert found == rules
    counts, _ = count_texts(texts, prepared.vocabulary, found)
    order = [int(name) for name in names(tmp_path / "out")]
    np.testing.assert_array_equal(read_channel(tmp_path / "out", "train").toarray(), counts.toarray()[order])
    manifest = json.loads((tmp_path / "out" / "auxiliary" / "manifest.json").read_text())
    assert manifest["feature_dim"] == len(prepared.vocabulary)
    assert manifest["documents"] == {"read": 120, "empty": prepared.totals.empty, "short": 0, "train": 120}


def test_a_given_vocabulary_is_counted_by(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    settings = replace(ALL, vocabulary=("mibo", "kabo", "absent"))
    prepare(Sources((tmp_path / "texts",)), tmp_path / "out", settings)
    assert (tmp_path / "out" / "auxiliary" / "vocab.txt").read_text() == "mibo\nkabo\nabsent\n"
    sums = np.asarray(read_channel(tmp_path / "out", "train").sum(axis=0)).ravel()
    assert sums[1] > sums[0] > sums[2] == 0


def test_csv_shards_hold_the_same_counts(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    for media_type in (RECORDIO, CSV):
        settings = replace(ALL, media_type=media_type, parts=2)
        prepare(Sources((tmp_path / "texts",)), tmp_path / media_type.replace("/", "-"), settings)
    recordio = read_channel(tmp_path / "application-x-recordio-protobuf", "train").toarray()
    np.testing.assert_array_equal(read_channel(tmp_path / "text-csv", "train", CSV).toarray(), recordio)


def test_phrases_are_found_and_counted_as_words(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("".join('"big red dog of New York"\n"big car new red"\n' for _ in range(20)))
    rules = TextRules(stop_words=("of",))
    prepared = prepare(
        Sources((tmp_path / "texts.jsonl",)), tmp_path / "out", replace(ALL, rules=rules, find_phrases=True)
    )
    assert "new_york" in prepared.vocabulary
    assert prepared.manifest["text_rules"]["phrases"]


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    with pytest.raises(CustomerError, match="--overwrite"):
        prepare(Sources((tmp_path / "texts",)), tmp_path / "out", ALL)
    with pytest.raises(CustomerError, match="not written by topicdock prepare"):
        prepare(Sources((tmp_path / "texts",)), tmp_path / "out", ALL, overwrite=True)
    assert (tmp_path / "out" / "precious").read_text() == "mine"
    (tmp_path / "out" / "auxiliary").mkdir()
    (tmp_path / "out" / "auxiliary" / "manifest.json").write_text("{}")
    prepare(Sources((tmp_path / "texts",)), tmp_path / "out", ALL, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["auxiliary", "documents", "train"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "texts"]


@pytest.mark.parametrize("output", ["texts", ".", "texts/out", "texts/../texts"])
def test_texts_are_never_written_over(tmp_path: Path, output: str) -> None:
    make_texts(tmp_path / "texts")
    (tmp_path / "auxiliary").mkdir()
    (tmp_path / "auxiliary" / "manifest.json").write_text("{}")
    with pytest.raises(CustomerError, match="lie within each other"):
        prepare(Sources((tmp_path / "texts",)), tmp_path / output, ALL, overwrite=True)
    assert len(list((tmp_path / "texts").iterdir())) == 120


def test_nothing_is_left_of_a_preparation_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_texts(tmp_path / "texts")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "part")

    monkeypatch.setattr(preparation, "write_tree", fail)
    with pytest.raises(PlatformError, match="No space left"):
        prepare(Sources((tmp_path / "texts",)), tmp_path / "out", ALL)
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (replace(ALL, min_words=1000), "no document is left"),
        (replace(ALL, min_df=1000, max_df=1.0), "no word can occur"),
        (replace(ALL, rules=TextRules(token_pattern=r"(?s).{3}")), "cannot be written on a line"),
    ],
)
def test_what_leaves_nothing_says_what_to_do(tmp_path: Path, settings: Settings, says: str) -> None:
    make_texts(tmp_path / "texts")
    with pytest.raises(CustomerError, match=says):
        prepare(Sources((tmp_path / "texts",)), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shares", [(0.5, 0.1, 0.1), (1.5, -0.5, 0.0), (0.0, 0.5, 0.5)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(CustomerError, match="add up to 1"):
        Shares(*shares)


@pytest.mark.parametrize("documents", [1, 2, 3, 10, 11, 99])
def test_every_document_goes_to_one_channel(documents: int) -> None:
    parts = Shares().split(documents, seed=1)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(documents))
    assert len(parts["train"]) == max(1, int(0.8 * documents))
