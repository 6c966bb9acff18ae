"""The softmax decoder and its closed-form gradient.

For a document with counts x of sum n, and logits l = theta W + b,

    recon = -sum_v x_v log softmax(l)_v = n log sum_v exp(l_v) - sum_v x_v l_v
    d recon / d l = n softmax(l) - x

so that loss and gradient together need one block of exponentials, of bounded size: where the vocabulary is large,
documents are taken some at a time, and their block is reused. Autograd through ``log_softmax`` would hold three blocks
of shape (B, V) and make x dense.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.batches import Batch

_BLOCK_NUMBERS = 1 << 23
"""Numbers in the block of exponentials, 32 MB. Each block adds to the whole gradient of W, so that small ones cost
more: at V = 26,255 and K = 100 a step took 108 ms with blocks of 4 MB, 82 ms with these, 76 ms with twice as much."""
_LEAST_ROWS = 16
"""Documents taken at a time at least, however large the vocabulary, or the matrix products become slow."""
_TINY = 1e-30
"""A sum of exponentials so small that it has lost precision."""


class Decoder:
    """Reconstruction error of documents, and its gradient, from topic proportions.

    Parameters
    ----------
    weight : Tensor, shape (K + 1, V)
        W transposed and, in the last row, the bias: the weight of a topic that is always present in full.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self._block = torch.empty(0)

    def __call__(self, theta: Tensor, batch: Batch) -> Tensor:
        """Return the sum over documents of the reconstruction errors, in nats, a scalar; theta has shape (B, K)."""
        arguments = (theta, self.weight, batch, self, torch.is_grad_enabled())
        return _Reconstruction.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]

    def rows_at_once(self) -> int:
        """Return how many documents' logits fit into the block."""
        return max(_LEAST_ROWS, _BLOCK_NUMBERS // self.weight.shape[1])

    def block(self, rows: int) -> Tensor:
        """Return an uninitialised (rows, V) block, the same memory each time."""
        columns = self.weight.shape[1]
        if self._block.numel() < rows * columns:
            self._block = torch.empty(rows * columns)
        return self._block[: rows * columns].view(rows, columns)

    def exponentials(self, theta: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return exp(logits), shape (B, V), its row sums, shape (B,), and the logits at `places` of that block.

        All three but for a factor, or a summand, of each row, which cancels in what they are used for. The bias is kept
        so low that no logit exceeds 0, which spares finding each row's largest; only where a row's logits are all far
        below 0 does its largest have to be found after all.

        Parameters
        ----------
        theta : Tensor, shape (B, K + 1)
            Topic proportions and a column of ones.
        """
        block = self.block(len(theta))
        torch.mm(theta, self.weight, out=block)
        logits = torch.take(block, places)
        total = block.exp_().sum(1)
        if not float(total.min()) > _TINY:
            torch.mm(theta, self.weight, out=block)
            block.sub_(block.amax(1, keepdim=True))
            logits = torch.take(block, places)
            total = block.exp_().sum(1)
        return block, total, logits

    @torch.no_grad()
    def lower_bias(self) -> None:
        """Shift the bias, which changes no probability, so that no document can have a logit above 0."""
        self.weight[-1] -= (self.weight[:-1].amax(0) + self.weight[-1]).amax()


class _Reconstruction(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, theta: Tensor, weight: Tensor, batch: Batch, decoder: Decoder, learning: bool) -> Tensor:
        extended = torch.cat([theta, theta.new_ones(len(theta), 1)], 1)
        decoder.lower_bias()
        grad_theta = torch.empty_like(extended)
        grad_weight = torch.zeros_like(weight) if learning else None
        recon = 0.0
        vocabulary_size, step = weight.shape[1], decoder.rows_at_once()
        for start in range(0, len(theta), step):
            end = min(start + step, len(theta))
            first, last = int(batch.starts[start]), int(batch.starts[end])
            values, places = batch.values[first:last], batch.positions[first:last] - start * vocabulary_size
            lengths = batch.lengths[start:end]
            block, total, logits = decoder.exponentials(extended[start:end], places)
            recon += float(torch.dot(lengths, total.log()) - torch.dot(values, logits))
            if grad_weight is not None:
                block.mul_((lengths / total).unsqueeze(1))
                block.view(-1).index_put_((places,), torch.take(block, places).sub_(values))
                torch.mm(block, weight.t(), out=grad_theta[start:end])
                grad_weight.addmm_(extended[start:end].t(), block)
        context.gradients = grad_theta[:, :-1], grad_weight
        return theta.new_tensor(recon)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_theta, grad_weight = context.gradients
        return grad_theta * gradients[0], grad_weight.mul_(gradients[0]), None, None, None
