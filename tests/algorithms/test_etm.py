"""ETM passes what every algorithm must: a simplex, determinism, planted topics; the trained graph is what is served."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix, vstack
from scipy.stats import poisson

from tests.jobs import planted_corpus
from topicdock.algorithms.batches import Batch
from topicdock.algorithms.etm import fit
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.progress import EpochReport
from topicdock.artifact import decode_model, encode_model
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import AlgorithmError
from topicdock.evaluation import perplexity
from topicdock.model import EmbeddedTopicModel
from topicdock.spec.etm import ETMHyperparameters

COUNTS = planted_corpus(600)
VALIDATION = planted_corpus(100, seed=1)
AUTHORS = {"recipe": "authors", "t_hidden_size": 30, "rho_size": 20, "batch_size": 100}
VECTORS = WordVectors(np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32), np.arange(40) != 7)


def settings(**given: Any) -> ETMHyperparameters:
    return ETMHyperparameters.parse({"num_topics": "4", "feature_dim": "40", **{k: str(v) for k, v in given.items()}})


def model_of(result: Fit) -> EmbeddedTopicModel:
    assert isinstance(result.model, EmbeddedTopicModel)
    return result.model


class Reports:
    """Keeps what a fit reports."""

    def __init__(self) -> None:
        self.epochs: list[EpochReport] = []

    def epoch_started(self, epoch: int) -> None:
        assert epoch == len(self.epochs) + 1

    def epoch_finished(self, report: EpochReport) -> None:
        self.epochs.append(report)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(COUNTS, settings(), validation=VALIDATION)


def smallest_correlation(model: EmbeddedTopicModel) -> float:
    """Of a planted topic's share of the documents with that of the topic which matches it best."""
    blocks = np.stack([COUNTS[:, 10 * k : 10 * k + 10].sum(1).A1 for k in range(4)], axis=1)
    correlation = np.corrcoef(model.transform(COUNTS).T, blocks.T)[:4, 4:]
    rows, columns = linear_sum_assignment(-correlation)
    return float(correlation[rows, columns].min())


def test_planted_topics_are_recovered_by_the_plain_call(fitted: Fit) -> None:
    assert smallest_correlation(model_of(fitted)) > 0.9
    assert {int(np.bincount(words // 10).max()) for words in fitted.model.top_words(10)} == {10}


def test_planted_topics_are_recovered_with_the_authors_settings() -> None:
    # One start of these settings in two merges or splits topics; its loss tells.
    starts = [fit(COUNTS, settings(**AUTHORS, seed=seed)) for seed in range(3)]
    assert smallest_correlation(model_of(min(starts, key=lambda start: start.best_loss))) > 0.8


def test_topic_weights_are_a_simplex(fitted: Fit) -> None:
    one_word = csr_matrix(([1.0], ([0], [3])), shape=(1, 40), dtype=np.float32)
    theta = fitted.model.transform(vstack([COUNTS, csr_matrix((1, 40), dtype=np.float32), one_word]).tocsr())
    assert (theta >= 0).all()
    np.testing.assert_allclose(theta.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {},
        AUTHORS,
        {"likelihood": "poisson"},
        {"num_topics": 12, "enc_drop": 0.3},
        {"encoder_layers": "9,8", "theta_act": "softplus"},
        {"bow_norm": 1, "theta_act": "selu"},
        {"initial_topics": "random", "train_embeddings": "true", "theta_act": "elu"},
    ],
)
def test_the_served_model_is_the_graph_that_was_trained(given: dict[str, Any]) -> None:
    result = fit(COUNTS, settings(**{"epochs": 3, **given}))
    network = result.score.__self__.network  # type: ignore[attr-defined]
    documents = Batch.of(COUNTS, result.model.metadata.hyperparameters["encoder_input"])
    with torch.no_grad():
        mu, _ = network.posterior(documents, training=False)
        graph = torch.softmax(mu, 1)
    theta = result.model.transform(COUNTS)
    np.testing.assert_allclose(theta, graph.numpy(), atol=1e-5)
    loaded = decode_model(encode_model(result.model))
    np.testing.assert_array_equal(loaded.transform(COUNTS), theta)
    np.testing.assert_array_equal(loaded.beta, result.model.beta)


def test_log_beta_is_what_the_embeddings_say_it_is() -> None:
    model = model_of(fit(COUNTS, settings(**AUTHORS, epochs=3)))
    logits = model.arrays["word_embeddings"] @ model.arrays["topic_embeddings"].T
    expected = torch.log_softmax(torch.from_numpy(logits), 0)
    np.testing.assert_allclose(model.arrays["projection_weight"], expected, atol=1e-5)
    np.testing.assert_allclose(model.beta.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("given", [{}, AUTHORS])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(given: dict[str, Any]) -> None:
    runs = (fit(COUNTS, settings(**{"epochs": 2, "seed": seed, **given})).model.arrays for seed in (3, 3, 4))
    first, again, other = runs
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["projection_weight"], other["projection_weight"])


def test_the_losses_are_nats_per_word_of_all_documents() -> None:
    result = fit(COUNTS, settings(epochs=1))
    theta = result.model.transform(VALIDATION)
    recons = -VALIDATION.multiply(result.model.word_log_probabilities(theta)).sum() / VALIDATION.sum()
    assert result.score(VALIDATION).recons == pytest.approx(recons, rel=1e-5)


def test_the_poisson_losses_are_those_of_poissons_of_rate_theta_beta() -> None:
    result = fit(COUNTS, settings(epochs=1, likelihood="poisson"))
    rates = result.model.transform(VALIDATION) @ result.model.beta
    expected = -poisson.logpmf(VALIDATION.toarray(), rates.astype(np.float64)).sum() / VALIDATION.sum()
    assert result.score(VALIDATION).recons == pytest.approx(expected, rel=1e-5)


def test_the_poisson_likelihood_finds_the_topics_that_the_multinomial_does() -> None:
    counted, drawn = (model_of(fit(COUNTS, settings(epochs=2, likelihood=x))) for x in ("poisson", "multinomial"))
    np.testing.assert_allclose(counted.beta, drawn.beta, rtol=1e-3)


def test_given_vectors_are_kept_and_unknown_words_are_drawn_as_the_originals_do() -> None:
    model = model_of(fit(COUNTS, settings(epochs=2), word_vectors=VECTORS))
    words = model.arrays["word_embeddings"]
    np.testing.assert_allclose(words[VECTORS.known], VECTORS.vectors[VECTORS.known], rtol=1e-5)
    assert words.shape == (40, 6)
    assert not np.allclose(words[7], VECTORS.vectors[7])
    assert 0 < np.abs(words[7]).max() < 3


@pytest.mark.parametrize("given", [{}, AUTHORS])
def test_given_vectors_are_trained_if_that_is_asked_for(given: dict[str, Any]) -> None:
    chosen = settings(**{"epochs": 2, "train_embeddings": 1, **given})
    model = model_of(fit(COUNTS, chosen, word_vectors=VECTORS))
    assert np.abs(model.arrays["word_embeddings"] - VECTORS.vectors)[VECTORS.known].max() > 1e-3


def test_a_hundred_documents_are_not_learned_by_heart() -> None:
    """Others are predicted better than by the frequencies of words, and than by nothing."""
    corpus = planted_corpus(600, vocabulary_size=500, num_topics=5)
    known, others = corpus[:100], corpus[100:]
    seen = others.copy()
    seen.data = np.random.default_rng(0).binomial(others.data.astype(int), 0.5).astype(np.float32)
    model = model_of(fit(known, settings(num_topics=5, feature_dim=500)))
    found = perplexity(model.word_log_probabilities, model.transform(seen), csr_matrix(others - seen))
    frequencies = np.log(known.sum(0).A1 + 1)
    frequencies -= np.log(np.exp(frequencies).sum())
    assert found < np.exp(-((others - seen) @ frequencies).sum() / (others - seen).sum())
    assert found < 500


def test_a_hundred_passes_are_the_most_and_weights_decay_less_where_documents_are_many() -> None:
    few, many = (settings().plan(documents) for documents in (100, 100_000))
    assert (few.epochs, many.epochs) == (100, 8)
    assert (few.weight_decay, many.weight_decay) == (1e-2, 1e-8)
    assert settings(recipe="authors").plan(100).weight_decay == 1.2e-6
    assert settings(epochs=429, weight_decay=0).plan(100).epochs == 429


def test_the_background_is_held_to_the_frequencies_of_words() -> None:
    wide = csr_matrix((COUNTS.data, COUNTS.indices, COUNTS.indptr), (600, 80))  # of which 40 never occur
    model = model_of(fit(wide[:100], settings(num_topics=10, feature_dim=80)))
    assert model.beta[0, 40:].min() > 1e-5


def test_dropout_changes_training_and_nothing_else() -> None:
    with_dropout, without = (fit(COUNTS, settings(epochs=2, encoder_dropout=rate)) for rate in (0.5, 0.0))
    assert not np.array_equal(with_dropout.model.arrays["mean_weight"], without.model.arrays["mean_weight"])
    theta = with_dropout.model.transform(VALIDATION)
    np.testing.assert_array_equal(theta, with_dropout.model.transform(VALIDATION))


def test_a_price_on_shared_words_parts_the_topics() -> None:
    def overlap(price: float) -> float:
        beta = fit(COUNTS, settings(topic_exclusivity=price, epochs=20)).model.beta
        return float(np.minimum(beta[0], beta[1]).sum())

    assert overlap(3.0) < overlap(0.0)


def test_the_first_of_many_topics_is_the_background() -> None:
    beta = model_of(fit(COUNTS, settings(num_topics=10, epochs=20))).beta
    frequencies = COUNTS.sum(0).A1 / COUNTS.sum()
    distances = np.abs(beta - frequencies).sum(1)
    assert distances.argmin() == 0


def test_annealing_divides_the_learning_rate_where_the_loss_no_longer_falls() -> None:
    given = {**AUTHORS, "anneal_lr": 1, "nonmono": 1, "lr_factor": 1000, "lr": 0.2, "epochs": 30}
    reports = Reports()
    fit(COUNTS, settings(**given), validation=VALIDATION, reporter=reports)
    losses = [report.train.total for report in reports.epochs]
    assert np.abs(np.diff(losses[-3:])).max() < np.abs(np.diff(losses[:3])).max()


def test_a_request_to_stop_keeps_what_there_is() -> None:
    reports = Reports()
    result = fit(COUNTS, settings(epochs=50), reporter=reports, should_stop=lambda: len(reports.epochs) >= 2)
    assert len(reports.epochs) == 2
    assert np.isfinite(result.model.transform(COUNTS)).all()


@pytest.mark.parametrize("documents", [1, 2, 5])
@pytest.mark.parametrize("given", [{}, {"recipe": "authors", "rho_size": 8, "t_hidden_size": 9}])
def test_a_handful_of_documents_gives_a_model_and_no_nan(documents: int, given: dict[str, Any]) -> None:
    result = fit(COUNTS[:documents], settings(**{"mini_batch_size": 2, **given, "epochs": 3}))
    assert np.isfinite(result.model.transform(COUNTS)).all()
    assert np.isfinite(result.model.beta).all()


@pytest.mark.parametrize("num_topics", [2, 60])
def test_any_number_of_topics_gives_a_model_more_than_words_included(num_topics: int) -> None:
    model = fit(COUNTS[:100], settings(num_topics=num_topics, epochs=2)).model
    assert np.isfinite(model.transform(COUNTS)).all()
    np.testing.assert_allclose(model.beta.sum(1), 1, atol=1e-5)


def test_empty_documents_and_words_that_never_occur_do_no_harm() -> None:
    counts = vstack([COUNTS[:50], csr_matrix((10, 40), dtype=np.float32)]).tocsr()
    wide = csr_matrix((counts.data, counts.indices, counts.indptr), (60, 45))
    result = fit(wide, settings(feature_dim=45, epochs=2))
    assert np.isfinite(result.best_loss)
    assert np.isfinite(result.model.arrays["projection_weight"]).all()


def test_a_loss_that_explodes_is_reported_with_a_remedy() -> None:
    with pytest.raises(AlgorithmError, match="lower learning_rate or set clip_gradient"):
        fit(COUNTS * 1e30, settings(**AUTHORS, optimizer="sgd", lr=1.0, epochs=3))


def test_a_limit_on_the_gradients_norm_keeps_a_large_step_small() -> None:
    def moved(limit: str) -> float:
        given = {**AUTHORS, "optimizer": "sgd", "lr": 1.0, "epochs": 1, "clip": limit}
        start = fit(COUNTS, settings(**given), should_stop=lambda: True).model.arrays
        end = fit(COUNTS, settings(**given)).model.arrays
        names = [name for name in start if name != "projection_weight"]
        return math.sqrt(sum(float(np.square(end[name] - start[name]).sum()) for name in names))

    assert moved("0.001") <= 0.001 * 6 * 1.01
    assert moved("0") > 0.1


@pytest.mark.parametrize("scale", [1e-20, 1e30])
def test_vectors_of_any_scale_are_the_same_space(scale: float) -> None:
    given = WordVectors((VECTORS.vectors * scale).astype(np.float32), np.ones(40, bool))
    model = model_of(fit(COUNTS, settings(epochs=2), word_vectors=given))
    same = model_of(fit(COUNTS, settings(epochs=2), word_vectors=WordVectors(VECTORS.vectors, np.ones(40, bool))))
    np.testing.assert_allclose(model.beta, same.beta, rtol=1e-3)
    np.testing.assert_allclose(model.arrays["word_embeddings"], given.vectors, rtol=1e-5)
    assert [word for word, _ in model.words_near_topic(1, 5)] == [word for word, _ in same.words_near_topic(1, 5)]


def test_a_fit_that_is_over_keeps_its_weights_alone() -> None:
    result = fit(COUNTS, settings(epochs=3))
    trainer: Any = result.score.__self__  # type: ignore[attr-defined]
    assert not list(trainer._optimizer.state())
    assert trainer._source._upcoming is None
    assert math.isfinite(result.score(COUNTS).total)
