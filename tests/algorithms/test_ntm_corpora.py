"""NTM's plain call on corpora unlike the one its recipe was sought on: planted topics are found all the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.jobs import planted_corpus
from topicdock.algorithms.ntm import fit
from topicdock.evaluation import topic_uniqueness
from topicdock.spec.ntm import NTMHyperparameters


@pytest.mark.parametrize(
    ("documents", "vocabulary_size", "topics", "length", "pure"),
    [
        pytest.param(20_000, 400, 10, 6, 0.9, id="texts of six words"),
        pytest.param(4_000, 600, 60, 60, 0.8, id="sixty topics"),
        pytest.param(100, 100, 5, 40, 0.9, id="a hundred documents"),
    ],
)
def test_most_planted_topics_are_found(
    documents: int, vocabulary_size: int, topics: int, length: int, pure: float
) -> None:
    counts = planted_corpus(documents, vocabulary_size, topics, length=length)
    settings = {"num_topics": str(topics), "feature_dim": str(vocabulary_size)}
    top_words = fit(counts, NTMHyperparameters.parse(settings)).model.top_words(5)
    blocks = top_words // (vocabulary_size // topics)  # the planted topic that each word belongs to
    purity = np.mean([np.bincount(words).max() / 5 for words in blocks])
    found = {int(np.bincount(words).argmax()) for words in blocks}
    assert purity > pure
    assert len(found) >= 0.8 * topics
    assert topic_uniqueness(top_words).mean() > 0.8
