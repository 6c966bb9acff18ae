"""What hosts that each have a device tell each other in a step of training.

What is on the devices is added up there, and no host waits for its own: the first layer's gradient as it is, dense;
large weights while the backward pass goes on; small weights and the loss together. What a host has to know within the
step, whether to stop and whether a checkpoint is due, goes from host to host.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.device_kernels import WordGradient
from topicdock.algorithms.exchange import Alone, Exchange, Together
from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.loss_sums import Figure
from topicdock.algorithms.optimizers import Parameter


def exchange_for(hosts: Hosts, parameters: Sequence[Parameter], device: torch.device | None) -> Exchange:
    """Return what hosts with these parameters exchange, on a device or, without one, on processors."""
    if hosts.size == 1:
        return Alone()
    return Together(hosts, parameters) if device is None else TogetherOnDevices(hosts, parameters)


class TogetherOnDevices(Together):
    """The exchange of several hosts, each with a device; see :class:`topicdock.algorithms.exchange.Together`."""

    def begin(self, batch: AnyBatch) -> None:
        """Ask which words the hosts' batches hold."""
        if self._by_rows:
            self._present = batch.input.columns().to(torch.uint8)
            self._pending.append(self._hosts.reduce(self._present, largest=True))

    def _send_first_layers(self, present: Tensor) -> None:
        for parameter in self._by_rows:
            layer = parameter.layer
            if layer is None or not isinstance(layer.gradient, WordGradient):
                raise RuntimeError("a first layer has no gradient")
            values = layer.gradient.values
            layer.gradient = WordGradient(values, layer.gradient.documents, present > 0)
            self._pending.append(self._hosts.reduce(values))

    def _send_small(self, figures: Sequence[Figure]) -> list[Figure]:
        gradients = [tensor.grad for tensor in self._small if tensor.grad is not None]
        there = [figure for figure in figures if isinstance(figure, Tensor)]
        here = torch.tensor([figure for figure in figures if not isinstance(figure, Tensor)], dtype=torch.float64)
        message = torch.cat([part.ravel().double() for part in (*gradients, *there)])
        pending = self._hosts.reduce(message), self._hosts.reduce(here)
        for each in pending:
            each.wait()
        *sums, summed = torch.split(message, [*(gradient.numel() for gradient in gradients), len(there)])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total.view_as(gradient))
        told, known = iter(summed.unbind()), iter(here.tolist())
        return [next(told) if isinstance(figure, Tensor) else next(known) for figure in figures]
