"""The log of a training job, line by line as the built-in writes it; tools and notebooks search it with regexes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from topicdock.algorithms.progress import EpochReport, Losses, Patience
from topicdock.contract.logs import Measurement, format_metrics, format_progress, format_quality, format_throughput
from topicdock.spec.hyperparameters import spell

_logger = logging.getLogger(__name__)
TOTAL_LOSS = "total_loss"


def log_configuration(
    defaults: Mapping[str, Any], given: Mapping[str, Any], final: Mapping[str, Any], path: str
) -> None:
    """Log what was asked for and what came of it; `path` is the file that asked."""
    _logger.info("Reading default configuration: %s", {name: spell(value) for name, value in defaults.items()})
    _logger.info("Merging with provided configuration from %s: %s", path, dict(given))
    _logger.info("Final configuration: %s", {name: spell(value) for name, value in final.items()})


def log_resolved(before: Mapping[str, Any], after: Mapping[str, Any], documents: int) -> None:
    """Log what every ``auto`` comes to now that the number of training documents is known."""
    chosen = {name: spell(value) for name, value in after.items() if value != before[name]}
    if chosen:
        _logger.info("Chosen for %d documents: %s", documents, chosen)


class JobLog:
    """Receives a fit's progress and writes the built-in's lines.

    Parameters
    ----------
    algorithm : str
        Its name in ``#metrics`` lines.
    host : str
    epochs, batch_size : int
        The hyperparameters ``epochs`` and ``mini_batch_size``.
    """

    def __init__(self, algorithm: str, host: str, epochs: int, batch_size: int) -> None:
        self._dimensions = {"Algorithm": algorithm, "Host": host, "Operation": "training"}
        self._host, self._epochs, self._batch_size = host, epochs, batch_size
        self._began = self._epoch_began = time.time()
        self._records = self._batches = 0
        self._largest_epoch = (0, 0)
        self._milliseconds: dict[str, Measurement] = {}
        self.losses: list[tuple[int, float, float | None]] = []
        """Of each epoch: its number, the loss on the training data, and that on the validation data."""

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
        _logger.info(format_quality(self._host, "train", TOTAL_LOSS, train.total, epoch=report.epoch))
        if report.validation is not None:
            self.log_scoring(report.validation)
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
        _logger.info(format_progress(self._host, percent))
        self._log_counters(report)
        _logger.info(format_throughput(self._host, train.documents / max(report.train_seconds, 1e-9)))
        _logger.info("")

    def log_scoring(self, losses: Losses) -> None:
        """Log the losses on documents that were not trained on."""
        _logger.info(
            "Finished scoring on %d examples from %d batches, each of size %d.",
            losses.documents, losses.batches, self._batch_size,
        )  # fmt: skip
        _logger.info("Metrics for Inference:")
        _log_losses(losses)

    def log_quality(self, channel: str, losses: Losses, epoch: int | None = None) -> None:
        """Log the one line by which a tuner judges the final model."""
        _logger.info(format_quality(self._host, channel, TOTAL_LOSS, losses.total, epoch=epoch))

    def took(self, name: str, *seconds: float) -> None:
        """Remember how long a part of the job took, for the last line."""
        self._milliseconds[name] = Measurement.of(*(1000.0 * value for value in seconds))

    def log_times(self) -> None:
        """Log the last line: what took how long, in milliseconds."""
        ended = time.time()
        self.took("totaltime", ended - self._began)
        _logger.info(format_metrics(self._began, ended, self._dimensions, self._milliseconds))

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
        dimensions: dict[str, str | int] = {
            **self._dimensions, "epoch": report.epoch - 1, "Meta": "training_data_iter",
        }  # fmt: skip
        figures = {name: Measurement.of(float(value)) for name, value in counters.items()}
        _logger.info(format_metrics(self._epoch_began, time.time(), dimensions, figures))


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
