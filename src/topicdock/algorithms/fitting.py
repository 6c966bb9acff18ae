"""What fitting by epochs has in common, whichever model is fitted: the loop, when it ends, what it returns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from topicdock.algorithms.early_stopping import EarlyStopping
from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.progress import EpochReport, Losses, Reporter
from topicdock.algorithms.snapshots import Keeper, Snapshot, begin_epoch_again
from topicdock.algorithms.state import below, overwrite
from topicdock.algorithms.variational import Watch
from topicdock.corpus.documents import AnyDocuments
from topicdock.errors import AlgorithmError, PlatformError
from topicdock.model import TopicModel

_COHERENCE_SECONDS = 5.0
"""Between two estimates of the coherence, each of which takes some hundredths of a second."""
_BEST = "best"


@dataclass(frozen=True)
class Fit:
    """What an algorithm's ``fit`` returns.

    Attributes
    ----------
    model : TopicModel
    best_epoch : int
        The epoch (from 1) whose weights the model holds; 0 when training was stopped before the first one ended.
    best_loss : float
        The loss of that epoch, validation if there is one.
    epochs : int
        How many epochs were completed.
    score : callable
        From counts, shape (D, V), to the model's losses on them.
    """

    model: TopicModel
    best_epoch: int
    best_loss: float
    epochs: int
    score: Callable[[AnyDocuments], Losses]


@dataclass(frozen=True)
class Surroundings:
    """What a fit is given beside documents and hyperparameters.

    Attributes
    ----------
    reporter : Reporter
    should_stop : callable
        Asked at every step; True ends training, and the best epoch so far is returned.
    hosts : Hosts
        That fit one model together, each to documents of its own.
    keeper : Keeper
        Has the snapshot to go on from, and is given those that are made after every epoch, at a stop, and when due.
    """

    reporter: Reporter
    should_stop: Callable[[], bool]
    hosts: Hosts
    keeper: Keeper


class Trainer(Protocol):
    """Something that learns epoch by epoch."""

    def train_epoch(self, watch: Watch) -> Losses | None:
        """Take one pass over the documents, or the rest of one; None if stopped before its end."""

    def score(self, counts: AnyDocuments) -> Losses:
        """Return the losses of documents, shape (D, V)."""

    def coherence(self) -> float:
        """Return an estimate of the mean NPMI of the topics as they stand."""

    def epoch_ended(self, loss: float) -> None:
        """Take note of the loss by which the epoch is judged."""

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""

    def snapshot(self) -> Snapshot:
        """Return all that decides about the steps to come."""

    def restore(self, snapshot: Snapshot) -> None:
        """Stand where the snapshot was made."""

    def finish(self) -> None:
        """Let go of what only training needs."""


@dataclass(frozen=True)
class Outcome:
    """How the epochs went; names as in :class:`Fit`."""

    best_epoch: int
    best_loss: float
    epochs: int


def train(
    trainer: Trainer,
    epochs: int,
    stopping: EarlyStopping,
    *,
    validation: AnyDocuments | None,
    surroundings: Surroundings,
) -> Outcome:
    """Train for up to `epochs` epochs, and leave the trainer with the best epoch's weights.

    Raises
    ------
    AlgorithmError
        The loss left the finite numbers.
    PlatformError
        A device has no memory left.
    """
    course = _Course(trainer, epochs, stopping, surroundings)
    course.resume()
    try:
        course.run(validation)
    except torch.OutOfMemoryError as error:
        raise PlatformError(
            "The GPU has no memory left, because of others that use it or of very long documents. Set a smaller "
            'mini_batch_size, or TOPICDOCK_DEVICE=cpu (from Python, device="cpu").'
        ) from error
    return course.end()


class _Course:
    """The epochs of one fit."""

    def __init__(self, trainer: Trainer, epochs: int, stopping: EarlyStopping, surroundings: Surroundings) -> None:
        self._trainer, self._epochs, self._stopping, self._surroundings = trainer, epochs, stopping, surroundings
        self._completed = self._best_epoch = 0
        self._best_loss = math.inf
        self._best_state: dict[str, Tensor] | None = None
        """The best epoch's weights; None while there is no epoch, and where the last one is the best."""
        self._ended = False
        self._judged = time.perf_counter()

    def run(self, validation: AnyDocuments | None) -> None:
        """Train until the last epoch, or until it is time to stop."""
        kept = True
        while self._completed < self._epochs and not self._ended and not self._asked_to_stop():
            self._surroundings.reporter.epoch_started(self._completed + 1)
            started = time.perf_counter()
            losses = self._trainer.train_epoch(self)
            trained = time.perf_counter()
            if losses is None:  # stopped within the epoch
                kept = False
                break
            scored = None if validation is None else self._trainer.score(validation)
            self._finish_epoch(losses, scored, trained - started, time.perf_counter() - trained)
            kept = self._surroundings.keeper.keep(self._snapshot, wait=False)
        if not kept:
            self._surroundings.keeper.keep(self._snapshot, wait=True)

    def _finish_epoch(self, losses: Losses, scored: Losses | None, training: float, scoring: float) -> None:
        epoch = self._completed = self._completed + 1
        loss = (scored or losses).total
        if not math.isfinite(loss):
            raise AlgorithmError(
                f"the loss is no longer a finite number in epoch {epoch}; lower learning_rate or set clip_gradient"
            )
        if loss < self._best_loss:
            self._best_epoch, self._best_loss = epoch, loss
            self._best_state = None  # before there are others, so that they take its place
            if epoch < self._epochs:
                self._best_state = {name: tensor.detach().clone() for name, tensor in self._trainer.state()}
        self._trainer.epoch_ended(loss)
        patience = self._stopping.observe(loss)
        self._ended = patience is not None and patience.exceeded
        coherence = None
        # By the leader's clock, as all hosts have to take part.
        seconds = time.perf_counter() - self._judged if self._surroundings.hosts.rank == 0 else 0.0
        if self._surroundings.hosts.sum(np.array([seconds]))[0] > _COHERENCE_SECONDS:
            coherence, self._judged = self._trainer.coherence(), time.perf_counter()
        self._surroundings.reporter.epoch_finished(
            EpochReport(epoch, losses, scored, patience, training, scoring, coherence)
        )

    def end(self) -> Outcome:
        """Leave the trainer with the best epoch's weights."""
        if self._best_state is not None:
            overwrite(self._trainer.state(), self._best_state)
            self._best_state = None
        self._trainer.finish()
        return Outcome(self._best_epoch, self._best_loss, self._completed)

    def stop(self) -> bool:
        """Return whether this host was asked to stop."""
        return self._surroundings.should_stop()

    def due(self) -> bool:
        """Return whether this host wants a snapshot before the epoch is over."""
        return self._surroundings.keeper.due()

    def _asked_to_stop(self) -> bool:
        """Return whether any host was asked to stop."""
        return bool(self._surroundings.hosts.sum(np.array([float(self.stop())]))[0])

    def keep(self) -> None:
        """Keep a snapshot, unless the one before it is still being written."""
        self._surroundings.keeper.keep(self._snapshot, wait=False)

    def _snapshot(self) -> Snapshot:
        trainer = self._trainer.snapshot()
        # The best epoch's weights are replaced, never changed.
        best = {f"{_BEST}/{name}": tensor.cpu().numpy() for name, tensor in (self._best_state or {}).items()}
        facts = {
            "trainer": trainer.facts, "stopping": self._stopping.facts(), "completed": self._completed,
            "best_epoch": self._best_epoch, "best_loss": self._best_loss, "ended": self._ended,
        }  # fmt: skip
        return Snapshot({**trainer.arrays, **best}, facts)

    def resume(self) -> None:
        """Go on from the snapshot that was kept, if there is one."""
        snapshot = self._surroundings.keeper.restore()
        if snapshot is None:
            return
        facts = snapshot.facts
        trainer = facts["trainer"]
        if snapshot.dealt_anew:  # which documents are left of the epoch, no host knows
            trainer = begin_epoch_again(trainer)
        self._trainer.restore(Snapshot(snapshot.arrays, trainer))
        self._stopping.restore(facts["stopping"])
        self._completed, self._best_epoch = facts["completed"], facts["best_epoch"]
        self._best_loss, self._ended = facts["best_loss"], facts["ended"]
        self._best_state = below(snapshot.arrays, _BEST) or None
