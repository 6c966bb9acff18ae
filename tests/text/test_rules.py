"""Rules survive the way through a file, and what is no rule is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topicdock.errors import CustomerError
from topicdock.text import TextRules
from topicdock.text.manifest import read_text_rules


def test_rules_survive_json() -> None:
    rules = TextRules(language="de", stop_words=("und", "über"), phrases=("new york",), ngram_range=(1, 2))
    assert TextRules.from_mapping(json.loads(json.dumps(rules.to_mapping()))) == rules


def test_what_is_missing_takes_its_default() -> None:
    assert TextRules.from_mapping({}) == TextRules()


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ({"stemmer": "porter"}, "stemmer"),
        ({"token_pattern": "["}, "token_pattern.*not a regular expression"),
        ({"token_pattern": "(a)(b)"}, "at most one group"),
        ({"min_length": 0}, "min_length"),
        ({"lemmatizer": "spacy"}, "lemmatizer"),
        ({"lemmatizer": "simplemma"}, "needs a language"),
        ({"ngram_range": [2, 1]}, "ngram_range"),
        ({"ngram_range": [1, 9]}, "ngram_range"),
        ({"phrases": ["york"]}, "two words"),
        ({"language": "English"}, "language"),
    ],
)
def test_what_is_no_rule_is_named(rules: dict[str, Any], named: str) -> None:
    with pytest.raises(CustomerError, match=named):
        TextRules.from_mapping(rules)


def test_a_manifest_gives_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    assert read_text_rules(path) is None
    path.write_text(json.dumps({"text_rules": {"min_length": 3}, "vocabulary": {"size": 7}}))
    assert read_text_rules(path) == TextRules(min_length=3)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"text_rules": []}', '{"text_rules": {"min_length": "x"}}'])
def test_a_file_that_is_no_manifest_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(CustomerError, match=r"manifest\.json"):
        read_text_rules(path)
