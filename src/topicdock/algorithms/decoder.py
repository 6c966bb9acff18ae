"""The softmax decoder and its closed-form gradient.

For a document with counts x of sum n, and logits l = theta W + b,

    recon = -sum_v x_v log p_v,  p = softmax(l)
    d recon / d l = n (p - x / n)

so that loss and gradient together need one block of probabilities, of bounded size: where the vocabulary is large,
documents are taken some at a time. Autograd through ``log_softmax`` would hold three blocks of shape (B, V) and make x
dense. The factor n goes to the rows of theta and of its gradient, which are short, instead of those of the block.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.batches import Batch
from topicdock.algorithms.products import product
from topicdock.algorithms.threads import threads_for

_BLOCK_NUMBERS = 7 << 20
"""Numbers in the block of probabilities, 28 MB. Each block adds to the whole gradient of W, so that small ones cost
more; and what is larger than 32 MB malloc takes anew from the system each time, a page at a time."""
_LEAST_ROWS = 16
"""Documents taken at a time at least, however large the vocabulary, or the matrix products become slow."""
_TINY = 1e-30
"""A probability so small that it has lost precision."""


class Decoder:
    """Reconstruction error of documents, and its gradient, from topic proportions.

    Parameters
    ----------
    weight : Tensor, shape (K + 1, V)
        W transposed and, in the last row, the bias: the weight of a topic that is always present in full.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def __call__(self, theta: Tensor, batch: Batch) -> Tensor:
        """Return the sum over documents of the reconstruction errors, in nats, a scalar; theta has shape (B, K)."""
        arguments = (theta, self.weight, batch, self.rows_at_once(), torch.is_grad_enabled())
        with threads_for(len(theta) * self.weight.shape[1]):
            return _Reconstruction.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]

    def rows_at_once(self) -> int:
        """Return how many documents' probabilities fit into the block."""
        return max(_LEAST_ROWS, _BLOCK_NUMBERS // self.weight.shape[1])


class _Reconstruction(torch.autograd.Function):
    """Keeps the gradients of the errors' mean over the documents: what is trained on, so that they seldom change."""

    @staticmethod
    def forward(context: Any, theta: Tensor, weight: Tensor, batch: Batch, step: int, learning: bool) -> Tensor:
        extended = torch.cat([theta, theta.new_ones(len(theta), 1)], 1)
        grad_theta = torch.empty_like(extended)
        grad_weight = None
        recon = 0.0
        vocabulary_size = weight.shape[1]
        cuts = [*range(0, len(theta), step), len(theta)]
        for (start, end), (first, last) in zip(pairwise(cuts), pairwise(batch.starts[cuts].tolist()), strict=True):
            rows, places = extended[start:end], batch.positions[first:last] - start * vocabulary_size
            logits = product(rows, weight)
            block = torch.softmax(logits, 1, out=logits).view(-1)
            recon -= float(torch.dot(batch.values[first:last], _logs(block, places, rows, weight)))
            if learning:
                block.index_add_(0, places, batch.shares[first:last], alpha=-1)
                factors = (batch.lengths[start:end] / len(theta)).unsqueeze(1)
                torch.mul(product(logits, weight.t()), factors, out=grad_theta[start:end])
                part = product((rows * factors).t(), logits)
                grad_weight = part if grad_weight is None else grad_weight.add_(part)
        if learning and grad_weight is None:  # a batch without documents, of a host that has no more
            grad_weight = torch.zeros_like(weight)
        context.gradients = grad_theta[:, :-1], grad_weight
        return theta.new_tensor(recon)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_theta, grad_weight = context.gradients
        del context.gradients  # the last reference, or autograd would copy what it stores
        factor = float(gradients[0] * len(grad_theta))
        if factor != 1.0:
            grad_theta, grad_weight = grad_theta * factor, grad_weight.mul_(factor)
        return grad_theta, grad_weight, None, None, None


def _logs(probabilities: Tensor, places: Tensor, theta: Tensor, weight: Tensor) -> Tensor:
    """Return the logs of some of the probabilities of a block, laid out row by row; if need be, from its logits."""
    chosen = torch.take(probabilities, places)
    if len(places) and not float(chosen.min()) > _TINY:
        return torch.take(torch.log_softmax(product(theta, weight), 1), places)
    return chosen.log_()
