"""The priors on NTM's decoder weights, and when they begin to count.

In nats of the whole corpus, for the weights W, shape (K, V) here:

    precision / 2 sum_kv W_kv^2  +  exclusivity sum_v sum_{j<k} relu(W_jv) relu(W_kv)

Both are prices a weight, while what the documents say of a weight grows as the topics take shape: from random ones,
little, least where documents are short or topics many. A price that counts from the start keeps most topics from ever
leaving zero. So they come in once topics have begun to differ.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FREE, _FULL = 0.15, 0.45
"""Shares of training: up to the first there are no prices, from the second on there are the whole ones."""


class ProjectionPrior:
    """Adds the gradients of the priors on W to those of the documents.

    Parameters
    ----------
    precision, exclusivity : float
        As the hyperparameters ``projection_precision`` and ``projection_exclusivity``.
    documents : int
        Of all hosts.
    """

    def __init__(self, precision: float, exclusivity: float, documents: int) -> None:
        self._precision, self._exclusivity = precision / documents, exclusivity / documents

    def add(self, weight: Tensor, gradient: Tensor, done: float) -> None:
        """Add the gradients in nats per document to `gradient`.

        Parameters
        ----------
        weight, gradient : Tensor, shape (K, V)
            W transposed, and the gradient of the loss.
        done : float
            The share of training that is over, 0 to 1.
        """
        share = strength(done)
        if not share:
            return
        if self._precision:
            gradient.add_(weight, alpha=share * self._precision)
        if self._exclusivity:
            positive = torch.relu(weight)
            total = positive.sum(0)
            gradient.sub_(positive, alpha=share * self._exclusivity)
            gradient.addcmul_(positive.sign_(), total, value=share * self._exclusivity)


def strength(done: float) -> float:
    """Return by what the prices are multiplied when the share `done` (0 to 1) of training lies behind."""
    return min(1.0, max(0.0, (done - _FREE) / (_FULL - _FREE)))
