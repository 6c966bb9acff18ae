"""Training a variational autoencoder on word counts: what NTM and ETM do alike, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.batch_sources import AnyBatch, open_source
from topicdock.algorithms.batches import BatchSettings
from topicdock.algorithms.device_exchange import exchange_for
from topicdock.algorithms.device_kernels import quick_products
from topicdock.algorithms.hosts import Hosts, share_array
from topicdock.algorithms.loss_sums import Figure, LossSums
from topicdock.algorithms.optimizers import Optimizer
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.progress import Losses
from topicdock.algorithms.shards import Shards
from topicdock.algorithms.snapshots import Snapshot
from topicdock.algorithms.state import below, overwrite, to_arrays
from topicdock.algorithms.threads import one_thread
from topicdock.corpus.documents import AnyDocuments, Documents, as_documents
from topicdock.evaluation import npmi

_SCORING_BATCH, _SCORING_BATCH_ON_DEVICE = 1024, 1 << 14
_COHERENCE_WORDS, _COHERENCE_DOCUMENTS = 10, 20_000
_WARM_UP = 0.1
_LEAST_FACTOR = 1e-3


class Autoencoder(Protocol):
    """An encoder to a Gaussian, and a decoder from topic proportions to words."""

    def posterior(self, batch: AnyBatch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""

    def reconstruct(self, theta: Tensor, batch: AnyBatch) -> tuple[Tensor, Tensor | None]:
        """Return the sum over documents of the reconstruction errors in nats, for theta of shape (B, K).

        And what else training is to make small, in nats for the batch, if anything.
        """

    def top_words(self, number: int) -> NDArray[np.intp]:
        """Return the ids of each topic's `number` best words, shape (K, number)."""

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""

    def fixed(self) -> Iterator[tuple[str, Tensor]]:
        """Yield what training does not change, but weights have a meaning only with, by name."""


@dataclass(frozen=True)
class Annealing:
    """Divide the learning rate by `factor` whenever an epoch is worse than the best of those `patience` or more ago.

    What the authors of ETM do with ``anneal_lr``, and the least rate at which they still do.
    """

    factor: float
    patience: int
    least_rate: float = 1e-5


class Watch(Protocol):
    """What is asked between two steps."""

    def stop(self) -> bool:
        """Return whether this host was asked to stop."""

    def due(self) -> bool:
        """Return whether this host wants a snapshot before the epoch is over."""

    def keep(self) -> None:
        """Keep a snapshot."""


class Unwatched:
    """Nobody asks anything."""

    def stop(self) -> bool:
        """Return False."""
        return False

    def due(self) -> bool:
        """Return False."""
        return False

    def keep(self) -> None:
        """Do nothing."""


UNWATCHED: Watch = Unwatched()


class VariationalTrainer:
    """Network, optimiser and random numbers of one fit.

    Parameters
    ----------
    schedule : str or Annealing
        ``constant``, ``one_cycle`` over all `epochs`, or annealing by the loss.
    generator : torch.Generator
        What the network draws from while it learns; it is seeded anew for each step and host, so that a step depends on
        nothing but the weights and its number.
    hosts : Hosts
        That learn together, each from documents of its own. They begin with the leader's weights.
    device : torch.device, optional
        Where the network has moved to, and the documents are kept; None is the processor, with the kernels made for it.
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
        hosts: Hosts,
        device: torch.device | None = None,
    ) -> None:
        self.network, self._device = network, device
        self._counts, self._prior, self._optimizer = counts, prior, optimizer
        self._epochs, self._schedule, self._generator, self._hosts = epochs, schedule, generator, hosts
        self._batching = replace(batching, shards=Shards.of(hosts, counts.shape[0]))
        self._source = open_source(counts, self._batching, device, epochs)
        self._exchange = exchange_for(hosts, optimizer.parameters, device)
        self._epoch = self._batch = 0
        """The epoch that is under way, or was last, and how many of its batches lie behind; 0 when it is over."""
        self._sums = LossSums()
        self._losses: list[float] = []
        self._annealed = 1.0
        if hosts.size > 1:
            self._begin_alike()

    def train_epoch(self, watch: Watch = UNWATCHED) -> Losses | None:
        """Take one pass over the documents (or over the share to be sampled); None if stopped before its end.

        After a stop, or a restored snapshot, the next call goes on with the batch that would have been next.
        """
        if not self._batch:
            self._epoch, self._sums = self._epoch + 1, LossSums()
        sizes = self._batching.sizes(self._counts.shape[0])
        steps = math.ceil(self._batching.draw(self._counts.shape[0]) / self._batching.mini_batch_size)
        steps = len(sizes) if self._hosts.size > 1 else steps
        for batch in self._source.epoch(self._epoch, self._batch):
            done = (self._epoch - 1 + self._batch / steps) / self._epochs
            with quick_products(self._device):
                losses, stop, due = self._step(batch, sizes[self._batch], done, watch)
            self._sums.add(losses)
            self._batch += 1
            if self._batch < len(sizes):
                if stop:
                    return None
                if due:
                    watch.keep()
        self._batch = 0
        return self._sums.losses()

    @torch.no_grad()
    def score(self, counts: AnyDocuments) -> Losses:
        """Return the losses of all hosts' documents, of which this one has `counts`, at the posterior's mean."""
        sums = LossSums()
        size = _SCORING_BATCH if self._device is None else _SCORING_BATCH_ON_DEVICE
        for block in as_documents(counts).blocks(size):
            batch = self._source.of(block)
            mu, logvar = self.network.posterior(batch, training=False)
            recon, _ = self.network.reconstruct(torch.softmax(mu, 1), batch)
            kl = self._prior.divergence(mu, logvar).sum()
            sums.add(self._figures(recon, kl, batch))
        losses = LossSums(self._hosts.sum(sums.values).tolist()).losses()
        # Counted in the job's batches, whatever is convenient here.
        return replace(losses, batches=math.ceil(losses.documents / self._batching.mini_batch_size))

    def coherence(self) -> float:
        """Return the mean NPMI of the topics as they stand, by up to 20,000 of each host's training documents."""
        top_words = share_array(self._hosts, self.network.top_words(_COHERENCE_WORDS))
        return float(np.mean(npmi(self._sample, top_words, self._hosts.sum)))

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

    def snapshot(self) -> Snapshot:
        """Return all that decides about the steps to come; the same on every host."""
        facts = {
            "steps": self._optimizer.steps, "epoch": self._epoch, "batch": self._batch,
            "sums": self._sums.values.tolist(), "sums_batches": self._sums.batches,
            "losses": list(self._losses), "annealed": self._annealed,
        }  # fmt: skip
        arrays = to_arrays(self.state(), "weights") | to_arrays(self.network.fixed(), "fixed")
        return Snapshot(arrays | to_arrays(self._optimizer.state(), "optimizer"), facts)

    def restore(self, snapshot: Snapshot) -> None:
        """Stand where :meth:`snapshot` was called."""
        facts = snapshot.facts
        overwrite(self.state(), below(snapshot.arrays, "weights"))
        overwrite(self.network.fixed(), below(snapshot.arrays, "fixed"))
        self._optimizer.restore(below(snapshot.arrays, "optimizer"), facts["steps"])
        self._epoch, self._batch = facts["epoch"], facts["batch"]
        self._sums = LossSums(facts["sums"], facts["sums_batches"])
        self._losses, self._annealed = list(facts["losses"]), facts["annealed"]

    def finish(self) -> None:
        """Let go of what the optimiser remembers and of prepared batches, which take as much memory as the weights."""
        self._optimizer.forget()
        self._source.forget()

    def add_priors(self) -> None:
        """Add to the gradients what does not come from documents; nothing, unless a model has priors on weights."""

    def _begin_alike(self) -> None:
        """Take the leader's weights: others are drawn from other documents, or by a processor that rounds otherwise."""
        for _, tensor in chain(self.state(), self.network.fixed()):
            if self._hosts.rank:
                tensor.detach().zero_()
            self._hosts.reduce(tensor.detach()).wait()

    @one_thread()
    def _step(self, batch: AnyBatch, size: int, done: float, watch: Watch) -> tuple[list[Figure], bool, bool]:
        """Take one step; `size` are the documents of all hosts' batches, `done` is the share of training that is over.

        Returns the sums over all hosts of what :class:`LossSums` adds up, and whether any of them was asked to stop, or
        wants a snapshot.
        """
        entropy = [self._batching.seed, self._optimizer.steps, self._hosts.rank]
        self._generator.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        self._exchange.begin(batch)
        mu, logvar = self.network.posterior(batch, training=True)
        theta, kl = self._prior.draw(mu, logvar, self._draw_noise(mu.shape))
        recon, price = self.network.reconstruct(theta, batch)
        total = recon + kl if price is None else recon + kl + price
        (total / size).backward()  # type: ignore[no-untyped-call]
        figures = self._figures(recon, kl, batch)
        *losses, stop, due = self._exchange.finish([*figures, float(watch.stop()), float(watch.due())])
        self.add_priors()
        self._optimizer.step(one_cycle_factor(done) if self._schedule == "one_cycle" else self._annealed)
        return losses, bool(stop > 0), bool(due > 0)

    def _figures(self, recon: Tensor, kl: Tensor, batch: AnyBatch) -> list[Figure]:
        """Return what :class:`LossSums` adds up; a device is not waited for."""
        if self._device is None:
            return [float(recon.detach()), float(kl.detach()), batch.words(), float(len(batch))]
        return [recon.detach().double(), kl.detach().double(), batch.words(), float(len(batch))]

    def _draw_noise(self, shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)


def one_cycle_factor(done: float) -> float:
    """Return the factor on the learning rate when the share `done` (0 to 1) of training lies behind.

    It rises from 0 to 1 over the first tenth and falls to 0 along half a cosine.
    """
    if done < _WARM_UP:
        return max(done / _WARM_UP, _LEAST_FACTOR)
    return max(0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))), _LEAST_FACTOR)
