"""The optimisers on a device: the rules of :mod:`topicdock.algorithms.optimizers`, without asking the device anything.

Where those take rows and blocks of a first layer, to spare what a processor would have to touch, these take it whole:
for a device, to touch it all is quicker than to find out what need not be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor

from topicdock.algorithms.device_kernels import WordGradient
from topicdock.algorithms.optimizers import BETAS, EPSILON, RULES, Optimizer, Parameter, zeros


class DeviceOptimizer(Optimizer):
    """Updates parameters on a device in place; see :class:`topicdock.algorithms.optimizers.Optimizer`."""

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Take one step with the learning rate multiplied by `factor`, and forget the gradients."""
        self.steps += 1
        gradients = list(self._gradients())
        if self._settings.clip_norm != float("inf"):
            _shorten([gradient for _, gradient, _ in gradients], self._settings.clip_norm)
        together: dict[float, list[tuple[Parameter, Tensor]]] = defaultdict(list)
        for parameter, gradient, present in gradients:
            rate = self._settings.learning_rate * factor * parameter.rate
            decay = self._decay(parameter)
            gradient = self._prepare(gradient, parameter.tensor, decay)
            if present is not None:
                _adam_where(parameter, gradient, present, rate, self.steps)
            elif self._settings.name == "adam":
                together[rate].append((parameter, gradient))
            else:
                RULES[self._settings.name].apply(parameter, gradient, rate, decay, self.steps)
        for rate, group in together.items():
            _adam(group, rate, self.steps)

    def _gradients(self) -> Iterator[tuple[Parameter, Tensor, Tensor | None]]:
        """Yield each parameter with its gradient and, where it is to change in some rows alone, in which."""
        for parameter in self.parameters:
            gradient, present = parameter.tensor.grad, None
            parameter.tensor.grad = None
            layer = parameter.layer
            if layer is not None and isinstance(layer.gradient, WordGradient):
                gradient = layer.gradient.values
                present = layer.gradient.present() if self._lazy else None
                layer.gradient = None
            if gradient is not None:
                yield parameter, gradient, present


def optimizer_for(device: torch.device | None) -> type[Optimizer]:
    """Return the optimiser of parameters on a device, or of a processor's."""
    return Optimizer if device is None else DeviceOptimizer


def _shorten(gradients: list[Tensor], most: float) -> None:
    """Shorten all gradients by one factor, so that their norm is at most `most`."""
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    factor = (most / norm).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)


def _adam(group: list[tuple[Parameter, Tensor]], rate: float, step: int) -> None:
    """Adam on some parameters that learn at one rate, all at once."""
    moments = [zeros(parameter, "mean", "square") for parameter, _ in group]
    weights = [parameter.tensor for parameter, _ in group]
    steps = torch.full((), float(step), device=weights[0].device)
    torch._fused_adam_(
        weights, [gradient for _, gradient in group], [mean for mean, _ in moments], [square for _, square in moments],
        [], [steps] * len(group),
        lr=rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
    )  # fmt: skip


def _adam_where(parameter: Parameter, gradient: Tensor, present: Tensor, rate: float, step: int) -> None:
    """Adam on the rows that are `present`; the moments of the others wait, as if there were none."""
    mean, square = zeros(parameter, "mean", "square")
    share = present.to(gradient.dtype).unsqueeze(1)
    mean.lerp_(gradient, share * (1 - BETAS[0]))
    square.lerp_(gradient.square(), share * (1 - BETAS[1]))
    deviation = (square / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
    parameter.tensor.addcdiv_(mean * share, deviation, value=-rate / (1 - BETAS[0] ** step))
