"""What a fitted model's topics are, in the log and in output/data."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from topicdock.algorithms.hosts import Hosts, share_array
from topicdock.corpus.documents import Documents
from topicdock.corpus.word_vectors import WordVectors
from topicdock.evaluation import Doubles, halve, log_likelihood, npmi, topic_diversity, topic_uniqueness, wetc
from topicdock.model import EmbeddedTopicModel, TopicModel

LOGGED_WORDS = 20
"""Words of a topic in the log, as the built-in lists them; its topic uniqueness is over these."""
_COHERENCE_WORDS = 10
_DIVERSITY_WORDS = 25
_COMPLETED_DOCUMENTS = 1 << 14
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicReport:
    """The topics of a model and how good they are on the corpus it was fitted to."""

    words: list[list[str]]
    uniqueness: list[float]
    coherence: list[float]
    diversity: float
    embedding_coherence: list[float] | None
    near: list[list[str]] | None = None
    """The words whose embeddings lie nearest to the topic's, of a model with such."""

    @classmethod
    def of(
        cls,
        model: TopicModel,
        documents: Documents,
        word_vectors: WordVectors | None,
        hosts: Hosts,
    ) -> TopicReport:
        """Judge `model` by the documents that it was fitted to, which `hosts` share, and by word vectors, if any."""
        top_words = share_array(hosts, model.top_words(LOGGED_WORDS))
        return cls(
            [[model.word(word) for word in topic] for topic in top_words],
            topic_uniqueness(top_words).tolist(),
            npmi(documents, top_words[:, :_COHERENCE_WORDS], hosts.sum).tolist(),
            topic_diversity(share_array(hosts, model.top_words(_DIVERSITY_WORDS))),
            None if word_vectors is None else wetc(word_vectors.vectors, top_words).tolist(),
            _list_near(model) if isinstance(model, EmbeddedTopicModel) else None,
        )

    def summary(self) -> dict[str, float]:
        """Return the means over topics, for the model's metadata."""
        summary = {
            "topic_uniqueness": float(np.mean(self.uniqueness)),
            "topic_diversity": self.diversity,
            "npmi": float(np.mean(self.coherence)),
        }
        return (
            summary
            if self.embedding_coherence is None
            else summary | {"wetc": float(np.mean(self.embedding_coherence))}
        )

    def log(self, *, with_vocabulary: bool) -> None:
        """Log the topics as the built-in does: words after their figures, or ids alone without a vocabulary."""
        summary = self.summary()
        _logger.info(
            "Topics judged by the training data: npmi %.3f (top %d words), topic diversity %.2f (top %d words).",
            summary["npmi"], _COHERENCE_WORDS, self.diversity, _DIVERSITY_WORDS,
        )  # fmt: skip
        # The built-in's two brackets: without word vectors their first half stays empty.
        mean = f"wetc {summary['wetc']:.2f}" if "wetc" in summary else ""
        _logger.info(
            "Topics from epoch:final (num_topics:%d) [%s, tu %.2f]:", len(self.words), mean, summary["topic_uniqueness"]
        )
        coherences: Sequence[float | None] = self.embedding_coherence or [None] * len(self.words)
        for words, uniqueness, coherence in zip(self.words, self.uniqueness, coherences, strict=True):
            first = "" if coherence is None else f"{coherence:.2f}"
            prefix = f"[{first}, {uniqueness:.2f}] " if with_vocabulary else ""
            _logger.info("%s%s", prefix, " ".join(words))

    def save(self, path: Path) -> None:
        """Write the topics as JSON, so that nobody needs to search the log for them."""
        topics: list[dict[str, Any]] = [
            {"topic": topic, "words": words, "topic_uniqueness": uniqueness, "npmi": coherence}
            for topic, (words, uniqueness, coherence) in enumerate(
                zip(self.words, self.uniqueness, self.coherence, strict=True)
            )
        ]
        for topic, value in zip(topics, self.embedding_coherence or [], strict=False):
            topic["wetc"] = value
        for topic, words in zip(topics, self.near or [], strict=False):
            topic["nearest_words"] = words
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps({**self.summary(), "topics": topics}, option=orjson.OPT_INDENT_2))


def measure_completion(
    model: TopicModel, documents: Documents, total: Callable[[Doubles], Doubles]
) -> dict[str, float]:
    """Return, and log, the perplexity by token of second halves of documents, shape (D, V), given the first.

    Nothing, where chance leaves no word to be predicted. `total` adds up an array over the hosts that share the
    documents.
    """
    generator = np.random.default_rng(0)
    nats = words = 0.0
    for block in documents.blocks(_COMPLETED_DOCUMENTS):
        seen, held_out = halve(block, generator)
        nats -= log_likelihood(model.word_log_probabilities, model.transform(seen), held_out)
        words += float(held_out.sum(dtype=np.float64))
    nats, words = total(np.array([nats, words])).tolist()
    if not words:
        return {}
    value = float(np.exp(nats / words))
    _logger.info(
        "Document completion on the test data: perplexity %.2f (nats per token: %.4f).", value, math.log(value)
    )
    return {"test_perplexity": value}


def _list_near(model: EmbeddedTopicModel) -> list[list[str]]:
    near = (model.words_near_topic(topic, LOGGED_WORDS) for topic in range(model.num_topics))
    return [[model.word(word) for word, _ in words] for words in near]
