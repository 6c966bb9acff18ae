"""The five optimisers, with the constants and the order of operations of MXNet 1.x, which the built-in runs on.

Adam may be lazy where a gradient has only some rows: then it updates, and decays, those alone, and costs what they
cost.

What they do before their own rule: multiply the gradient by ``rescale_gradient``, then limit each component to
``clip_gradient``. Weight decay acts on weights, not on biases, and each optimiser applies it where MXNet's does.

References
----------
apache/mxnet 1.9.1, ``python/mxnet/optimizer/optimizer.py`` and ``src/operator/optimizer_op-inl.h``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from topicdock.algorithms.gradients import ByRows, GradientBlock, RowGradient
from topicdock.algorithms.threads import side_by_side, threads_for

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's."""
_CACHED_NUMBERS = 1 << 19
"""Numbers in the rows of a first layer that are updated at a time: with moments and gradient near a core, and few."""


@dataclass(frozen=True)
class OptimizerSettings:
    """The hyperparameters of the same names; `weight_decay` and `learning_rate` as in each optimiser's rule."""

    name: str
    learning_rate: float
    weight_decay: float = 0.0
    rescale_gradient: float = 1.0
    clip_gradient: float = float("inf")
    lazy: bool = False
    clip_norm: float = float("inf")
    """Largest Euclidean norm of all gradients together."""


class Layer(Protocol):
    """What has a gradient that comes by rows, or None: a first layer is one."""

    gradient: Any


@dataclass
class Parameter:
    """One tensor to be learned.

    Attributes
    ----------
    decays : bool
        Whether weight decay acts on it.
    holds_bias : bool
        Whether its last row is a bias, which does not decay.
    rate : float
        Multiplies the learning rate.
    layer : Layer, optional
        Where the gradient is to be taken from, instead of the tensor's ``grad``.
    """

    tensor: Tensor
    decays: bool = False
    holds_bias: bool = False
    rate: float = 1.0
    layer: Layer | None = None
    state: dict[str, Any] = field(default_factory=dict)


class Optimizer:
    """Updates parameters in place from their ``grad``.

    Parameters
    ----------
    parameters : list of Parameter
    settings : OptimizerSettings
    """

    def __init__(self, parameters: list[Parameter], settings: OptimizerSettings) -> None:
        self.parameters, self._settings = parameters, settings
        self._lazy = settings.lazy and settings.name == "adam"
        self.steps = 0
        """How many have been taken."""

    @property
    def learning_rate(self) -> float:
        """The learning rate that was set, before any schedule's factor."""
        return self._settings.learning_rate

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield what the rules remember of each parameter, by a name of slashes."""
        for number, parameter in enumerate(self.parameters):
            yield from _flatten(parameter.state, str(number))

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Take over what :meth:`state` yielded after so many steps."""
        self.steps = steps
        for name, tensor in state.items():
            number, *path = name.split("/")
            place = self.parameters[int(number)].state
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = tensor.to(self.parameters[int(number)].tensor.device)

    def forget(self) -> None:
        """Let go of what the rules remember: there will be no further step."""
        for parameter in self.parameters:
            parameter.state.clear()

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step with the learning rate multiplied by `factor`, and forget the gradients."""
        self.steps += 1
        settings = self._settings
        if settings.clip_norm != float("inf"):
            self._limit_norm()
        updates: list[Callable[[], None]] = []
        for parameter in self.parameters:
            rate = settings.learning_rate * factor * parameter.rate
            gradient = parameter.tensor.grad
            if parameter.layer is not None and parameter.layer.gradient is not None:
                rows, parameter.layer.gradient = parameter.layer.gradient, None
                updates += self._updates_of_rows(parameter, rows, rate) if self._lazy else [
                    partial(self._update, block, part, rate)
                    for block, part in _blocks(parameter, rows, RULES[settings.name].remembers)
                ]  # fmt: skip
            elif gradient is not None:
                updates.append(partial(self._update, parameter, gradient, rate))
                parameter.tensor.grad = None
        side_by_side(updates, sum(parameter.tensor.numel() for parameter in self.parameters))

    @torch.no_grad()
    def _update(self, parameter: Parameter, gradient: Tensor | GradientBlock, rate: float) -> None:
        if isinstance(gradient, GradientBlock):
            gradient = gradient.dense()
        within = self._decay_within(parameter)
        decay = None if within else self._decay(parameter)
        gradient = self._prepare(gradient, parameter.tensor, decay)
        if within:
            _adam(parameter, gradient, rate, None, self.steps, within)
        else:
            RULES[self._settings.name].apply(parameter, gradient, rate, decay, self.steps)

    def _updates_of_rows(self, parameter: Parameter, gradient: ByRows, rate: float) -> list[Callable[[], None]]:
        """Return Adam's step for the rows that have a gradient, some of them at a time.

        Moments and decay of the others wait, as if none were.
        """
        zeros(parameter, "mean", "square")
        length = max(1, _CACHED_NUMBERS // parameter.tensor.shape[1])
        return [
            partial(self._update_rows, parameter, gradient, start, start + length, rate)
            for start in range(0, len(gradient.rows), length)
        ]

    @torch.no_grad()
    def _update_rows(self, parameter: Parameter, gradient: ByRows, first: int, last: int, rate: float) -> None:
        part, within = gradient.part(first, last), self._decay_within(parameter)
        decay = None if within else self._decay(parameter)
        weight = parameter.tensor if decay is None else parameter.tensor.index_select(0, part.rows)
        values = self._prepare(part.values, weight, decay)
        _adam_rows(parameter, RowGradient(part.rows, values), rate, self.steps, within)

    def _limit_norm(self) -> None:
        """Shorten all gradients by one factor, so that their norm is at most ``clip_norm``."""
        gradients = [p.tensor.grad for p in self.parameters if p.tensor.grad is not None]
        for layer in (p.layer for p in self.parameters):
            if layer is not None and layer.gradient is not None:
                whole = layer.gradient = layer.gradient.whole()
                gradients.append(whole.values)
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        if norm > self._settings.clip_norm:
            for gradient in gradients:
                gradient.mul_(self._settings.clip_norm / norm)

    def _decay_within(self, parameter: Parameter) -> float:
        """Return the weight decay that Adam's kernel adds by itself; 0 where it would not do what is to be done."""
        s = self._settings
        able = s.name == "adam" and s.clip_gradient == float("inf")
        return s.weight_decay if able and parameter.decays and not parameter.holds_bias else 0.0

    def _decay(self, parameter: Parameter) -> Tensor | None:
        """Return the weight decay of a parameter's rows, shape (rows, 1) or (1,); None where there is none."""
        if not (self._settings.weight_decay and parameter.decays):
            return None
        shape = (len(parameter.tensor), 1) if parameter.holds_bias else (1,)
        decay = parameter.tensor.new_full(shape, self._settings.weight_decay)
        if parameter.holds_bias:
            decay[-1] = 0.0
        return decay

    def _prepare(self, gradient: Tensor, weight: Tensor, decay: Tensor | None) -> Tensor:
        settings = self._settings
        if settings.rescale_gradient != 1.0:
            gradient = gradient.mul_(settings.rescale_gradient)
        if decay is not None and settings.name in _DECAY_IN_GRADIENT:
            gradient = gradient.addcmul_(weight, decay)
        if settings.clip_gradient != float("inf"):
            gradient = gradient.clamp_(-settings.clip_gradient, settings.clip_gradient)
        return gradient


def _flatten(state: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        if isinstance(value, Tensor):
            yield f"{prefix}/{name}", value
        else:
            yield from _flatten(value, f"{prefix}/{name}")


def _blocks(
    parameter: Parameter, gradient: ByRows, remembered: Sequence[str]
) -> Iterator[tuple[Parameter, GradientBlock]]:
    """Yield a parameter by blocks of rows, with the gradient of each: a whole dense one would be as large as it."""
    length, width = parameter.tensor.shape
    step = max(1, _CACHED_NUMBERS // width)
    starts = list(range(0, length, step))
    cuts = torch.searchsorted(gradient.rows, torch.tensor([*starts, length])).tolist()
    memory = dict(zip(remembered, zeros(parameter, *remembered), strict=True))
    for start, first, last in zip(starts, cuts[:-1], cuts[1:], strict=True):
        end = min(start + step, length)
        state = {name: tensor[start:end] for name, tensor in memory.items()}
        block = Parameter(parameter.tensor[start:end], parameter.decays, state=state)
        yield block, GradientBlock(gradient, first, last, start, end)


def zeros(parameter: Parameter, *names: str) -> list[Tensor]:
    """Return what a parameter remembers by these names, zeros at first."""
    for name in names:
        if name not in parameter.state:
            parameter.state[name] = torch.zeros_like(parameter.tensor)
    return [parameter.state[name] for name in names]


def _shrink(parameter: Parameter, decay: Tensor | None, rate: float) -> Tensor:
    """Multiply a parameter by 1 - rate * decay, and return it."""
    return parameter.tensor if decay is None else parameter.tensor.mul_(1 - rate * decay)


def _sgd(parameter: Parameter, gradient: Tensor, rate: float, decay: Tensor | None, _step: int) -> None:
    """w = (1 - lr wd) w - lr g, without momentum."""
    _shrink(parameter, decay, rate).sub_(gradient, alpha=rate)


def _adam(
    parameter: Parameter, gradient: Tensor, rate: float, _decay: Tensor | None, step: int, within: float = 0.0
) -> None:
    """Adam with beta = (0.9, 0.999), epsilon = 1e-8, in place; `within` is the weight decay that is left to it."""
    mean, square = zeros(parameter, "mean", "square")
    _fused_adam(parameter.tensor, gradient, mean, square, rate, step, within)


def _adam_rows(parameter: Parameter, gradient: RowGradient, rate: float, step: int, within: float) -> None:
    """Adam on some rows of a parameter."""
    tensors = [parameter.tensor, *zeros(parameter, "mean", "square")]
    weight, mean, square = parts = [tensor.index_select(0, gradient.rows) for tensor in tensors]
    _fused_adam(weight, gradient.values, mean, square, rate, step, within)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor[gradient.rows] = part


def _fused_adam(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rate: float, step: int, decay: float
) -> None:
    """Take Adam's step by torch's fused kernel, which touches each number once.

    The kernel is called by itself: ``torch.optim.Adam`` would import torch's compiler, 800 modules, to do no more.
    """
    with threads_for(weight.numel()):
        torch._fused_adam_(
            [weight], [gradient], [mean], [square], [], [torch.tensor(float(step))],
            lr=rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=decay, eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip


def _adagrad(parameter: Parameter, gradient: Tensor, rate: float, decay: Tensor | None, _step: int) -> None:
    """h += g^2; w -= lr (g / sqrt(h + 1e-7) + wd w)."""
    (history,) = zeros(parameter, "history")
    history.addcmul_(gradient, gradient)
    _shrink(parameter, decay, rate).addcdiv_(gradient, (history + 1e-7).sqrt_(), value=-rate)


def _rmsprop(parameter: Parameter, gradient: Tensor, rate: float, _decay: Tensor | None, _step: int) -> None:
    """n = 0.9 n + 0.1 g^2; w -= lr g / sqrt(n + 1e-8), not centred."""
    (square,) = zeros(parameter, "square")
    square.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
    parameter.tensor.addcdiv_(gradient, (square + 1e-8).sqrt_(), value=-rate)


def _adadelta(parameter: Parameter, gradient: Tensor, _rate: float, decay: Tensor | None, _step: int) -> None:
    """MXNet's rule (rho 0.9, epsilon 1e-5), in which the learning rate has no place.

    a = rho a + (1 - rho) g^2;  d = sqrt(b + eps) / sqrt(a + eps) g;  b = rho b + (1 - rho) d^2;  w -= d + wd w
    """
    squares, steps = zeros(parameter, "squares", "steps")
    squares.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
    change = (steps + 1e-5).sqrt_().div_((squares + 1e-5).sqrt_()).mul_(gradient)
    steps.mul_(0.9).addcmul_(change, change, value=0.1)
    _shrink(parameter, decay, 1.0).sub_(change)


_DECAY_IN_GRADIENT = frozenset({"adam", "rmsprop"})
"""Where MXNet adds weight decay to the gradient, before clipping."""


@dataclass(frozen=True)
class Rule:
    """How an optimiser changes a parameter, and the names of what it remembers of each number."""

    apply: Callable[[Parameter, Tensor, float, Tensor | None, int], None]
    remembers: tuple[str, ...] = ()


RULES: Mapping[str, Rule] = {
    "sgd": Rule(_sgd),
    "adam": Rule(_adam, ("mean", "square")),
    "adagrad": Rule(_adagrad, ("history",)),
    "adadelta": Rule(_adadelta, ("squares", "steps")),
    "rmsprop": Rule(_rmsprop, ("square",)),
}
