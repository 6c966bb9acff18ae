"""NTM passes what every algorithm must: a simplex, determinism, planted topics; the trained graph is what is served."""

from __future__ import annotations

import importlib
import math
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix, vstack

from tests.jobs import planted_corpus
from topicdock.algorithms import fitting
from topicdock.algorithms.batches import Batch
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.ntm import fit
from topicdock.algorithms.progress import EpochReport
from topicdock.artifact import decode_model, encode_model
from topicdock.errors import AlgorithmError
from topicdock.evaluation import npmi
from topicdock.spec.ntm import NTMHyperparameters
from topicdock.spec.registry import ALGORITHMS

COUNTS = planted_corpus(600)
VALIDATION = planted_corpus(100, seed=1)


def settings(**given: Any) -> NTMHyperparameters:
    return NTMHyperparameters.parse({"num_topics": "4", "feature_dim": "40", **{k: str(v) for k, v in given.items()}})


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


def test_planted_topics_are_recovered_by_the_plain_call(fitted: Fit) -> None:
    theta = fitted.model.transform(COUNTS)
    blocks = np.stack([COUNTS[:, 10 * k : 10 * k + 10].sum(1).A1 for k in range(4)], axis=1)
    correlation = np.corrcoef(theta.T, blocks.T)[:4, 4:]
    rows, columns = linear_sum_assignment(-correlation)
    assert correlation[rows, columns].min() > 0.9
    top_words = fitted.model.top_words(10)
    assert {int(np.bincount(words // 10).max()) for words in top_words} == {10}


def test_topic_weights_are_a_simplex(fitted: Fit) -> None:
    one_word = csr_matrix(([1.0], ([0], [3])), shape=(1, 40), dtype=np.float32)
    theta = fitted.model.transform(vstack([COUNTS, csr_matrix((1, 40), dtype=np.float32), one_word]).tocsr())
    assert (theta >= 0).all()
    np.testing.assert_allclose(theta.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [{}, {"recipe": "sagemaker"}, {"batch_norm": "true"}, {"encoder_layers": "9", "encoder_layers_activation": "tanh"}],
)
def test_the_served_model_is_the_graph_that_was_trained(given: dict[str, str]) -> None:
    result = fit(COUNTS, settings(epochs=3, **given))
    network = result.score.__self__.network  # type: ignore[attr-defined]
    documents = Batch.of(COUNTS, result.model.metadata.hyperparameters["encoder_input"])
    with torch.no_grad():
        mu, _ = network.posterior(documents, training=False)
        graph = torch.softmax(mu, 1)
        recon = float(network.decoder(graph, documents))
    theta = result.model.transform(COUNTS)
    np.testing.assert_allclose(theta, graph.numpy(), atol=1e-6)
    log_probabilities = result.model.word_log_probabilities(theta)
    assert -COUNTS.multiply(log_probabilities).sum() == pytest.approx(recon, rel=1e-5)
    loaded = decode_model(encode_model(result.model))
    np.testing.assert_array_equal(loaded.transform(COUNTS), theta)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad", "adadelta", "rmsprop"])
def test_every_optimiser_lowers_the_loss(optimizer: str) -> None:
    reports = Reports()
    rate = {"sgd": 0.001, "rmsprop": 0.002}.get(optimizer, 0.01)
    fit(COUNTS, settings(recipe="sagemaker", optimizer=optimizer, learning_rate=rate, epochs=6), reporter=reports)
    assert reports.epochs[-1].train.total < reports.epochs[0].train.total


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    first, again, other = (fit(COUNTS, settings(epochs=2, seed=seed)).model.arrays for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["projection_weight"], other["projection_weight"])


def test_an_epoch_counts_every_document_once_the_last_partial_batch_included() -> None:
    reports = Reports()
    fit(COUNTS, settings(epochs=1, mini_batch_size=256, recipe="sagemaker"), validation=VALIDATION, reporter=reports)
    report = reports.epochs[0]
    assert (report.train.documents, report.train.batches) == (600, 3)
    assert report.validation is not None
    assert (report.validation.documents, report.validation.batches) == (100, 1)


def test_a_share_of_the_documents_is_drawn_anew_each_epoch() -> None:
    reports = Reports()
    fit(COUNTS, settings(epochs=2, sub_sample=0.25), reporter=reports)
    assert [report.train.documents for report in reports.epochs] == [150, 150]


def test_the_losses_are_nats_per_word_of_all_documents() -> None:
    result = fit(COUNTS, settings(epochs=1))
    theta = result.model.transform(VALIDATION)
    recons = -VALIDATION.multiply(result.model.word_log_probabilities(theta)).sum() / VALIDATION.sum()
    assert result.score(VALIDATION).recons == pytest.approx(recons, rel=1e-5)


@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
def test_the_coherence_on_the_way_is_that_of_the_topics_so_far(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_COHERENCE_SECONDS", 0.0)
    reports = Reports()
    counts = planted_corpus(200)
    specification = ALGORITHMS[algorithm]
    given = {"num_topics": "4", "feature_dim": "40", "epochs": "3", "seed": "1"}
    hyperparameters = specification.hyperparameters.parse(given)
    result = importlib.import_module(specification.module).fit(counts, hyperparameters, reporter=reports)
    assert len(reports.epochs) == 3
    assert reports.epochs[result.best_epoch - 1].coherence == pytest.approx(
        npmi(counts, result.model.top_words(10)).mean(), abs=1e-9
    )


def test_the_best_epoch_is_what_is_kept() -> None:
    reports = Reports()
    result = fit(COUNTS, settings(epochs=6, recipe="sagemaker", optimizer="sgd", learning_rate=0.02),
                 validation=VALIDATION, reporter=reports)  # fmt: skip
    losses = [report.validation.total for report in reports.epochs if report.validation is not None]
    assert result.best_loss == min(losses)
    assert result.best_epoch == losses.index(min(losses)) + 1
    assert result.score(VALIDATION).total == pytest.approx(min(losses), rel=1e-6)


def test_early_stopping_ends_training_when_nothing_improves() -> None:
    reports = Reports()
    fit(COUNTS, settings(recipe="sagemaker", epochs=50, num_patience_epochs=2, tolerance=0.1), reporter=reports)
    assert len(reports.epochs) < 50
    assert reports.epochs[-1].patience is not None
    assert reports.epochs[-1].patience.exceeded


@pytest.mark.parametrize("epochs_until_asked", [0, 2])
def test_a_request_to_stop_keeps_what_there_is(epochs_until_asked: int) -> None:
    reports = Reports()
    result = fit(
        COUNTS, settings(epochs=50), reporter=reports, should_stop=lambda: len(reports.epochs) >= epochs_until_asked
    )
    assert len(reports.epochs) == epochs_until_asked
    assert np.isfinite(result.model.transform(COUNTS)).all()


@pytest.mark.parametrize("documents", [1, 2, 5])
@pytest.mark.parametrize("recipe", ["topicdock", "sagemaker"])
def test_a_handful_of_documents_gives_a_model_and_no_nan(documents: int, recipe: str) -> None:
    result = fit(COUNTS[:documents], settings(epochs=3, recipe=recipe, mini_batch_size=2))
    assert np.isfinite(result.model.transform(COUNTS)).all()
    assert np.isfinite(result.model.beta).all()


def test_empty_documents_among_the_others_do_no_harm() -> None:
    counts = vstack([COUNTS[:50], csr_matrix((10, 40), dtype=np.float32)]).tocsr()
    assert np.isfinite(fit(counts, settings(epochs=2)).best_loss)


def test_weight_decay_leaves_the_background_alone() -> None:
    decayed, free = (
        fit(COUNTS, settings(recipe="sagemaker", decoder_bias="background", weight_decay=decay, epochs=5)).model.arrays
        for decay in (0.1, 0.0)
    )
    assert np.abs(decayed["projection_weight"]).max() < np.abs(free["projection_weight"]).max()
    np.testing.assert_allclose(decayed["projection_bias"], free["projection_bias"], atol=0.2)


@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
def test_no_thread_is_left_when_a_fit_is_over(algorithm: str) -> None:
    before, specification = threading.active_count(), ALGORITHMS[algorithm]
    given = specification.hyperparameters.parse({"num_topics": "4", "feature_dim": "40", "epochs": "2"})
    kept = [importlib.import_module(specification.module).fit(COUNTS, given) for _ in range(3)]
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before, kept


def test_weights_that_are_no_numbers_are_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.algorithms.network.Network.export", lambda _: {"mean_bias": np.array([np.nan])})
    with pytest.raises(AlgorithmError, match="weights are no longer finite"):
        fit(COUNTS, settings(epochs=1))


def test_automatic_epochs_make_as_many_batches_of_a_share_of_the_documents() -> None:
    whole, share = settings().plan(10_000), settings(sub_sample=0.1).plan(10_000)
    assert (whole.epochs * math.ceil(10_000 / whole.mini_batch_size)) == pytest.approx(1900, rel=0.05)
    assert (share.epochs * math.ceil(1_000 / share.mini_batch_size)) == pytest.approx(1900, rel=0.05)


def test_a_loss_that_explodes_is_reported_with_a_remedy() -> None:
    with pytest.raises(AlgorithmError, match="lower learning_rate or set clip_gradient"):
        fit(COUNTS * 1e30, settings(recipe="sagemaker", optimizer="sgd", learning_rate=1.0, epochs=3))
