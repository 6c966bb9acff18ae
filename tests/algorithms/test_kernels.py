"""The sparse encoder layer and the closed-form decoder against autograd on dense tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack

from tests.models import random_counts
from topicdock.algorithms.decoder import Decoder
from topicdock.algorithms.ntm import Prior, background
from topicdock.algorithms.sparse import Batch, sparse_linear

EMPTY = csr_matrix((1, 30), dtype=np.float32)
COUNTS = vstack([random_counts(4, 30), EMPTY, random_counts(2, 30, seed=2)]).tocsr()
DENSE = torch.from_numpy(COUNTS.toarray())


def _leaf(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_the_sparse_layer_and_its_gradients_are_those_of_a_dense_one() -> None:
    weight, bias = _leaf(30, 5, seed=0), _leaf(5, seed=1)
    upstream = torch.randn(7, 5, generator=torch.Generator().manual_seed(2))
    results = []
    for output in (sparse_linear(Batch(COUNTS), weight, bias), DENSE @ weight + bias):
        weight.grad = bias.grad = None
        (output * upstream).sum().backward()  # type: ignore[no-untyped-call]
        results.append([t.detach().clone() for t in (output, weight.grad, bias.grad) if t is not None])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_decoder_and_its_gradients_are_those_of_log_softmax() -> None:
    theta = torch.softmax(_leaf(7, 4, seed=0), 1).detach().requires_grad_()
    weight, bias = _leaf(30, 4, seed=1), _leaf(30, seed=2)
    upstream = torch.rand(7, generator=torch.Generator().manual_seed(3))
    dense = -(DENSE * torch.log_softmax(theta @ weight.t() + bias, 1)).sum(1)
    results = []
    for output in (Decoder()(theta, weight, bias, Batch(COUNTS)), dense):
        theta.grad = weight.grad = bias.grad = None
        (output * upstream).sum().backward()  # type: ignore[no-untyped-call]
        gradients = (theta.grad, weight.grad, bias.grad)
        results.append([t.detach().clone() for t in (output, *gradients) if t is not None])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_decoder_does_not_overflow() -> None:
    theta, weight = torch.ones(7, 4) / 4, torch.full((30, 4), 1e4)
    weight[0] = -1e4
    recon = Decoder()(theta, weight, torch.zeros(30), Batch(COUNTS))
    assert torch.isfinite(recon).all()


def test_the_decoder_serves_batches_of_different_sizes_from_one_block() -> None:
    decoder, weight, bias = Decoder(), torch.randn(30, 4), torch.zeros(30)
    theta = torch.full((7, 4), 0.25)
    whole = decoder(theta, weight, bias, Batch(COUNTS)).clone()
    part = decoder(theta[:2], weight, bias, Batch(COUNTS[:2])).clone()
    torch.testing.assert_close(part, whole[:2])


@pytest.mark.parametrize("variance", [1.0, 3.7])
def test_the_divergence_is_that_of_two_gaussians(variance: float) -> None:
    mu, logvar = _leaf(5, 3, seed=0).detach(), _leaf(5, 3, seed=1).detach()
    posterior = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, math.sqrt(variance))).sum(1)
    torch.testing.assert_close(Prior(variance).divergence(mu, logvar), expected)


def test_the_laplace_approximation_is_that_of_the_paper() -> None:
    alpha, topics = 0.02, 50
    assert Prior.laplace(alpha, topics).variance == pytest.approx(
        1 / alpha * (1 - 2 / topics) + 1 / topics**2 * topics / alpha
    )


def test_the_background_is_the_log_of_the_words_frequencies() -> None:
    counts = csr_matrix(np.array([[2, 0, 1], [1, 0, 0]], np.float32))
    np.testing.assert_allclose(np.exp(background(counts)), np.array([3.5, 0.5, 1.5]) / 5.5, rtol=1e-6)
