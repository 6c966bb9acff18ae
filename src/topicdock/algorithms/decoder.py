"""The softmax decoder and its closed-form gradient.

For a document with counts x, length n and logits l = W theta + b,

    recon = -sum_v x_v log softmax(l)_v = n log sum_v exp(l_v) - sum_v x_v l_v
    d recon / d l = n softmax(l) - x

so that a step needs one (B, V) block, the exponentials, and sparse products for everything in which x occurs. Autograd
through ``log_softmax`` would hold three such blocks and make x dense.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.sparse import Batch


class Decoder:
    """Reconstruction error of documents from topic proportions; keeps its (B, V) block from step to step."""

    def __init__(self) -> None:
        self._block = torch.empty(0)

    def __call__(self, theta: Tensor, weight: Tensor, bias: Tensor, batch: Batch) -> Tensor:
        """Return the reconstruction error of each document in nats, shape (B,).

        Parameters
        ----------
        theta : Tensor, shape (B, K)
        weight : Tensor, shape (V, K)
        bias : Tensor, shape (V,)
        batch : Batch
            The documents to be reconstructed.
        """
        return _Reconstruction.apply(theta, weight, bias, batch, self)  # type: ignore[no-any-return, no-untyped-call]

    def block(self, rows: int, columns: int) -> Tensor:
        """Return an uninitialised (rows, columns) block, the same memory each time."""
        if self._block.numel() < rows * columns:
            self._block = torch.empty(rows * columns)
        return self._block[: rows * columns].view(rows, columns)


class _Reconstruction(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, theta: Tensor, weight: Tensor, bias: Tensor, batch: Batch, decoder: Decoder) -> Tensor:
        block = decoder.block(len(theta), len(weight))
        torch.addmm(bias, theta, weight.t(), out=block)
        largest = block.amax(1, keepdim=True)
        block.sub_(largest)
        values = batch.words.values()
        present = torch.take(block, batch.flat_positions).mul_(values)
        documents = torch.repeat_interleave(batch.words.crow_indices().diff().long())
        fit = torch.zeros(len(theta)).index_add_(0, documents, present)
        exponentials = block.exp_()
        normaliser = exponentials.sum(1)
        context.save_for_backward(theta, weight, normaliser)
        context.batch, context.exponentials = batch, exponentials
        return batch.lengths * normaliser.log() - fit

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        theta, weight, normaliser = context.saved_tensors
        batch: Batch = context.batch
        upstream = gradients[0]
        scale = (upstream * batch.lengths / normaliser).unsqueeze(1)  # turns exponentials into n softmax(l)
        upstream = upstream.unsqueeze(1)
        exponentials = context.exponentials
        grad_theta = (exponentials @ weight).mul_(scale) - torch.sparse.mm(batch.words, weight).mul_(upstream)
        ones = theta.new_ones(len(theta), 1)
        extended = torch.cat([theta, ones], 1)  # the bias is the weight of a topic that is always present
        grad_extended = exponentials.t() @ (extended * scale)
        grad_extended -= torch.sparse.mm(batch.words_transposed, extended * upstream)
        return grad_theta, grad_extended[:, :-1].contiguous(), grad_extended[:, -1].contiguous(), None, None
