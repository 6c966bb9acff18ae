"""Texts are cut into words as the rules say."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from topicdock.errors import CustomerError
from topicdock.text import TextRules, Tokenizer

ANY_TEXT = st.text(max_size=60)


@given(ANY_TEXT)
def test_the_default_is_that_of_scikit_learn(text: str) -> None:
    assert Tokenizer(TextRules())(text) == CountVectorizer().build_analyzer()(text)


@given(ANY_TEXT, st.sampled_from(["unicode", "ascii"]))
def test_accents_are_taken_off_as_scikit_learn_does(text: str, kind: Any) -> None:
    expected = CountVectorizer(strip_accents=kind).build_analyzer()(text)
    assert Tokenizer(TextRules(strip_accents=kind))(text) == expected


@given(st.text("ab \n", max_size=30))
def test_ngrams_and_stop_words_are_those_of_scikit_learn(text: str) -> None:
    rules = TextRules(token_pattern=r"\w+", ngram_range=(1, 3), stop_words=("ab", "b"))
    expected = CountVectorizer(token_pattern=r"\w+", ngram_range=(1, 3), stop_words=["ab", "b"]).build_analyzer()(text)
    assert Tokenizer(rules)(text) == expected


@given(
    ANY_TEXT, st.booleans(), st.sampled_from([(1, 1), (1, 2)]), st.sampled_from([(), ("the", "an")]), st.integers(1, 3)
)
def test_counting_counts_the_words(
    text: str, lowercase: bool, ngrams: tuple[int, int], stop_words: tuple[str, ...], shortest: int
) -> None:
    tokenizer = Tokenizer(
        TextRules(lowercase=lowercase, ngram_range=ngrams, stop_words=stop_words, min_length=shortest)
    )
    words = tokenizer(text)
    assert dict(tokenizer.count(text)) == {word: words.count(word) for word in words}


def test_the_group_of_a_pattern_is_the_token() -> None:
    assert Tokenizer(TextRules(token_pattern=r"#(\w+)"))("see #Cats and #dogs") == ["cats", "dogs"]


def test_normalisation_puts_letters_and_their_accents_together() -> None:
    apart = "cafe\N{COMBINING ACUTE ACCENT}s"
    assert Tokenizer(TextRules())(apart) == ["cafe"]
    assert Tokenizer(TextRules(normalization="NFC"))(apart) == ["cafés"]


def test_short_tokens_are_left_out() -> None:
    assert Tokenizer(TextRules(min_length=3))("an ant ate it") == ["ant", "ate"]


def test_phrases_are_joined_from_the_left() -> None:
    rules = TextRules(phrases=("new york", "york times"), stop_words=("the",))
    assert Tokenizer(rules)("The New York Times, New the York; york times") == [
        "new_york", "times", "new_york", "york_times",
    ]  # fmt: skip


def test_lemmas_are_counted_and_a_stop_word_goes_in_any_form() -> None:
    rules = TextRules(language="en", lemmatizer="simplemma", stop_words=("dog", "was"))
    assert Tokenizer(rules)("Mice was mouse, dogs") == ["mouse", "mouse"]


def test_lemmas_keep_lower_case() -> None:
    assert Tokenizer(TextRules(language="de", lemmatizer="simplemma"))("Die Häuser")[1] == "haus"


def test_a_language_that_the_lemmatizer_lacks_is_named() -> None:
    with pytest.raises(CustomerError, match="'xx'"):
        Tokenizer(TextRules(language="xx", lemmatizer="simplemma"))


def test_a_lemmatizer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplemma", None)
    with pytest.raises(CustomerError, match=r"simplemma is not installed.*pip install simplemma"):
        Tokenizer(TextRules(language="en", lemmatizer="simplemma"))


def test_nltk_is_asked_for_its_lemmas(monkeypatch: pytest.MonkeyPatch) -> None:
    # WordNet is a download of its own, which nltk looks for with its first word.
    class WordNetLemmatizer:
        known: ClassVar[dict[str, str]] = {}

        def lemmatize(self, word: str) -> str:
            if not self.known:
                raise LookupError
            return self.known.get(word, word)

    monkeypatch.setitem(sys.modules, "nltk", ModuleType("nltk"))
    stem = ModuleType("nltk.stem")
    stem.__dict__["WordNetLemmatizer"] = WordNetLemmatizer
    monkeypatch.setitem(sys.modules, "nltk.stem", stem)
    rules = TextRules(language="en", lemmatizer="nltk")
    with pytest.raises(CustomerError, match="wordnet"):
        Tokenizer(rules)
    WordNetLemmatizer.known["mice"] = "mouse"
    assert Tokenizer(rules)("three mice") == ["three", "mouse"]
    with pytest.raises(CustomerError, match="English only"):
        Tokenizer(TextRules(language="de", lemmatizer="nltk"))


def test_forms_are_forgotten_before_they_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.text.tokenizer._MOST_FORMS", 10)
    tokenizer = Tokenizer(TextRules(min_length=3))
    for number in range(100):
        assert tokenizer(f"word{number} a") == [f"word{number}"]
    assert tokenizer._forms is not None
    assert len(tokenizer._forms) <= 10
