"""The page about a model that training leaves in output/data; a job never fails for want of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from topicdock.corpus.documents import Documents
from topicdock.model import TopicModel
from topicdock.training.topics import TopicReport

REPORT_FILE = "report.html"
_MOST_EPOCHS = 500
_MOST_PROBABILITIES = 100_000_000
"""K times V: beyond that a page is not worth the memory, which the model may need."""
_logger = logging.getLogger(__name__)

Losses = list[tuple[int, float, float | None]]


class Report:
    """A model as its page shows it.

    Parameters
    ----------
    documents : Documents, shape (D, V)
        The training documents.
    """

    def __init__(self, model: TopicModel, documents: Documents) -> None:
        self._summary: Any = None
        if not documents.nnz:
            _logger.info("This host has no documents to show: there will be no %s.", REPORT_FILE)
            return
        if model.num_topics * model.feature_dim > _MOST_PROBABILITIES:
            _logger.info("So many topics over so many words are not shown: there will be no %s.", REPORT_FILE)
            return
        try:
            from topicdock.report import Documents as Corpus
            from topicdock.report import summarize

            self._summary = summarize(model, Corpus(documents))
        except Exception:
            _logger.warning("There will be no %s:", REPORT_FILE, exc_info=True)

    def figures(self, topics: TopicReport, losses: Losses) -> dict[str, Any]:
        """Return what the model should remember for reports to come: a loss for each epoch, figures of each topic."""
        sizes = [None] * len(topics.words) if self._summary is None else [t.size for t in self._summary.topics]
        remembered = zip(sizes, topics.coherence, topics.uniqueness, strict=True)
        return {
            "losses": thin(losses),
            "topics": [{"size": s, "npmi": npmi, "topic_uniqueness": unique} for s, npmi, unique in remembered],
        }

    def save(self, path: Path) -> None:
        """Write the page."""
        if self._summary is None:
            return
        try:
            from topicdock.report import render_report

            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render_report(self._summary), encoding="utf-8", errors="backslashreplace")
        except Exception:
            _logger.warning("%s could not be written:", path, exc_info=True)


def thin(losses: Losses) -> list[list[float | None]]:
    """Return at most 500 of the epochs, the first and the last among them."""
    kept = np.unique(np.linspace(0, len(losses) - 1, min(len(losses), _MOST_EPOCHS)).round().astype(int))
    return [list(losses[place]) for place in kept.tolist()]
