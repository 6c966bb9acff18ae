"""Training by moments, and its log as the built-in LDA writes it."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topicdock.algorithms.hosts import Hosts
from topicdock.contract.logs import Measurement, format_metrics, format_progress, format_quality, format_throughput
from topicdock.corpus.documents import Documents, count_words
from topicdock.model import DirichletTopicModel, TopicModel
from topicdock.spec.algorithm import Specification
from topicdock.spec.hyperparameters import Hyperparameters
from topicdock.training.data import TrainingData
from topicdock.training.log import JobLog

if TYPE_CHECKING:
    from topicdock.algorithms.decomposition import Restart

_logger = logging.getLogger(__name__)
_PROGRESS_SECONDS = 10.0
"""Between two lines that say how far a long job is."""


class MomentRun(JobLog):
    """Fits LDA, scores it, and writes the built-in LDA's lines.

    Parameters
    ----------
    specification : Specification
    host : str
    hyperparameters : mapping
        With every ``auto`` resolved.
    hosts : Hosts
        That share the documents.
    """

    def __init__(
        self, specification: Specification, host: str, hyperparameters: Mapping[str, Any], hosts: Hosts
    ) -> None:
        super().__init__(specification.log_name, host)
        self._hosts = hosts
        self._algorithm = importlib.import_module(specification.module)
        self._requested, self._batch_size = hyperparameters["num_topics"], hyperparameters["mini_batch_size"]
        self._model: DirichletTopicModel | None = None
        self._spoken = time.monotonic()

    def fit(self, data: TrainingData, hyperparameters: Hyperparameters, should_stop: Callable[[], bool]) -> TopicModel:
        """Fit the model."""
        documents, size = data.train.shape
        _logger.info("Loaded all data into matrix with shape: (%d, %d)", documents, size)
        everywhere = int(self._hosts.sum(np.array([float(documents)]))[0])
        if self._batch_size != everywhere:
            _logger.warning(
                "mini_batch_size is %d, the number of documents %d; all documents are used.",
                self._batch_size, everywhere,
            )  # fmt: skip
        if not all(np.array_equal(block.data, np.rint(block.data)) for block in data.train.blocks()):
            _logger.warning(
                "Some counts are not whole numbers. LDA counts words, and its moments and pseudo-counts are on that "
                "scale: send how often each word occurs, not TF-IDF or other weights."
            )
        began = time.time()
        fitted = self._algorithm.fit(
            data.train, hyperparameters,
            vocabulary=data.vocabulary, reporter=self, should_stop=should_stop, hosts=self._hosts,
        )  # fmt: skip
        _logger.info(format_progress(self.host, 100))
        self.log_counters(began, 0, {
            "Total Records Seen": documents, "Total Batches Seen": 1, "Max Records Seen Between Resets": documents,
            "Max Batches Seen Between Resets": 1, "Reset Count": 1, "Number of Records Since Last Reset": documents,
            "Number of Batches Since Last Reset": 1,
        })  # fmt: skip
        _logger.info(format_throughput(self.host, documents / max(fitted.seconds, 1e-9)))
        model: DirichletTopicModel = fitted.model
        self._model = model
        return model

    def score(self, validation: Documents | None) -> dict[str, Any]:
        """Return what the model should know."""
        return {}

    def score_test(self, test: Documents) -> None:
        """Score the fitted model on the test documents."""
        if self._model is None:
            raise RuntimeError("nothing has been fitted yet")
        likelihood = sum(self._model.log_likelihood(block) for block in test.blocks())
        own = np.array([likelihood, count_words(test)])
        total = self._hosts.sum(own)
        value = float(total[0] / total[1])
        _logger.info(format_quality(self.host, "test", "pwll", value, kind="score"))

    def moments_whitened(self, rank: int, requested: int, seconds: float) -> None:
        """Log for how many topics LDA runs."""
        _logger.info("Running LDA for %d topics (%d requested)", rank, requested)
        self._log_time("GetMoments.time", seconds)

    def restart_finished(self, restart: Restart) -> None:
        """Log how a start of the decomposition went."""
        _logger.info("Restart %d/%d", restart.number, restart.of)
        _logger.info("[CPDecomp] Using %s initialization.", restart.start)
        _logger.info("[CPDecomp] iter=%d, error=%s", restart.iterations, restart.error)
        if restart.converged:
            _logger.info("Converged to local minimum in %d iterations.", restart.iterations)
        else:
            _logger.info("Not converged in %d iterations (max_iterations).", restart.iterations)

    def decomposed(self, error: float, seconds: float) -> None:
        """Log the error of the best start."""
        _logger.info("Best reconstruction error: %.8f", error)
        self._log_time("CPDecomposition.time", seconds)

    def topics_borrowed(self, number: int) -> None:
        """Warn that the moments gave too few topics."""
        _logger.warning(
            "The moments of the documents give %d topics fewer than requested (%d); these are started from documents.",
            number, self._requested,
        )  # fmt: skip

    def refined(self, iteration: int, iterations: int, log_likelihood: float) -> None:
        """Log an iteration of the refinement."""
        self.losses.append((iteration, -log_likelihood, None))
        _logger.info("[Refinement] iter=%d/%d, log-likelihood per token=%s", iteration, iterations, log_likelihood)

    def sharpened(self, sharpness: float, seconds: float) -> None:
        """Log how far the topics were sharpened."""
        _logger.info("[Refinement] Topics sharpened by %s (0: not at all, 1: as far as word weights reach)", sharpness)
        self._log_time("Refinement.time", seconds)

    def progressed(self, share: float) -> None:
        """Log the progress of a long job every few seconds; its end is logged by :meth:`fit`."""
        now = time.monotonic()
        if share < 1 and now - self._spoken > _PROGRESS_SECONDS:
            self._spoken = now
            _logger.info(format_progress(self.host, round(100 * share, 1)))

    def _log_time(self, name: str, seconds: float) -> None:
        ended = time.time()
        _logger.info(format_metrics(ended - seconds, ended, self.dimensions, {name: Measurement.of(1000.0 * seconds)}))
