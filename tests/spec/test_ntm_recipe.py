"""What NTM's ``auto`` comes to: it follows from the size of the corpus and the topics, and explicit values win."""

from __future__ import annotations

from typing import Any

import pytest

from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.ntm import NTMHyperparameters


def _resolved(documents: int, words: float, topics: int, vocabulary: int, **given: Any) -> NTMHyperparameters:
    own = {name: str(value) for name, value in given.items()}
    declared = {"num_topics": str(topics), "feature_dim": str(vocabulary), **own}
    return NTMHyperparameters.parse(declared).resolve(CorpusSize(documents, words))


@pytest.mark.parametrize(
    ("words", "topics", "vocabulary", "price"),
    [
        (1_000_000, 50, 4_000, 1.0),  # 5 words a weight
        (1_000_000, 5, 4_000, 1.0),
        (1_000_000, 200, 4_000, 0.25),  # 1.25
        (800_000, 50, 32_000, 0.1),  # 0.5
        (8_000, 10, 2_000, 0.08),  # a hundred documents
        (8_000_000, 50, 100_000, 0.32),
    ],
)
def test_words_that_topics_share_cost_less_where_there_is_little_text_for_a_weight(
    words: int, topics: int, vocabulary: int, price: float
) -> None:
    assert _resolved(10_000, words, topics, vocabulary).projection_exclusivity == pytest.approx(price)


@pytest.mark.parametrize("given", [0.0, 0.3, 7.0])
def test_what_is_set_stays_as_it_is(given: float) -> None:
    assert _resolved(10, 20.0, 50, 1000, projection_exclusivity=given).projection_exclusivity == given


def test_the_built_ins_recipe_has_no_prices() -> None:
    resolved = _resolved(10_000, 1e6, 50, 4_000, recipe="sagemaker")
    assert (resolved.projection_precision, resolved.projection_exclusivity) == (0.0, 0.0)


def test_auto_may_be_asked_for() -> None:
    assert _resolved(10_000, 1e6, 50, 4_000, projection_exclusivity="auto").projection_exclusivity == 1.0


@pytest.mark.parametrize(
    ("words", "vocabulary", "exponent"),
    [(1_000_000, 4_000, 0.7075), (1_000_000, 100, 1.0), (1_000_000, 25, 1.0), (500_000, 100, 0.85), (0, 100, 0.7)],
)
def test_counts_are_damped_less_where_documents_fill_the_vocabulary(
    words: int, vocabulary: int, exponent: float
) -> None:
    assert _resolved(10_000, words, 5, vocabulary).count_exponent == pytest.approx(exponent)
    assert _resolved(10_000, words, 5, vocabulary, count_exponent="0.5").count_exponent == 0.5
    assert _resolved(10_000, words, 5, vocabulary, recipe="sagemaker").count_exponent == 1.0


def test_several_hosts_resolve_as_one() -> None:
    declared = NTMHyperparameters.parse({"num_topics": "50", "feature_dim": "1000"})
    alone, four = (declared.resolve(CorpusSize(100_000, 1e5), hosts) for hosts in (1, 4))
    assert four.projection_exclusivity == alone.projection_exclusivity
    assert (four.mini_batch_size, alone.mini_batch_size, four.epochs) == (64, 256, alone.epochs)
