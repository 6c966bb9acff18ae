"""Evaluation against brute force, gensim and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.models import random_counts, random_model
from topicdock.corpus import documents as corpus
from topicdock.evaluation import npmi, perplexity, topic_diversity, topic_uniqueness, wetc

TOP_WORDS = np.array([[0, 1, 2], [2, 3, 4], [2, 5, 6]])


def test_topic_uniqueness_is_the_mean_inverse_number_of_topics_that_list_a_word() -> None:
    np.testing.assert_allclose(topic_uniqueness(TOP_WORDS), [(1 + 1 + 1 / 3) / 3] * 3)
    np.testing.assert_allclose(topic_uniqueness(np.array([[1, 2], [1, 2]])), [0.5, 0.5])


def test_topic_diversity_is_the_share_of_different_words() -> None:
    assert topic_diversity(TOP_WORDS) == pytest.approx(7 / 9)


def test_npmi_is_what_brute_force_gives() -> None:
    dense = random_counts(60, 30, mean=0.3).toarray()
    dense[:, 29] = 1  # in every document
    present = dense > 0
    top_words = np.array([[0, 1, 2, 29], [5, 29, 6, 7]])
    expected = []
    for topic in top_words:
        values = []
        for i, j in itertools.combinations(topic, 2):
            joint = (present[:, i] & present[:, j]).mean()
            single = present[:, i].mean() * present[:, j].mean()
            values.append(-1.0 if joint == 0 else math.log(joint / single) / -math.log(joint))
        expected.append(np.mean(values))
    np.testing.assert_allclose(npmi(csr_matrix(dense), top_words), expected, atol=1e-12)


def test_npmi_of_blocks_is_npmi_of_all_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, top_words = random_counts(200, 12, mean=0.4, seed=3), np.array([[0, 1, 2, 3], [8, 9, 10, 11]])
    at_once = npmi(counts, top_words)
    monkeypatch.setattr(corpus, "_BLOCK_COUNTS", 100)
    np.testing.assert_array_equal(npmi(counts, top_words), at_once)


def test_npmi_agrees_with_gensim() -> None:
    from gensim import corpora, models  # slow to import, and of use to this test alone

    counts = random_counts(200, 12, mean=0.4, seed=3)
    texts = [[str(word) for word in row.indices] for row in counts]
    top_words = np.array([[0, 1, 2, 3], [8, 9, 10, 11]])
    coherence = models.CoherenceModel(
        topics=[[str(word) for word in topic] for topic in top_words],
        texts=texts, dictionary=corpora.Dictionary(texts), coherence="c_npmi", window_size=10_000, processes=1,
    )  # fmt: skip
    np.testing.assert_allclose(npmi(counts, top_words), coherence.get_coherence_per_topic(), atol=1e-6)


def test_npmi_stays_within_its_bounds_where_logarithms_would_not() -> None:
    always = csr_matrix(np.ones((5, 3), np.float32))
    never = csr_matrix(np.eye(3, dtype=np.float32))
    assert npmi(always, np.array([[0, 1, 2]])).tolist() == [1.0]
    assert npmi(never, np.array([[0, 1, 2]])).tolist() == [-1.0]
    assert npmi(always, np.array([[0]])).tolist() == [0.0]


def test_wetc_is_the_mean_cosine_and_an_unknown_word_counts_nothing() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(wetc(vectors, np.array([[0, 1, 2], [0, 1, 3]])), [2 * math.sqrt(0.5) / 3, 0.0])


def test_perplexity_of_a_uniform_model_is_the_size_of_the_vocabulary() -> None:
    theta = np.full((12, 4), 0.25, np.float32)
    uniform = perplexity(lambda part: np.full((len(part), 30), -math.log(30)), theta, random_counts(), batch=5)
    assert uniform == pytest.approx(30)


def test_perplexity_is_e_to_the_nats_per_token() -> None:
    model, counts = random_model(), random_counts()
    theta = model.transform(counts)
    log_probabilities = model.word_log_probabilities(theta)
    expected = math.exp(-(counts.toarray() * log_probabilities).sum() / counts.sum())
    assert perplexity(model.word_log_probabilities, theta, counts, batch=5) == pytest.approx(expected, rel=1e-5)
