"""The log of a training job, line by line as the built-in writes it; tools and notebooks search it with regexes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from topicdock.contract.logs import Measurement, format_metrics
from topicdock.spec.hyperparameters import spell

_logger = logging.getLogger(__name__)


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
    """What the log of any job has: how long its parts took.

    Parameters
    ----------
    algorithm : str
        Its name in ``#metrics`` lines.
    host : str
    """

    def __init__(self, algorithm: str, host: str) -> None:
        self.dimensions = {"Algorithm": algorithm, "Host": host, "Operation": "training"}
        self.host = host
        self.began = time.time()
        self._milliseconds: dict[str, Measurement] = {}
        self.losses: list[tuple[int, float, float | None]] = []
        """Of each epoch: its number, the loss on the training data, and that on the validation data."""

    def took(self, name: str, *seconds: float) -> None:
        """Remember how long a part of the job took, for the last line."""
        self._milliseconds[name] = Measurement.of(*(1000.0 * value for value in seconds))

    def log_times(self) -> None:
        """Log the last line: what took how long, in milliseconds."""
        ended = time.time()
        self.took("totaltime", ended - self.began)
        _logger.info(format_metrics(self.began, ended, self.dimensions, self._milliseconds))

    def log_counters(self, began: float, epoch: int, counters: Mapping[str, float]) -> None:
        """Log the line of an epoch (counted from 0) with what was read in it."""
        dimensions: dict[str, str | int] = {**self.dimensions, "epoch": epoch, "Meta": "training_data_iter"}
        figures = {name: Measurement.of(float(value)) for name, value in counters.items()}
        _logger.info(format_metrics(began, time.time(), dimensions, figures))
