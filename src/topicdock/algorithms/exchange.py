"""What the hosts of a job tell each other in a step of training: gradients, and sums over the batch.

Every host takes a step on documents of its own; the gradients are added up, so that all of them change their weights
alike. What goes over the wire is as small as the gradient is:

* The first layer of the encoder has a gradient only for the words of the batch. Which words any host has is known
  before the step begins, and is agreed on while the network runs; then only their rows are added up.
* Large weights are sent as soon as their gradient is known, while the rest of the backward pass goes on. The decoder's
  is known first.
* All small weights, and the figures of the step, go together in one message of doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.gradients import RowGradient
from topicdock.algorithms.hosts import Hosts, Pending
from topicdock.algorithms.loss_sums import Figure
from topicdock.algorithms.optimizers import Parameter

_LARGE = 1 << 14
"""Numbers in a weight that is worth a message of its own."""


class Exchange(Protocol):
    """What a step of training needs from the other hosts."""

    def begin(self, batch: AnyBatch) -> None:
        """Take note that a step on `batch` begins."""

    def finish(self, figures: Sequence[Figure]) -> list[Figure]:
        """Put the sum of every host's gradients in place of this one's; return the sum of every host's `figures`."""


class Alone:
    """The exchange of a job on one host."""

    def begin(self, batch: AnyBatch) -> None:
        """Do nothing."""

    def finish(self, figures: Sequence[Figure]) -> list[Figure]:
        """Return `figures`."""
        return list(figures)


class Together:
    """The exchange of several hosts.

    Parameters
    ----------
    hosts : Hosts
    parameters : sequence of Parameter
        What is learned, in the same order on every host.
    """

    def __init__(self, hosts: Hosts, parameters: Sequence[Parameter]) -> None:
        self._hosts = hosts
        self._by_rows = [p for p in parameters if p.layer is not None]
        dense = [p.tensor for p in parameters if p.layer is None]
        self._small = [tensor for tensor in dense if tensor.numel() < _LARGE]
        self._pending: list[Pending] = []
        self._present: Tensor | None = None
        for tensor in dense:
            if tensor.numel() >= _LARGE:
                tensor.register_post_accumulate_grad_hook(self._send)  # type: ignore[no-untyped-call]

    def begin(self, batch: AnyBatch) -> None:
        """Ask which words the hosts' batches hold."""
        if self._by_rows:
            present = torch.zeros(batch.input.shape[1], dtype=torch.uint8)
            present[batch.input_by_word.words] = 1
            self._present = present
            self._pending.append(self._hosts.reduce(present, largest=True))

    def finish(self, figures: Sequence[Figure]) -> list[Figure]:
        """Put the sum of every host's gradients in place of this one's; return the sum of every host's `figures`.

        Raises
        ------
        PlatformError
            Another host is gone.
        """
        if self._present is not None:
            self._pending.pop(0).wait()
            self._send_first_layers(self._present)
        told = self._send_small(figures)
        for pending in self._pending:
            pending.wait()
        self._pending.clear()
        return told

    def _send(self, tensor: Tensor) -> None:
        """Send the gradient of a large weight, which the backward pass has just left there."""
        if tensor.grad is None:
            raise RuntimeError("a weight has no gradient")
        self._pending.append(self._hosts.reduce(tensor.grad))

    def _send_first_layers(self, present: Tensor) -> None:
        """Send the gradients for the words that are `present` on any host."""
        rows = torch.nonzero(present).ravel()
        for parameter in self._by_rows:
            self._send_rows(parameter, rows)

    def _send_rows(self, parameter: Parameter, rows: Tensor) -> None:
        layer = parameter.layer
        if layer is None:
            raise RuntimeError("a weight has no layer")
        values = parameter.tensor.new_zeros(len(rows), parameter.tensor.shape[1])
        if layer.gradient is not None:
            own = layer.gradient.whole()
            values.index_copy_(0, torch.searchsorted(rows, own.rows), own.values)
        layer.gradient = RowGradient(rows, values)
        self._pending.append(self._hosts.reduce(values))

    def _send_small(self, figures: Sequence[Figure]) -> list[Figure]:
        """Add up the gradients of small weights, and `figures`; return these."""
        gradients = [tensor.grad for tensor in self._small if tensor.grad is not None]
        parts = [gradient.ravel().double() for gradient in gradients]
        message = torch.cat([*parts, torch.tensor(list(figures), dtype=torch.float64)])
        self._hosts.reduce(message).wait()
        *sums, told = torch.split(message, [*(gradient.numel() for gradient in gradients), len(figures)])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view_as(gradient))
        result: list[Figure] = told.tolist()
        return result


def total(hosts: Hosts, tensor: Tensor) -> Tensor:
    """Return the sum of every host's `tensor`, through which gradients flow back to every host."""
    return tensor if hosts.size == 1 else _Total.apply(tensor, hosts)  # type: ignore[no-untyped-call]


def mean(hosts: Hosts, block: Tensor) -> Tensor:
    """Return the mean of the rows that all hosts have, shape (M,), of this one's `block`, shape (B, M)."""
    if hosts.size == 1:
        return block.mean(0)
    summed = total(hosts, torch.cat([block.sum(0), block.new_full((1,), float(len(block)))]))
    return summed[:-1] / summed[-1].clamp(min=1)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor, hosts: Hosts) -> Tensor:
        context.hosts = hosts
        summed = tensor.detach().clone(memory_format=torch.contiguous_format)
        hosts.reduce(summed).wait()
        return summed

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        context.hosts.reduce(summed).wait()
        return summed, None
