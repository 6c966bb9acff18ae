"""The mixture decoder, on the words that occur, and its closed-form gradient.

A document with topic proportions theta holds word v with probability p_v = sum_k theta_k beta_kv, where each row of
beta is the softmax of that topic's logits. With counts x,

    recon = -sum_v x_v log p_v
    d recon / d theta_k = -sum_v (x_v / p_v) beta_kv
    d recon / d beta_kv = -(x_v / p_v) theta_k

All three need p where x is not zero, and nowhere else: a step costs V K once, for beta and its gradient, and as much as
the documents have words, where a product theta beta costs B V K and blocks of (B, V).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.batches import Batch
from topicdock.algorithms.gradients import RowGradient
from topicdock.algorithms.sparse import multiply, with_values
from topicdock.algorithms.threads import threads_for

TINY = 1e-30
"""Keeps the logarithm finite where a probability underflows; ETM's authors add 1e-6, which rare words do notice."""


def reconstruct(theta: Tensor, logits: Tensor, batch: Batch, floor: float = 0.0) -> Tensor:
    """Return the sum over documents of ``-sum_v x_v log(theta beta)_v`` in nats, a scalar.

    Parameters
    ----------
    theta : Tensor, shape (B, K)
    logits : Tensor, shape (V, K)
        Of which the softmax over words, by column, is beta transposed.
    batch : Batch
        With the documents to predict by word, if gradients are asked for.
    floor : float
        Added to every probability before its logarithm, so that a surprising word costs no more than its.
    """
    learning = torch.is_grad_enabled()
    with threads_for(logits.numel()):
        return _Mixture.apply(theta, logits, batch, max(floor, TINY), learning)  # type: ignore[no-any-return, no-untyped-call]


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, theta: Tensor, logits: Tensor, batch: Batch, floor: float, learning: bool) -> Tensor:
        beta = torch.softmax(logits, 0)  # transposed: (V, K)
        documents = batch.predicted
        pattern = with_values(documents, torch.zeros_like(batch.values))
        # Products of row d of theta and row v of beta, where document d has word v.
        p = torch.sparse.sampled_addmm(pattern, theta, beta.t(), beta=0.0).values().add_(floor)
        recon = -torch.dot(batch.values, p.log())
        if learning:
            by_word = batch.predicted_by_word
            if by_word is None:
                raise ValueError("a batch to learn a mixture from needs its documents by word")
            slopes = -batch.values / p
            grad_theta = multiply(documents, slopes, beta)
            # By word, the values are the places of the documents' own.
            rows = multiply(by_word.counts, slopes.index_select(0, by_word.counts.values()), theta)
            grad_beta = RowGradient(by_word.words, rows).dense(len(beta))
            grad_logits = grad_beta.sub_((beta * grad_beta).sum(0)).mul_(beta)
            context.gradients = grad_theta, grad_logits
        return recon

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_theta, grad_logits = context.gradients
        del context.gradients  # they are of use but once, and so changed in place
        return grad_theta.mul_(gradients[0]), grad_logits.mul_(gradients[0]), None, None, None
