"""What fitting by epochs has in common, whichever model is fitted: the loop, when it ends, what it returns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from topicdock.algorithms.early_stopping import EarlyStopping
from topicdock.algorithms.progress import EpochReport, Losses, Reporter
from topicdock.corpus.documents import AnyDocuments
from topicdock.errors import AlgorithmError
from topicdock.model import TopicModel

_COHERENCE_SECONDS = 5.0
"""Between two estimates of the coherence, each of which takes some hundredths of a second."""


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


class Trainer(Protocol):
    """Something that learns epoch by epoch."""

    def train_epoch(self, should_stop: Callable[[], bool]) -> Losses | None:
        """Take one pass over the documents; None if stopped before its end."""

    def score(self, counts: AnyDocuments) -> Losses:
        """Return the losses of documents, shape (D, V)."""

    def coherence(self) -> float:
        """Return an estimate of the mean NPMI of the topics as they stand."""

    def epoch_ended(self, loss: float) -> None:
        """Take note of the loss by which the epoch is judged."""

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""


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
    reporter: Reporter,
    should_stop: Callable[[], bool],
) -> Outcome:
    """Train for up to `epochs` epochs, and leave the trainer with the best epoch's weights.

    Raises
    ------
    AlgorithmError
        The loss left the finite numbers.
    """
    completed, best_epoch, best_loss, best_state = 0, 0, math.inf, None
    judged = time.perf_counter()
    for epoch in range(1, epochs + 1):
        reporter.epoch_started(epoch)
        started = time.perf_counter()
        losses = trainer.train_epoch(should_stop)
        if losses is None:  # stopped within the epoch
            break
        trained = time.perf_counter()
        scored = None if validation is None else trainer.score(validation)
        ended = time.perf_counter()
        completed, loss = epoch, (scored or losses).total
        if not math.isfinite(loss):
            raise AlgorithmError(
                f"the loss is no longer a finite number in epoch {epoch}; lower learning_rate or set clip_gradient"
            )
        if loss < best_loss:
            best_epoch, best_loss = epoch, loss
            best_state = None if epoch == epochs else {name: t.detach().clone() for name, t in trainer.state()}
        trainer.epoch_ended(loss)
        patience = stopping.observe(loss)
        coherence = None
        if time.perf_counter() - judged > _COHERENCE_SECONDS:
            coherence, judged = trainer.coherence(), time.perf_counter()
        reporter.epoch_finished(
            EpochReport(epoch, losses, scored, patience, trained - started, ended - trained, coherence)
        )
        if (patience is not None and patience.exceeded) or should_stop():
            break
    if best_state is not None:
        with torch.no_grad():
            for name, tensor in trainer.state():
                tensor.copy_(best_state[name])
    return Outcome(best_epoch, best_loss, completed)
