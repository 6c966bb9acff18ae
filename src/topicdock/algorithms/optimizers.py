"""The five optimisers, with the constants and the order of operations of MXNet 1.x, which the built-in runs on.

What they do before their own rule: multiply the gradient by ``rescale_gradient``, then limit each component to
``clip_gradient``. Weight decay acts on weights, not on biases, and each optimiser applies it where MXNet's does.

References
----------
apache/mxnet 1.9.1, ``python/mxnet/optimizer/optimizer.py`` and ``src/operator/optimizer_op-inl.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class OptimizerSettings:
    """The hyperparameters of the same names; `weight_decay` and `learning_rate` as in each optimiser's rule."""

    name: str
    learning_rate: float
    weight_decay: float = 0.0
    rescale_gradient: float = 1.0
    clip_gradient: float = float("inf")


@dataclass
class Parameter:
    """One tensor to be learned. `rate` multiplies the learning rate; `decays` says whether weight decay acts on it."""

    tensor: Tensor
    decays: bool = False
    rate: float = 1.0
    state: dict[str, Any] = field(default_factory=dict)


class Optimizer:
    """Updates parameters in place from their ``grad``.

    Parameters
    ----------
    parameters : list of Parameter
    settings : OptimizerSettings
    """

    def __init__(self, parameters: list[Parameter], settings: OptimizerSettings) -> None:
        self._parameters, self._settings = parameters, settings
        self._rule = RULES[settings.name]
        self._steps = 0

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step with the learning rate multiplied by `factor`, and forget the gradients."""
        self._steps += 1
        for parameter in self._parameters:
            gradient = parameter.tensor.grad
            if gradient is None:
                continue
            decay = self._settings.weight_decay if parameter.decays else 0.0
            rate = self._settings.learning_rate * factor * parameter.rate
            self._rule(parameter, self._prepare(gradient, parameter.tensor, decay), rate, decay, self._steps)
            parameter.tensor.grad = None

    def _prepare(self, gradient: Tensor, weight: Tensor, decay: float) -> Tensor:
        settings = self._settings
        if settings.rescale_gradient != 1.0:
            gradient = gradient.mul_(settings.rescale_gradient)
        if decay and settings.name in _DECAY_IN_GRADIENT:
            gradient = gradient.add_(weight, alpha=decay)
        if settings.clip_gradient != float("inf"):
            gradient = gradient.clamp_(-settings.clip_gradient, settings.clip_gradient)
        return gradient


def _zeros(parameter: Parameter, *names: str) -> list[Tensor]:
    for name in names:
        if name not in parameter.state:
            parameter.state[name] = torch.zeros_like(parameter.tensor)
    return [parameter.state[name] for name in names]


def _sgd(parameter: Parameter, gradient: Tensor, rate: float, decay: float, _step: int) -> None:
    """w = (1 - lr wd) w - lr g, without momentum."""
    parameter.tensor.mul_(1 - rate * decay).sub_(gradient, alpha=rate)


def _adam(parameter: Parameter, gradient: Tensor, rate: float, _decay: float, _step: int) -> None:
    """Adam with beta = (0.9, 0.999), epsilon = 1e-8; torch's fused kernel touches each number once."""
    adam = parameter.state.get("adam")
    if adam is None:
        adam = parameter.state["adam"] = torch.optim.Adam([parameter.tensor], fused=True)
    adam.param_groups[0]["lr"] = rate
    parameter.tensor.grad = gradient
    adam.step()


def _adagrad(parameter: Parameter, gradient: Tensor, rate: float, decay: float, _step: int) -> None:
    """h += g^2; w -= lr (g / sqrt(h + 1e-7) + wd w)."""
    (history,) = _zeros(parameter, "history")
    history.addcmul_(gradient, gradient)
    parameter.tensor.mul_(1 - rate * decay).addcdiv_(gradient, (history + 1e-7).sqrt_(), value=-rate)


def _rmsprop(parameter: Parameter, gradient: Tensor, rate: float, _decay: float, _step: int) -> None:
    """n = 0.9 n + 0.1 g^2; w -= lr g / sqrt(n + 1e-8), not centred."""
    (square,) = _zeros(parameter, "square")
    square.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
    parameter.tensor.addcdiv_(gradient, (square + 1e-8).sqrt_(), value=-rate)


def _adadelta(parameter: Parameter, gradient: Tensor, _rate: float, decay: float, _step: int) -> None:
    """MXNet's rule (rho 0.9, epsilon 1e-5), in which the learning rate has no place.

    a = rho a + (1 - rho) g^2;  d = sqrt(b + eps) / sqrt(a + eps) g;  b = rho b + (1 - rho) d^2;  w -= d + wd w
    """
    squares, steps = _zeros(parameter, "squares", "steps")
    squares.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
    change = (steps + 1e-5).sqrt_().div_((squares + 1e-5).sqrt_()).mul_(gradient)
    steps.mul_(0.9).addcmul_(change, change, value=0.1)
    parameter.tensor.mul_(1 - decay).sub_(change)


_DECAY_IN_GRADIENT = frozenset({"adam", "rmsprop"})
"""Where MXNet adds weight decay to the gradient, before clipping."""

RULES: Mapping[str, Callable[[Parameter, Tensor, float, float, int], None]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "rmsprop": _rmsprop,
}
