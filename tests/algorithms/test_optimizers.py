"""Each optimiser against its rule written out in numpy, three steps with decay, rescaling and clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from topicdock.algorithms.first_layer import SparseLayer
from topicdock.algorithms.gradients import RowGradient
from topicdock.algorithms.optimizers import Optimizer, OptimizerSettings, Parameter

RATE, DECAY, RESCALE, CLIP = 0.1, 0.03, 0.5, 0.4
GRADIENTS = np.random.default_rng(0).normal(size=(3, 5)) * 2
START = np.random.default_rng(1).normal(size=5)


def _clip(gradient: Any) -> Any:
    return np.clip(gradient, -CLIP, CLIP)


def _expected(name: str, decay: float) -> Any:
    w, a, b = START.copy(), np.zeros(5), np.zeros(5)
    for t, gradient in enumerate(GRADIENTS * RESCALE, start=1):
        if name == "sgd":
            w = (1 - RATE * decay) * w - RATE * _clip(gradient)
        elif name == "adam":
            g = _clip(gradient + decay * w)
            a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g**2
            w = w - RATE * (a / (1 - 0.9**t)) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
        elif name == "adagrad":
            g = _clip(gradient)
            a = a + g**2
            w = w - RATE * (g / np.sqrt(a + 1e-7) + decay * w)
        elif name == "rmsprop":
            g = _clip(gradient + decay * w)
            a = 0.9 * a + 0.1 * g**2
            w = w - RATE * g / np.sqrt(a + 1e-8)
        else:
            g = _clip(gradient)
            a = 0.9 * a + 0.1 * g**2
            change = np.sqrt(b + 1e-5) / np.sqrt(a + 1e-5) * g
            b = 0.9 * b + 0.1 * change**2
            w = w - change - decay * w
    return w


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "adadelta", "rmsprop"])
@pytest.mark.parametrize("decays", [True, False])
def test_an_optimiser_follows_mxnets_rule(name: str, decays: bool) -> None:
    tensor = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    optimizer = Optimizer([Parameter(tensor, decays)], OptimizerSettings(name, RATE, DECAY, RESCALE, CLIP))
    for gradient in GRADIENTS:
        tensor.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    np.testing.assert_allclose(tensor.detach().numpy(), _expected(name, DECAY if decays else 0.0), rtol=2e-5, atol=1e-6)


def test_the_learning_rate_has_no_effect_on_adadelta() -> None:
    def run(rate: float) -> list[float]:
        tensor = torch.tensor(START, dtype=torch.float32, requires_grad=True)
        optimizer = Optimizer([Parameter(tensor)], OptimizerSettings("adadelta", rate))
        tensor.grad = torch.tensor(GRADIENTS[0], dtype=torch.float32)
        optimizer.step()
        return tensor.tolist()

    assert run(0.001) == run(1.0)


def test_lazy_adam_moves_the_rows_that_have_a_gradient_and_no_others() -> None:
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    gradient = RowGradient(torch.tensor([1, 3]), torch.ones(2, 3))
    moved = []
    for lazy in (True, False):
        layer = SparseLayer(start.clone(), torch.zeros(3))
        optimizer = Optimizer([Parameter(layer.weight, layer=layer)], OptimizerSettings("adam", RATE, lazy=lazy))
        for _ in range(3):
            layer.gradient = gradient
            optimizer.step()
        moved.append(layer.weight)
    torch.testing.assert_close(moved[0], moved[1])
    torch.testing.assert_close(moved[0][[0, 2]], start[[0, 2]])
    assert not torch.equal(moved[0][[1, 3]], start[[1, 3]])


def test_lazy_adam_decays_the_rows_that_have_a_gradient_and_no_others() -> None:
    start = torch.ones(4, 3)
    layer = SparseLayer(start.clone(), torch.zeros(3))
    parameter = Parameter(layer.weight, decays=True, layer=layer)
    optimizer = Optimizer([parameter], OptimizerSettings("adam", RATE, DECAY, lazy=True))
    layer.gradient = RowGradient(torch.tensor([1, 3]), torch.zeros(2, 3))
    optimizer.step()
    assert (layer.weight[[1, 3]] < 1).all()
    torch.testing.assert_close(layer.weight[[0, 2]], start[[0, 2]])


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "adadelta", "rmsprop"])
def test_a_bias_in_the_last_row_does_not_decay(name: str) -> None:
    tensor = torch.ones(3, 2, requires_grad=True)
    optimizer = Optimizer([Parameter(tensor, decays=True, holds_bias=True)], OptimizerSettings(name, RATE, 0.1))
    tensor.grad = torch.zeros(3, 2)
    optimizer.step()
    assert (tensor[:-1] < 1).all()
    assert (tensor[-1] == 1).all()


@pytest.mark.parametrize("lazy", [False, True])
def test_adams_kernel_adds_the_decay_that_would_be_added_before_it(lazy: bool) -> None:
    start = torch.randn(40, 33, generator=torch.Generator().manual_seed(0))
    moved = []
    for clip in (float("inf"), 1e30):  # where gradients are to be clipped, the decay is among them
        layer = SparseLayer(start.clone(), torch.zeros(33))
        settings = OptimizerSettings("adam", RATE, DECAY, lazy=lazy, clip_gradient=clip)
        optimizer = Optimizer([Parameter(layer.weight, decays=True, layer=layer)], settings)
        for step in range(5):
            rows = torch.arange(step, 40, 2)
            values = torch.randn(len(rows), 33, generator=torch.Generator().manual_seed(step))
            layer.gradient = RowGradient(rows, values)
            optimizer.step()
        moved.append(layer.weight)
    assert torch.equal(*moved)
    assert not torch.equal(moved[0], start)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "adadelta", "rmsprop"])
def test_rows_are_updated_block_by_block_as_they_would_be_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    moved = []
    for numbers in (1 << 22, 6):
        monkeypatch.setattr("topicdock.algorithms.optimizers._CACHED_NUMBERS", numbers)
        layer = SparseLayer(start.clone(), torch.zeros(3))
        parameter = Parameter(layer.weight, decays=True, layer=layer)
        optimizer = Optimizer([parameter], OptimizerSettings(name, RATE, DECAY))
        for rows in ([1, 4], [0, 1, 6], [2]):
            layer.gradient = RowGradient(torch.tensor(rows), torch.full((len(rows), 3), 0.3))
            optimizer.step()
        moved.append(layer.weight)
    torch.testing.assert_close(moved[0], moved[1])


def test_gradients_longer_than_the_limit_are_shortened_together() -> None:
    first, second = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    layer = SparseLayer(torch.zeros(3, 1), torch.zeros(1))
    parameters = [Parameter(first), Parameter(second), Parameter(layer.weight, layer=layer)]
    optimizer = Optimizer(parameters, OptimizerSettings("sgd", 1.0, clip_norm=2.5))
    first.grad, second.grad = torch.tensor([1.0, 2.0]), torch.tensor([4.0])
    layer.gradient = RowGradient(torch.tensor([1]), torch.tensor([[2.0]]))  # the norm of all is 5
    optimizer.step()
    assert first.tolist() == [-0.5, -1.0]
    assert second.tolist() == [-2.0]
    assert layer.weight.flatten().tolist() == [0.0, -1.0, 0.0]
