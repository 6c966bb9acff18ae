"""Counts over a vocabulary are those of scikit-learn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from topicdock.text import TextRules, Tokenizer, count_texts

VOCABULARY = ("zebra", "ant", "bee", "été")
TEXTS = st.lists(st.lists(st.sampled_from(["ant", "BEE", "Été", "cow", ",", "x"])).map(" ".join), max_size=8)


@given(TEXTS)
def test_counts_are_those_of_scikit_learn(texts: list[str]) -> None:
    counts, _ = count_texts(texts, VOCABULARY, TextRules())
    assert counts.shape == (len(texts), 4)
    assert counts.dtype == np.float32
    if texts:
        expected = CountVectorizer(vocabulary=VOCABULARY).transform(texts)
        np.testing.assert_array_equal(counts.toarray(), expected.toarray())


@given(TEXTS)
def test_every_word_is_counted_or_unknown(texts: list[str]) -> None:
    tokenizer = Tokenizer(TextRules(stop_words=("cow",)))
    counts, unknown = count_texts(texts, VOCABULARY, tokenizer)
    known = np.asarray(counts.sum(axis=1)).ravel()
    assert (known + unknown).tolist() == [len(tokenizer(text)) for text in texts]


def test_rows_are_sorted_without_duplicates_or_zeros() -> None:
    counts, unknown = count_texts(["bee ant zebra bee", "", "cow"], VOCABULARY, TextRules())
    assert counts.has_canonical_format
    assert counts.indices.tolist() == [0, 1, 2]
    assert counts.data.tolist() == [1, 1, 2]
    assert counts.indptr.tolist() == [0, 3, 3, 3]
    assert unknown.tolist() == [0, 0, 1]


def test_of_a_word_that_stands_twice_the_first_place_counts() -> None:
    counts, _ = count_texts(["ant"], ("ant", "bee", "ant"), TextRules())
    assert counts.toarray().tolist() == [[1, 0, 0]]
