"""A plain dense PyTorch NTM, as one writes it first: what a user would run instead, and the base of speed ratios.

The same architecture as topicdock's: one hidden layer, batch-normalised posterior, softmax decoder. The documents are
made dense batch by batch; layers, loss and optimiser are torch's own, gradients autograd's.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn


class DenseNTM(nn.Module):
    """NTM on dense batches."""

    def __init__(self, vocabulary_size: int, num_topics: int, width: int, prior_variance: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(vocabulary_size, width)
        self.mean = nn.Linear(width, num_topics)
        self.logvar = nn.Linear(width, num_topics)
        self.norms = nn.ModuleList([nn.BatchNorm1d(num_topics, affine=False) for _ in range(2)])
        self.decoder = nn.Linear(num_topics, vocabulary_size)
        self.prior_variance = prior_variance

    def forward(self, counts: Tensor) -> Tensor:
        """Return the mean loss of documents in nats; counts has shape (B, V)."""
        hidden = torch.relu(self.hidden(torch.log1p(counts)))
        mu, logvar = self.norms[0](self.mean(hidden)), self.norms[1](self.logvar(hidden))
        theta = torch.softmax(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu), 1)
        recon = -(counts * torch.log_softmax(self.decoder(theta), 1)).sum(1)
        ratio = (logvar.exp() + mu * mu) / self.prior_variance
        kl = 0.5 * (ratio - 1 - logvar + math.log(self.prior_variance)).sum(1)
        loss: Tensor = (recon + kl).mean()
        return loss


def train_steps(counts: csr_matrix, model: DenseNTM, optimizer: torch.optim.Optimizer, batch: int, steps: int) -> int:
    """Take `steps` steps; return how many documents they saw."""
    generator = np.random.default_rng(0)
    documents = 0
    while True:
        order = generator.permutation(counts.shape[0])
        for start in range(0, len(order) - batch + 1, batch):
            if documents >= steps * batch:
                return documents
            dense = torch.from_numpy(counts[order[start : start + batch]].toarray())
            optimizer.zero_grad()
            model(dense).backward()
            optimizer.step()
            documents += batch
