"""The priors on W: gradients by autograd, and when they begin."""

from __future__ import annotations

import pytest
import torch

from topicdock.algorithms.projection_prior import ProjectionPrior, strength

D, K, V = 20, 3, 30


def _weight() -> torch.Tensor:
    return torch.randn(K, V, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("done", "share"), [(0.15, 0.0), (0.3, 0.5), (0.45, 1.0), (1.0, 1.0)])
def test_the_gradients_are_those_of_the_formulas_once_they_count(done: float, share: float) -> None:
    weight = _weight().requires_grad_()
    positive = torch.relu(weight)
    shared = sum((positive[k] * positive[other]).sum() for k in range(K) for other in range(k))
    (share * (0.7 / 2 * (weight**2).sum() + 0.4 * shared) / D).backward()  # type: ignore[no-untyped-call]
    gradient = torch.zeros(K, V)
    ProjectionPrior(0.7, 0.4, D).add(weight.detach(), gradient, done)
    torch.testing.assert_close(gradient, weight.grad)


def test_without_a_price_nothing_is_added() -> None:
    gradient = torch.zeros(K, V)
    ProjectionPrior(0.0, 0.0, D).add(_weight(), gradient, 1.0)
    assert not gradient.any()


def test_the_prices_come_in_gradually() -> None:
    assert [strength(done) for done in (0.0, 0.1, 0.15)] == [0.0, 0.0, 0.0]
    assert strength(0.3) == pytest.approx(0.5)
    assert [strength(done) for done in (0.45, 1.0)] == [1.0, 1.0]
