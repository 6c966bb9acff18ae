import numpy as np
import pytest

from demo.bars import correlate, draw_bars, match


def test_five_topics_are_the_columns() -> None:
    beta = draw_bars(10, 5, seed=0).beta
    np.testing.assert_allclose(beta.sum(axis=1), 1)
    for topic in range(5):
        assert np.flatnonzero(beta[topic]).tolist() == [topic, topic + 5, topic + 10, topic + 15, topic + 20]


def test_ten_topics_are_the_columns_and_the_rows() -> None:
    beta = draw_bars(10, 10, seed=0).beta
    for row in range(5):
        assert np.flatnonzero(beta[5 + row]).tolist() == list(range(5 * row, 5 * row + 5))


def test_documents_follow_their_topics() -> None:
    corpus = draw_bars(2000, 5, seed=1)
    lengths = np.asarray(corpus.counts.sum(axis=1)).ravel()
    # Poisson(150): the mean of 2000 has a standard error of 0.27, the variance one of about 4.8.
    assert abs(lengths.mean() - 150) < 1.5
    assert abs(lengths.var() - 150) < 30
    np.testing.assert_allclose(corpus.theta.sum(axis=1), 1)
    np.testing.assert_allclose(corpus.theta.mean(axis=0), 0.2, atol=0.05)
    shares = corpus.counts.toarray() / lengths[:, None]
    assert np.abs(shares - corpus.theta @ corpus.beta).mean() < 0.02


def test_the_same_seed_draws_the_same_corpus() -> None:
    first, second = draw_bars(50, 5, seed=3), draw_bars(50, 5, seed=3)
    assert (first.counts != second.counts).nnz == 0
    assert (first.counts != draw_bars(50, 5, seed=4).counts).nnz > 0


def test_other_numbers_of_topics_are_refused() -> None:
    with pytest.raises(ValueError, match="5 or 10 topics, not 7"):
        draw_bars(10, 7, seed=0)


def test_correlations_are_those_of_numpy() -> None:
    random = np.random.default_rng(0)
    known, found = random.random((40, 3)), random.random((40, 3))
    np.testing.assert_allclose(correlate(known, found), np.corrcoef(known.T, found.T)[:3, 3:])


def test_a_topic_that_never_varies_correlates_with_nothing() -> None:
    known = np.random.default_rng(0).random((10, 2))
    np.testing.assert_array_equal(correlate(known, np.ones((10, 2))), 0)


def test_topics_are_matched_to_their_permutation() -> None:
    known = np.random.default_rng(0).dirichlet(np.full(5, 0.2), 100)
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_array_equal(order[match(correlate(known, known[:, order]))], np.arange(5))
