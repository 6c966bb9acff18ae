"""Rare words are put back where topics' words are ranked, and nothing that is predicted changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, hstack

from tests.jobs import planted_corpus
from topicdock.algorithms.handicap import Handicap
from topicdock.algorithms.ntm import fit
from topicdock.model import TopicModel
from topicdock.spec.ntm import NTMHyperparameters

COUNTS = planted_corpus(600)


def _with_rare_words(number: int) -> csr_matrix:
    """Return the planted corpus and, after its 40 words, others which one document each says often."""
    rows = np.random.default_rng(0).choice(COUNTS.shape[0], number, replace=False)
    rare = csr_matrix((np.full(number, 5, np.float32), (rows, np.arange(number))), (COUNTS.shape[0], number))
    return csr_matrix(hstack([COUNTS, rare]), dtype=np.float32)


def _fit(counts: csr_matrix, **given: str) -> TopicModel:
    return fit(
        counts, NTMHyperparameters.parse({"num_topics": "4", "feature_dim": str(counts.shape[1]), **given})
    ).model


@pytest.mark.parametrize(("scale", "share"), [(1.0, 1.0), (7.0, 1.0), (0.25, 0.25), (0.0, 0.0)])
def test_the_handicap_is_that_of_the_formula(scale: float, share: float) -> None:
    holders = np.array([0.0, 1.0, 5.0, 20.0, 500.0])
    weight = scale * torch.tensor([[1.0, -1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, 1.0, -1.0, 1.0]])
    expected = 3.0 * share * (np.sqrt(10_000 / 25) / np.array([1.0, 1.0, 5.0, 20.0, 500.0])) ** 0.5
    np.testing.assert_allclose(Handicap(holders, 10_000, 25, 3.0).of(weight).numpy(), expected, rtol=1e-6)


def test_the_spread_is_that_of_the_words_that_documents_hold() -> None:
    handicap = Handicap(np.array([0.0, 30.0, 10.0]), 40, 2, 1.0)
    weight = torch.tensor([[9.0, 0.4, 0.2], [9.0, -0.4, 0.0]])
    spread = math.sqrt(0.75 * 0.16 + 0.25 * 0.02)
    np.testing.assert_allclose(handicap.of(weight)[1].item(), spread * math.sqrt(math.sqrt(20) / 30), rtol=1e-6)


def test_it_is_paid_back_in_the_bias() -> None:
    counts = _with_rare_words(60)
    plain, put_back = (_fit(counts, rare_word_handicap=strength) for strength in ("0", "4"))
    theta = plain.transform(counts)
    np.testing.assert_array_equal(put_back.transform(counts), theta)
    np.testing.assert_allclose(
        put_back.word_log_probabilities(theta), plain.word_log_probabilities(theta), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(put_back.beta, plain.beta, rtol=1e-3, atol=1e-7)
    weight, bias = (put_back.arrays[name] - plain.arrays[name] for name in ("projection_weight", "projection_bias"))
    np.testing.assert_allclose(weight, -np.repeat(bias[:, None], 4, 1), atol=1e-5)
    assert bias.min() > 0


def test_words_of_single_documents_do_not_lead_a_topic() -> None:
    counts = _with_rare_words(200)
    plain, put_back = (_fit(counts, rare_word_handicap=strength).top_words(10) for strength in ("0", "4"))
    assert (plain >= 40).any()
    assert (put_back < 40).all()
    assert {int(np.bincount(words // 10).max()) for words in put_back} == {10}
