"""Training epoch by epoch, and its log, line by line as the built-in NTM writes it; tools search it with regexes."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.progress import EpochReport, Losses, Patience
from topicdock.contract.logs import format_progress, format_quality, format_throughput
from topicdock.corpus.documents import Documents
from topicdock.model import TopicModel
from topicdock.spec.algorithm import Specification
from topicdock.spec.hyperparameters import Hyperparameters
from topicdock.training.checkpoints import JobCheckpoints
from topicdock.training.data import TrainingData
from topicdock.training.log import JobLog

if TYPE_CHECKING:
    from topicdock.algorithms.fitting import Fit

_logger = logging.getLogger(__name__)
TOTAL_LOSS = "total_loss"


class EpochRun(JobLog):
    """Fits a model epoch by epoch, scores it, and writes the built-in NTM's lines.

    Parameters
    ----------
    specification : Specification
    host : str
    hyperparameters : mapping
        With every ``auto`` resolved; ``epochs`` and ``mini_batch_size`` are read.
    hosts : Hosts
        That share the documents.
    checkpoints : JobCheckpoints
    device : torch.device, optional
        Where to fit; None is the processor.
    """

    def __init__(
        self,
        specification: Specification,
        host: str,
        hyperparameters: Mapping[str, Any],
        hosts: Hosts,
        checkpoints: JobCheckpoints,
        device: Any = None,
    ) -> None:
        super().__init__(specification.log_name, host)
        self._hosts, self._checkpoints, self._device = hosts, checkpoints, device
        checkpoints.log_facts, checkpoints.log_restored = self._facts, self._restore
        self._specification = specification
        self._algorithm = importlib.import_module(specification.module)
        self._epochs, self._batch_size = hyperparameters["epochs"], hyperparameters["mini_batch_size"]
        self._epoch_began = self.began
        self._records = self._batches = self._epochs_before = 0
        self._largest_epoch = (0, 0)
        self._fit: Fit | None = None

    def fit(self, data: TrainingData, hyperparameters: Hyperparameters, should_stop: Callable[[], bool]) -> TopicModel:
        """Fit the model."""
        self._fit = self._algorithm.fit(
            data.train, hyperparameters,
            validation=data.validation, vocabulary=data.vocabulary, reporter=self, should_stop=should_stop,
            hosts=self._hosts, keeper=self._checkpoints, device=self._device,
            **({"word_vectors": data.embeddings} if self._specification.takes_word_vectors else {}),
        )  # fmt: skip
        self._checkpoints.finish()
        return self._fit.model

    def score(self, validation: Documents | None) -> dict[str, Any]:
        """Score the fitted model on the validation documents, if there are any; return what the model should know."""
        fitted = self._fitted
        summary: dict[str, Any] = {"best_epoch": fitted.best_epoch}
        if validation is not None:
            losses = fitted.score(validation)
            self._log_scoring(losses)
            epoch = max(fitted.epochs, 1)
            _logger.info(format_quality(self.host, "validation", TOTAL_LOSS, losses.total, epoch=epoch))
            _logger.info("Loss of server-side model: %s", losses.total)
            summary["validation_total_loss"] = losses.total
        _logger.info(
            "Best model based on early stopping at epoch %d. Best loss: %s", fitted.best_epoch, fitted.best_loss
        )
        return summary

    def score_test(self, test: Documents) -> None:
        """Score the fitted model on the test documents."""
        losses = self._fitted.score(test)
        self._log_scoring(losses)
        _logger.info(format_quality(self.host, "test", TOTAL_LOSS, losses.total))

    @property
    def _fitted(self) -> Fit:
        if self._fit is None:
            raise RuntimeError("nothing has been fitted yet")
        return self._fit

    def epoch_started(self, epoch: int) -> None:
        """Log the start of an epoch, counted from 1."""
        self._epoch_began = time.time()
        _logger.info("# Starting training for epoch %d", epoch)

    def epoch_finished(self, report: EpochReport) -> None:
        """Log everything about an epoch."""
        train, seconds = report.train, report.train_seconds + report.validation_seconds
        held_out = None if report.validation is None else report.validation.total
        self.losses.append((report.epoch, train.total, held_out))
        _logger.info(
            "# Finished training epoch %d on %d examples from %d batches, each of size %d.",
            report.epoch, train.documents, train.batches, self._batch_size,
        )  # fmt: skip
        _logger.info("Metrics for Training:")
        _log_losses(train)
        _logger.info(format_quality(self.host, "train", TOTAL_LOSS, train.total, epoch=report.epoch))
        if report.validation is not None:
            self._log_scoring(report.validation)
            _logger.info("#validation_score (%d): %s", report.epoch, report.validation.total)
        if report.patience is not None:
            _log_patience(report.patience)
        _logger.info(
            "Timing: train: %.2fs, val: %.2fs, epoch: %.2fs", report.train_seconds, report.validation_seconds, seconds
        )
        stopped = report.patience is not None and report.patience.exceeded
        if stopped:
            _logger.info("Early stop condition met. Stopping training.")
        percent = 100.0 if stopped else 100.0 * report.epoch / self._epochs
        _logger.info(format_progress(self.host, percent))
        if report.coherence is not None:
            _logger.info(
                "Coherence of the topics so far (npmi of a sample of the training data): %.3f", report.coherence
            )
        if percent < 100:
            # An epoch of a job that was interrupted took no time of this one.
            left = (time.time() - self.began) / (report.epoch - self._epochs_before) * (self._epochs - report.epoch)
            _logger.info("About %.0f seconds left, if every epoch is run.", left)
        self._log_counters(report)
        _logger.info(format_throughput(self.host, train.documents / max(report.train_seconds, 1e-9)))
        _logger.info("")

    def _facts(self) -> dict[str, Any]:
        """Return what the lines to come depend on."""
        return {
            "losses": list(self.losses), "records": self._records, "batches": self._batches,
            "largest_epoch": self._largest_epoch,
        }  # fmt: skip

    def _restore(self, facts: Mapping[str, Any]) -> None:
        """Go on with the lines of a job that was interrupted."""
        self.losses = [(epoch, training, held_out) for epoch, training, held_out in facts["losses"]]
        self._records, self._batches = facts["records"], facts["batches"]
        self._largest_epoch = (facts["largest_epoch"][0], facts["largest_epoch"][1])
        self._epochs_before = len(self.losses)
        _logger.info("Training goes on after epoch %d.", self._epochs_before)

    def _log_scoring(self, losses: Losses) -> None:
        """Log the losses on documents that were not trained on."""
        _logger.info(
            "Finished scoring on %d examples from %d batches, each of size %d.",
            losses.documents, losses.batches, self._batch_size,
        )  # fmt: skip
        _logger.info("Metrics for Inference:")
        _log_losses(losses)

    def _log_counters(self, report: EpochReport) -> None:
        documents, batches = report.train.documents, report.train.batches
        self._records += documents
        self._batches += batches
        self._largest_epoch = max(self._largest_epoch, (documents, batches))
        counters = {
            "Total Records Seen": self._records,
            "Total Batches Seen": self._batches,
            "Max Records Seen Between Resets": self._largest_epoch[0],
            "Max Batches Seen Between Resets": self._largest_epoch[1],
            "Reset Count": report.epoch,
            "Number of Records Since Last Reset": documents,
            "Number of Batches Since Last Reset": batches,
        }
        self.log_counters(self._epoch_began, report.epoch - 1, counters)


def _log_losses(losses: Losses) -> None:
    for name, value in (
        ("total", losses.total), ("kld", losses.kld), ("recons", losses.recons), ("logppx", losses.total),
    ):  # fmt: skip
        _logger.info("Loss (name: value) %s: %s", name, value)


def _log_patience(patience: Patience) -> None:
    _logger.info(
        "patience losses:%s min patience loss:%s current loss:%s absolute loss difference:%s",
        list(patience.recent), patience.smallest, patience.loss, abs(patience.smallest - patience.loss),
    )  # fmt: skip
    if patience.bad:
        _logger.info("Bad epoch: loss has not improved (enough). Bad count:%d", patience.bad_epochs)
    if patience.exceeded:
        _logger.info("Bad epochs exceeded patience. Stopping training early!")
