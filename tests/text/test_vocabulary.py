"""The vocabulary is the one that scikit-learn would choose, in bounded memory too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from topicdock.errors import CustomerError
from topicdock.text.phrases import choose_phrases
from topicdock.text.statistics import WordStatistics
from topicdock.text.stop_words import ENGLISH, find_stop_words

TEXTS = st.lists(st.lists(st.sampled_from([f"w{i}" for i in range(12)])).map(" ".join), min_size=1, max_size=12)


def statistics_of(texts: Sequence[str], most_words: int = 1000) -> WordStatistics:
    statistics = WordStatistics(most_words)
    for text in texts:
        counts = Counter(text.split())
        statistics.add(1, list(counts), [1] * len(counts), list(counts.values()))
    return statistics


@given(TEXTS, st.one_of(st.integers(1, 3), st.floats(0, 0.5)), st.one_of(st.integers(3, 12), st.floats(0.5, 1)))
def test_words_too_rare_and_too_common_are_left_out_as_scikit_learn_does(
    texts: list[str], min_df: float, max_df: float
) -> None:
    try:
        expected = CountVectorizer(min_df=min_df, max_df=max_df).fit(texts).get_feature_names_out().tolist()
    except ValueError:
        with pytest.raises(CustomerError):
            statistics_of(texts).choose(size=None, min_df=min_df, max_df=max_df)
    else:
        assert list(statistics_of(texts).choose(size=None, min_df=min_df, max_df=max_df)) == expected


@given(TEXTS, st.integers(1, 12))
def test_the_most_frequent_words_are_kept_as_scikit_learn_does(texts: list[str], size: int) -> None:
    often = Counter(word for text in texts for word in text.split())
    ranked = sorted(often.values(), reverse=True)
    if not often or (size < len(ranked) and ranked[size - 1] == ranked[size]):
        return  # nothing to keep, or words as frequent as each other, which scikit-learn keeps in no certain order
    expected = CountVectorizer(max_features=size).fit(texts).get_feature_names_out().tolist()
    assert list(statistics_of(texts).choose(size=size, min_df=1, max_df=1.0)) == expected


def test_of_equally_frequent_words_the_first_of_the_alphabet_is_kept() -> None:
    assert statistics_of(["b a c", "c"]).choose(size=2, min_df=1, max_df=1.0) == ("a", "c")


def test_when_there_are_too_many_words_the_rarest_are_forgotten() -> None:
    texts = [f"often{number % 10} rare{number}" for number in range(1000)]
    statistics = statistics_of(texts, most_words=50)
    assert len(statistics) <= 51
    assert statistics.choose(size=None, min_df=90, max_df=1.0) == tuple(f"often{number}" for number in range(10))


def test_counts_after_forgetting_are_too_small_by_no_more_than_is_said() -> None:
    texts = [f"w{number * number % 211}" for number in range(3000)]
    statistics, exact = statistics_of(texts, most_words=60), Counter(texts)
    for word in statistics.words():
        assert exact[word] - statistics.forgotten <= statistics.occurrences(word) <= exact[word]


def test_no_word_left_says_what_to_do() -> None:
    with pytest.raises(CustomerError, match="lower min_df, raise max_df"):
        statistics_of(["a b", "c d"]).choose(size=None, min_df=2, max_df=1.0)


def test_english_stop_words_are_those_of_scikit_learn() -> None:
    assert ENGLISH == ENGLISH_STOP_WORDS == find_stop_words("en")


def test_other_languages_have_stop_words_too() -> None:
    assert {"und", "für", "nicht"} <= find_stop_words("de")
    assert {"и", "не"} <= find_stop_words("ru")
    assert find_stop_words("") == frozenset()
    with pytest.raises(CustomerError, match="no list of stop words"):
        find_stop_words("xx")


def test_pairs_that_belong_together_are_phrases() -> None:
    texts = ["new york", "old town", "new town", "old york", "red car", "blue car"] * 20
    texts += ["san francisco"] * 30 + ["new car"] * 5
    statistics = WordStatistics()
    for text in texts:
        statistics.add(1, [*text.split(), text], [1, 1, 1], [1, 1, 1])
    assert choose_phrases(statistics) == ("blue car", "red car", "san francisco")  # red and blue are cars alone here
    assert choose_phrases(statistics, least_npmi=0.99) == choose_phrases(statistics, most=1) == ("san francisco",)
    assert "new york" in choose_phrases(statistics, least_npmi=0.0)
    assert choose_phrases(statistics, least_occurrences=31) == ()
