"""The mixture decoder against autograd on dense tensors, and its expectation against quadrature."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack
from scipy.stats import poisson

from tests.batches import batches_of
from tests.models import random_counts
from topicdock.algorithms.batches import Batch, BatchSettings
from topicdock.algorithms.doubt import doubt
from topicdock.algorithms.embedded import EmbeddedNetwork, Prices, Space
from topicdock.algorithms.encoder import EncoderSettings
from topicdock.algorithms.mixture import reconstruct

COUNTS = vstack([random_counts(4, 30), csr_matrix((1, 30), dtype=np.float32), random_counts(2, 30, seed=2)]).tocsr()


def batches(counts: csr_matrix = COUNTS, *, unseen: bool = False, size: int = 7) -> list[Batch]:
    return batches_of(counts, BatchSettings(size, 1.0, 0, "counts", unseen, join_last=False, by_word=True))


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spread", [1.0, 30.0])
@pytest.mark.parametrize("unseen", [False, True])
def test_the_error_and_its_gradients_are_those_of_the_dense_mixture(spread: float, unseen: bool) -> None:
    for batch in batches(unseen=unseen, size=3):
        theta = torch.softmax(random(len(batch), 4, seed=0), 1).requires_grad_()
        logits = (random(30, 4, seed=1) * spread).requires_grad_()
        recon = reconstruct(theta, logits, batch)
        (recon * 0.3).backward()  # type: ignore[no-untyped-call]
        exact_theta, exact_logits = (x.detach().double().requires_grad_() for x in (theta, logits))
        dense = batch.predicted.to_dense().double()
        expected = -(dense * torch.log(exact_theta @ torch.softmax(exact_logits, 0).T + 1e-30)).sum()
        (expected * 0.3).backward()  # type: ignore[no-untyped-call]
        assert float(recon.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
        assert theta.grad is not None
        assert logits.grad is not None
        assert exact_theta.grad is not None
        assert exact_logits.grad is not None
        torch.testing.assert_close(theta.grad, exact_theta.grad.float(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(logits.grad, exact_logits.grad.float(), rtol=1e-4, atol=1e-4)


def network(
    topics: int = 2, *, poisson: bool = False, prices: Prices | None = None, background: bool = False
) -> EmbeddedNetwork:
    words, alphas = random(30, 5, seed=3).numpy(), random(topics, 5, seed=4).numpy()
    bias = np.zeros(30, np.float32) if background else None
    settings = EncoderSettings(30, topics, (8,), "relu", False, False, 1.0, 1.0)
    generator = torch.Generator().manual_seed(0)
    return EmbeddedNetwork(
        settings, Space(words, False, alphas, bias, background), np.full(30, 1 / 30, np.float32),
        prices=prices or Prices(0.0, 0.0), poisson=poisson, generator=generator,
    )  # fmt: skip


def test_the_poisson_error_is_that_of_poissons_of_rate_theta_beta() -> None:
    (batch,) = batches()
    theta = torch.softmax(random(7, 2, seed=5), 1)
    model = network(poisson=True)
    with torch.no_grad():
        error, _ = model.reconstruct(theta, batch)
        rates = theta.double() @ torch.softmax(model.logits().double(), 0).T
    assert float(error) == pytest.approx(-poisson.logpmf(batch.predicted.to_dense(), rates).sum(), rel=1e-5)


def test_the_mean_of_sampled_poisson_errors_is_the_expected_log_likelihood() -> None:
    """With two topics theta is one number, sigmoid(h_1 - h_2), and the expectation a one-dimensional integral."""
    (batch,) = batches()
    model = network(poisson=True)
    with torch.no_grad():
        mu, logvar = model.posterior(batch, training=False)
        beta = torch.softmax(model.logits().double(), 0).T.numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.sqrt(np.exp(logvar.numpy().astype(np.float64)).sum(1))
    expected = 0.0
    for node, weight in zip(nodes, weights / math.sqrt(2 * math.pi), strict=True):
        first = 1 / (1 + np.exp(-(mu[:, 0].numpy() - mu[:, 1].numpy() + spread * node)))
        rates = np.stack([first, 1 - first], 1) @ beta
        expected -= weight * poisson.logpmf(batch.predicted.to_dense(), rates).sum()
    generator = torch.Generator().manual_seed(1)

    def sample() -> float:
        noise = torch.randn(mu.shape, generator=generator)
        return float(model.reconstruct(torch.softmax(mu + torch.exp(0.5 * logvar) * noise, 1), batch)[0])

    with torch.no_grad():
        samples = np.array([sample() for _ in range(4000)])
    standard_error = samples.std() / math.sqrt(len(samples))
    assert abs(samples.mean() - expected) < 4 * standard_error
    assert standard_error < 0.01 * abs(expected)


def test_the_doubt_of_words_is_the_entropy_of_their_topics() -> None:
    model = network(3)
    logits = model.logits()
    beta = torch.softmax(logits, 0).numpy(force=True).astype(np.float64)
    topics = beta / beta.sum(1, keepdims=True)  # the topics being equally common, as before any step
    expected = -(topics * np.log(topics)).sum(1).mean()
    assert float(model.doubt(logits).detach()) == pytest.approx(expected, rel=1e-4)
    assert float(model.doubt(torch.zeros(30, 3))) == pytest.approx(math.log(3), rel=1e-4)


def test_the_gradient_of_the_doubt_is_that_of_its_formula() -> None:
    logits, usage = (random(30, 4, seed=1) * 3).requires_grad_(), torch.softmax(random(4, seed=2), 0)
    frequencies = torch.softmax(random(30, seed=3), 0)
    value = doubt(logits, usage, frequencies, partial(torch.log_softmax, dim=0))
    (value * 0.3).backward()  # type: ignore[no-untyped-call]
    exact = logits.detach().double().requires_grad_()
    topics = torch.softmax(torch.log_softmax(exact, 0) + torch.log(usage.double() + 1e-9), 1)
    expected = -(frequencies.double() * (topics * topics.log()).sum(1)).sum()
    (expected * 0.3).backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert logits.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(logits.grad, exact.grad.float(), rtol=1e-4, atol=1e-7)


def test_equally_common_topics_cost_nothing_and_the_background_is_left_out() -> None:
    equal = torch.full((5, 4), 0.25)
    skewed = torch.tensor([[0.7, 0.1, 0.1, 0.1]]).expand(5, 4)
    assert float(network(4).imbalance(equal.mean(0))) == pytest.approx(0, abs=1e-6)
    assert float(network(4).imbalance(skewed.mean(0))) == pytest.approx(
        math.log(4) + 0.7 * math.log(0.7) + 0.3 * math.log(0.1), rel=1e-5
    )
    assert float(network(4, background=True).imbalance(skewed.mean(0))) == pytest.approx(0, abs=1e-6)


def test_prices_are_for_training_alone() -> None:
    (batch,) = batches()
    theta = torch.full((7, 2), 0.5)
    model = network(prices=Prices(2.0, 3.0))
    error, price = model.reconstruct(theta, batch)
    expected = 2.0 * batch.lengths.sum() * model.doubt(model.logits()) + 3.0 * 7 * model.imbalance(theta.mean(0))
    assert price is not None
    torch.testing.assert_close(price, expected)
    with torch.no_grad():
        scored, nothing = model.reconstruct(theta, batch)
    assert nothing is None
    torch.testing.assert_close(scored, error)


def test_the_background_has_the_origin_for_its_embedding() -> None:
    model = network(3, background=True)
    assert not model.export()["topic_embeddings"][0].any()
    torch.testing.assert_close(torch.softmax(model.logits(), 0)[:, 0], torch.full((30,), 1 / 30))
