"""What a fitted model's topics are, in the log and in output/data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy.sparse import csr_matrix

from topicdock.evaluation import npmi, topic_diversity, topic_uniqueness
from topicdock.model import TopicModel

LOGGED_WORDS = 20
"""Words of a topic in the log, as the built-in lists them; its topic uniqueness is over these."""
_COHERENCE_WORDS = 10
_DIVERSITY_WORDS = 25
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicReport:
    """The topics of a model and how good they are on the corpus it was fitted to."""

    words: list[list[str]]
    uniqueness: list[float]
    coherence: list[float]
    diversity: float

    @classmethod
    def of(cls, model: TopicModel, counts: csr_matrix) -> TopicReport:
        """Judge `model` by `counts`, shape (D, V), the documents it was fitted to."""
        top_words = model.top_words(LOGGED_WORDS)
        return cls(
            [[model.word(word) for word in topic] for topic in top_words],
            topic_uniqueness(top_words).tolist(),
            npmi(counts, top_words[:, :_COHERENCE_WORDS]).tolist(),
            topic_diversity(model.top_words(_DIVERSITY_WORDS)),
        )

    def summary(self) -> dict[str, float]:
        """Return the means over topics, for the model's metadata."""
        return {
            "topic_uniqueness": float(np.mean(self.uniqueness)),
            "topic_diversity": self.diversity,
            "npmi": float(np.mean(self.coherence)),
        }

    def log(self, *, with_vocabulary: bool) -> None:
        """Log the topics as the built-in does: words after their figures, or ids alone without a vocabulary."""
        summary = self.summary()
        _logger.info(
            "Topics judged by the training data: npmi %.3f (top %d words), topic diversity %.2f (top %d words).",
            summary["npmi"], _COHERENCE_WORDS, self.diversity, _DIVERSITY_WORDS,
        )  # fmt: skip
        _logger.info(
            "Topics from epoch:final (num_topics:%d) [, tu %.2f]:", len(self.words), summary["topic_uniqueness"]
        )
        for words, uniqueness in zip(self.words, self.uniqueness, strict=True):
            prefix = f"[, {uniqueness:.2f}] " if with_vocabulary else ""
            _logger.info("%s%s", prefix, " ".join(words))

    def save(self, path: Path) -> None:
        """Write the topics as JSON, so that nobody needs to search the log for them."""
        topics: list[dict[str, Any]] = [
            {"topic": topic, "words": words, "topic_uniqueness": uniqueness, "npmi": coherence}
            for topic, (words, uniqueness, coherence) in enumerate(
                zip(self.words, self.uniqueness, self.coherence, strict=True)
            )
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps({**self.summary(), "topics": topics}, option=orjson.OPT_INDENT_2))
