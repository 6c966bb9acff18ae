"""Training a variational autoencoder on word counts: what NTM and ETM do alike, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.batches import Batch, BatchSettings, iterate
from topicdock.algorithms.optimizers import Optimizer
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.progress import Losses
from topicdock.corpus.documents import AnyDocuments, Documents, as_documents, count_holders, count_occurrences
from topicdock.evaluation import npmi

_SCORING_BATCH = 1024
_COHERENCE_WORDS, _COHERENCE_DOCUMENTS = 10, 20_000
_WARM_UP = 0.1
_LEAST_FACTOR = 1e-3


class Autoencoder(Protocol):
    """An encoder to a Gaussian, and a decoder from topic proportions to words."""

    def posterior(self, batch: Batch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""

    def reconstruct(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the sum over documents of the reconstruction errors in nats, for theta of shape (B, K).

        And what else training is to make small, in nats for the batch, if anything.
        """

    def top_words(self, number: int) -> NDArray[np.intp]:
        """Return the ids of each topic's `number` best words, shape (K, number)."""

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""


@dataclass(frozen=True)
class Annealing:
    """Divide the learning rate by `factor` whenever an epoch is worse than the best of those `patience` or more ago.

    What the authors of ETM do with ``anneal_lr``, and the least rate at which they still do.
    """

    factor: float
    patience: int
    least_rate: float = 1e-5


class VariationalTrainer:
    """Network, optimiser and random numbers of one fit.

    Parameters
    ----------
    schedule : str or Annealing
        ``constant``, ``one_cycle`` over all `epochs`, or annealing by the loss.
    """

    def __init__(
        self,
        counts: Documents,
        network: Autoencoder,
        prior: Prior,
        optimizer: Optimizer,
        batching: BatchSettings,
        *,
        epochs: int,
        schedule: Literal["constant", "one_cycle"] | Annealing,
        generator: torch.Generator,
    ) -> None:
        self.network = network
        self._counts, self._prior, self._optimizer, self._batching = counts, prior, optimizer, batching
        self._epoch, self._epochs, self._schedule, self._generator = 0, epochs, schedule, generator
        self._losses: list[float] = []
        self._annealed = 1.0

    def train_epoch(self, should_stop: Callable[[], bool]) -> Losses | None:
        """Take one pass over the documents (or over the share to be sampled); None if stopped before its end."""
        self._epoch += 1
        total = _Sums()
        drawn = math.ceil(self._batching.sub_sample * self._counts.shape[0])
        batches = math.ceil(drawn / self._batching.mini_batch_size)
        for number, batch in enumerate(iterate(self._counts, self._batching, self._epoch)):
            if should_stop():
                return None
            done = (self._epoch - 1 + number / batches) / self._epochs
            total.add(batch, *self._step(batch, done))
        return total.losses()

    @torch.no_grad()
    def score(self, counts: AnyDocuments) -> Losses:
        """Return the losses of documents, shape (D, V), at the posterior's mean."""
        total = _Sums()
        for block in as_documents(counts).blocks(_SCORING_BATCH):
            batch = Batch.of(block, self._batching.encoder_input)
            mu, logvar = self.network.posterior(batch, training=False)
            recon, _ = self.network.reconstruct(torch.softmax(mu, 1), batch)
            total.add(batch, float(recon), float(self._prior.divergence(mu, logvar).sum()))
        # Counted in the job's batches, whatever is convenient here.
        return replace(total.losses(), batches=math.ceil(counts.shape[0] / self._batching.mini_batch_size))

    def coherence(self) -> float:
        """Return the mean NPMI of the topics as they stand, by up to 20,000 of the training documents."""
        return float(np.mean(npmi(self._sample, self.network.top_words(_COHERENCE_WORDS))))

    @cached_property
    def _sample(self) -> Documents:
        documents = self._counts.shape[0]
        if documents <= _COHERENCE_DOCUMENTS:
            return self._counts
        chosen = np.random.default_rng(self._batching.seed).choice(documents, _COHERENCE_DOCUMENTS, replace=False)
        return as_documents(self._counts.take(np.sort(chosen)))

    def epoch_ended(self, loss: float) -> None:
        """Take note of the loss by which the epoch is judged."""
        schedule = self._schedule
        if isinstance(schedule, Annealing) and loss >= min(self._losses, default=math.inf):
            before = self._losses[: -schedule.patience]
            rate = self._optimizer.learning_rate * self._annealed
            if len(self._losses) > schedule.patience and loss > min(before) and rate > schedule.least_rate:
                self._annealed /= schedule.factor
        self._losses.append(loss)

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""
        return self.network.state()

    def add_priors(self) -> None:
        """Add to the gradients what does not come from documents; nothing, unless a model has priors on weights."""

    def _step(self, batch: Batch, done: float) -> tuple[float, float]:
        """Take one step; `done` is the share of the whole training that lies behind."""
        mu, logvar = self.network.posterior(batch, training=True)
        noise = torch.randn(mu.shape, generator=self._generator)
        theta = torch.softmax(mu + torch.exp(0.5 * logvar) * noise, 1)
        recon, price = self.network.reconstruct(theta, batch)
        kl = self._prior.divergence(mu, logvar).sum()
        total = recon + kl if price is None else recon + kl + price
        (total / len(batch)).backward()  # type: ignore[no-untyped-call]
        self.add_priors()
        self._optimizer.step(one_cycle_factor(done) if self._schedule == "one_cycle" else self._annealed)
        return float(recon.detach()), float(kl.detach())


class _Sums:
    """Adds up the losses of batches."""

    def __init__(self) -> None:
        self._recon = self._kl = self._words = 0.0
        self._documents = self._batches = 0

    def add(self, batch: Batch, recon: float, kl: float) -> None:
        self._recon += recon
        self._kl += kl
        self._words += float(batch.lengths.sum(dtype=torch.float64))
        self._documents += len(batch)
        self._batches += 1

    def losses(self) -> Losses:
        words = max(self._words, 1.0)  # documents without any word have a divergence all the same
        return Losses(self._recon / words, self._kl / words, self._documents, self._batches)


def one_cycle_factor(done: float) -> float:
    """Return the factor on the learning rate when the share `done` (0 to 1) of training lies behind.

    It rises from 0 to 1 over the first tenth and falls to 0 along half a cosine.
    """
    if done < _WARM_UP:
        return max(done / _WARM_UP, _LEAST_FACTOR)
    return max(0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))), _LEAST_FACTOR)


def expected_share(counts: AnyDocuments, batch: int) -> float:
    """Return the share of the vocabulary that `batch` documents drawn from `counts` can be expected to hold."""
    held_by = count_holders(as_documents(counts)) / counts.shape[0]
    return float(np.mean(-np.expm1(batch * np.log1p(-np.minimum(held_by, 1 - 1e-9)))))


def background(counts: AnyDocuments) -> NDArray[np.float32]:
    """Return the log of each word's frequency in the corpus, shape (V,), half an occurrence added to each."""
    occurrences = count_occurrences(as_documents(counts)) + 0.5
    log_frequencies: NDArray[np.float32] = np.log(occurrences / occurrences.sum()).astype(np.float32)
    return log_frequencies
