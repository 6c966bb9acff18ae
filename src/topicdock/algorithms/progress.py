"""What an algorithm tells the outside while it fits: plain figures, handed to an injected reporter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Losses:
    """The loss over a set of documents, in nats per word: sums over documents divided by the sum of word counts.

    Attributes
    ----------
    recons, kld : float
        Reconstruction error, and divergence of the posterior from the prior.
    documents, batches : int
        What the sums ran over.
    """

    recons: float
    kld: float
    documents: int
    batches: int

    @property
    def total(self) -> float:
        """The negative evidence lower bound."""
        return self.recons + self.kld


@dataclass(frozen=True)
class Patience:
    """One decision of the early-stopping rule.

    Attributes
    ----------
    recent : tuple of float
        The losses of the last epochs before this one; `smallest` of them is what `loss` is held against.
    bad_epochs : int
        How many epochs in a row have not improved (enough), this one included if it did not.
    """

    recent: tuple[float, ...]
    smallest: float
    loss: float
    bad: bool
    bad_epochs: int
    exceeded: bool


@dataclass(frozen=True)
class EpochReport:
    """How one epoch went. `epoch` counts from 1; `seconds` are those of training and of scoring.

    `coherence` is an estimate of the topics' mean NPMI, made every few seconds and so not for every epoch.
    """

    epoch: int
    train: Losses
    validation: Losses | None
    patience: Patience | None
    train_seconds: float
    validation_seconds: float
    coherence: float | None = None


class Reporter(Protocol):
    """Receives the progress of a fit."""

    def epoch_started(self, epoch: int) -> None:
        """Training on epoch `epoch` (from 1) begins."""

    def epoch_finished(self, report: EpochReport) -> None:
        """An epoch is over."""


class SilentReporter:
    """Reports nothing."""

    def epoch_started(self, epoch: int) -> None:
        """Do nothing."""

    def epoch_finished(self, report: EpochReport) -> None:
        """Do nothing."""
