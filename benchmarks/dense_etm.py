"""ETM as its authors' code computes it: dense batches, torch's own layers, a mixture over the whole vocabulary.

The base of ratios of speed, memory and quality. As the authors do, 1e-6 is added to every probability before its
logarithm. With `poisson` the likelihood is that of poisson-topicmodels' ETM instead, word counts of rate theta beta, in
plain PyTorch in place of NumPyro.

References
----------
Dieng, Ruiz, Blei, "Topic Modeling in Embedding Spaces", TACL 2020; github adjidieng/ETM.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

WIDTH, SIZE, BATCH, EPOCHS = 800, 300, 1000, 100


class DenseETM(nn.Module):
    """The network of the authors' ``etm.py``."""

    def __init__(self, vocabulary_size: int, num_topics: int, *, poisson: bool = False) -> None:
        super().__init__()
        self.rho = nn.Linear(SIZE, vocabulary_size, bias=False)
        self.alphas = nn.Linear(SIZE, num_topics, bias=False)
        self.q_theta = nn.Sequential(nn.Linear(vocabulary_size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.mu_q_theta, self.logsigma_q_theta = nn.Linear(WIDTH, num_topics), nn.Linear(WIDTH, num_topics)
        self.poisson = poisson

    def beta(self) -> Tensor:
        """Return the topics, shape (K, V)."""
        return torch.softmax(self.alphas(self.rho.weight), 0).transpose(1, 0)

    def theta(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return topic proportions (B, K), sampled while training, and the mean divergence."""
        hidden = self.q_theta(counts / counts.sum(1, keepdim=True))
        mu, logsigma = self.mu_q_theta(hidden), self.logsigma_q_theta(hidden)
        divergence = -0.5 * torch.sum(1 + logsigma - mu.pow(2) - logsigma.exp(), -1).mean()
        sample = mu + torch.exp(0.5 * logsigma) * torch.randn_like(mu) if self.training else mu
        return torch.softmax(sample, -1), divergence

    def forward(self, counts: Tensor) -> Tensor:
        """Return the mean loss of documents in nats; counts has shape (B, V)."""
        theta, divergence = self.theta(counts)
        rates = torch.mm(theta, self.beta())
        if self.poisson:
            recon = (rates - counts * torch.log(rates + 1e-30) + torch.lgamma(counts + 1)).sum(1)
        else:
            recon = -(torch.log(rates + 1e-6) * counts).sum(1)
        loss: Tensor = recon.mean() + divergence
        return loss


def optimizer_of(model: DenseETM) -> torch.optim.Optimizer:
    """Return the authors' optimiser."""
    return torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1.2e-6)


def train_epoch(counts: csr_matrix, model: DenseETM, optimizer: torch.optim.Optimizer, steps: int | None = None) -> int:
    """Take one pass over the documents, or some steps of one; return how many documents that were."""
    documents = 0
    for dense in _batches(counts, torch.randperm(counts.shape[0]).numpy(), steps):
        optimizer.zero_grad()
        model(dense).backward()
        optimizer.step()
        documents += len(dense)
    return documents


def _batches(counts: csr_matrix, order: np.ndarray, steps: int | None) -> Iterator[Tensor]:
    starts = range(0, len(order), BATCH)
    for start in starts if steps is None else starts[:steps]:
        yield torch.from_numpy(counts[order[start : start + BATCH]].toarray())
