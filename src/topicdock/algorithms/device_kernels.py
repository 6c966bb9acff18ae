"""What a step does on a device: the encoder's first layer and both decoders, on dense blocks of documents.

A device multiplies dense matrices so fast that zeros cost it less than to step around them, and dense products add up
in an order that does not change: the same bits each time, where sums over words by atomic additions would differ.
Blocks are of bounded size; documents are taken some at a time where the vocabulary is large. Nothing is asked of the
device, so that it need never wait for the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.device_batches import DeviceBatch, Entries
from topicdock.algorithms.mixture import TINY
from topicdock.algorithms.rectified import Reached


@contextmanager
def quick_products(device: torch.device | None) -> Iterator[None]:
    """Let products of float32 round their factors to 11 bits while in this context (TF32), where a device has that.

    Sums are of float32 all the same, and so are weights and everything that is no product.
    """
    if device is None or device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class WordGradient:
    """The gradient of a first layer, shape (V, H): zero in the rows of words that do not occur in `documents`.

    Where it is the sum of several hosts', `anywhere` are the words that occur on any of them, shape (V,).
    """

    values: Tensor
    documents: Entries
    anywhere: Tensor | None = None

    def present(self) -> Tensor:
        """Return which words occur, shape (V,), true or false."""
        return self.documents.columns() if self.anywhere is None else self.anywhere


class DenseLayer:
    """``x @ weight + bias``, or relu of that, for documents on a device; otherwise as ``SparseLayer``."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias
        self.gradient: WordGradient | None = None

    def __call__(self, documents: Entries, by_word: Entries | None, outputs: Reached | None = None) -> Tensor:
        """Return the layer's output, shape (B, H); without `by_word` the weight gets no gradient.

        With `outputs` it is relu's, for all units.
        """
        learning = by_word is not None
        result: Tensor = _DenseProduct.apply(self.bias, documents, learning, self)  # type: ignore[no-untyped-call]
        return result if outputs is None else torch.relu(result)


class _DenseProduct(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, bias: Tensor, documents: Entries, learning: bool, layer: DenseLayer) -> Tensor:
        cuts = documents.cut()
        result = bias.new_empty(len(documents), len(bias))
        block = None
        for first, last in cuts:
            block = documents.dense(first, last)
            torch.addmm(bias, block, layer.weight, out=result[first:last])
        context.documents, context.layer, context.learning = documents, layer, learning
        context.block = block if len(cuts) == 1 else None
        return result

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        documents, upstream = context.documents, gradients[0]
        if context.learning:
            values = torch.zeros_like(context.layer.weight)
            for first, last in documents.cut():
                block = documents.dense(first, last) if context.block is None else context.block
                values.addmm_(block.t(), upstream[first:last])
            context.layer.gradient = WordGradient(values, documents)
        context.block = None
        return upstream.sum(0), None, None, None


class DenseDecoder:
    """The softmax decoder on a device: as :class:`topicdock.algorithms.decoder.Decoder`, with the same closed form."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def __call__(self, theta: Tensor, batch: DeviceBatch) -> Tensor:
        """Return the sum over documents of the reconstruction errors, in nats, a scalar; theta has shape (B, K)."""
        arguments = (theta, self.weight, batch, torch.is_grad_enabled())
        return _Softmax.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, theta: Tensor, weight: Tensor, batch: DeviceBatch, learning: bool) -> Tensor:
        extended = torch.cat([theta, theta.new_ones(len(theta), 1)], 1)
        grad_theta, grad_weight = torch.empty_like(theta), torch.zeros_like(weight) if learning else None
        recon = theta.new_zeros((), dtype=torch.float64)
        for first, last in batch.predicted.cut():
            values, places = batch.predicted.part(first, last)
            # The bias, of log frequencies, is added to the product and not part of it, where it would be rounded.
            logits = torch.addmm(weight[-1], theta[first:last], weight[:-1])
            block = torch.log_softmax(logits, 1)
            recon -= (values * torch.take(block, places)).sum(dtype=torch.float64)
            if grad_weight is not None:
                begin, end = batch.predicted.starts[first], batch.predicted.starts[last]
                lengths = batch.lengths[first:last].unsqueeze(1)
                block.exp_().view(-1).index_add_(0, places, batch.shares[begin:end], alpha=-1)  # each place once
                torch.mul(block @ weight[:-1].t(), lengths, out=grad_theta[first:last])
                grad_weight.addmm_((extended[first:last] * lengths).t(), block)
        context.gradients = grad_theta, grad_weight
        return recon.to(theta.dtype)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_theta, grad_weight = context.gradients
        del context.gradients  # the last reference, or autograd would copy what it stores
        return grad_theta.mul_(gradients[0]), grad_weight.mul_(gradients[0]), None, None


def log_softmax_of_columns(block: Tensor) -> Tensor:
    """Return the logarithm of the softmax of each column of a block, shape (V, K), with its gradient.

    By way of rows: for few columns that are long a GPU has kernels that take some forty times as long.
    """
    return torch.log_softmax(block.t().contiguous(), 1).t()


def mix(theta: Tensor, logits: Tensor, batch: DeviceBatch, floor: float = 0.0) -> Tensor:
    """Return what :func:`topicdock.algorithms.mixture.reconstruct` does, on a device."""
    arguments = (theta, logits, batch, max(floor, TINY), torch.is_grad_enabled())
    return _Mixture.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, theta: Tensor, logits: Tensor, batch: DeviceBatch, floor: float, learning: bool
    ) -> Tensor:
        beta = log_softmax_of_columns(logits).exp().contiguous()  # transposed: (V, K)
        grad_theta, grad_beta = torch.empty_like(theta), torch.zeros_like(beta) if learning else None
        recon = theta.new_zeros((), dtype=torch.float64)
        for first, last in batch.predicted.cut():
            values, places = batch.predicted.part(first, last)
            block = theta[first:last] @ beta.t()
            p = torch.take(block, places).add_(floor)
            recon -= (values * p.log()).sum(dtype=torch.float64)
            if grad_beta is not None:
                block.zero_().view(-1).scatter_(0, places, -values / p)
                torch.mm(block, beta, out=grad_theta[first:last])
                grad_beta.addmm_(block.t(), theta[first:last])
        if grad_beta is not None:
            context.gradients = grad_theta, grad_beta.sub_((beta * grad_beta).sum(0)).mul_(beta)
        return recon.to(theta.dtype)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_theta, grad_logits = context.gradients
        del context.gradients
        return grad_theta.mul_(gradients[0]), grad_logits.mul_(gradients[0]), None, None, None
