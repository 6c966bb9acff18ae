"""A model's topics in figures: what the page, the terminal and the pictures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus.documents import AnyDocuments, as_documents, count_occurrences
from topicdock.evaluation import npmi, topic_diversity, topic_uniqueness
from topicdock.model import TopicModel
from topicdock.report.intertopic_map import jensen_shannon

LISTED_WORDS = 20
_COHERENCE_WORDS = 10
_DIVERSITY_WORDS = 25
_REPRESENTATIVES = 3
_LEAST_WORDS = 10
"""A document of fewer words represents nothing."""

MOST_DOCUMENTS = 20_000
"""So many are looked at for sizes and representatives; of more, a sample."""

_BLOCK = 4096


@dataclass(frozen=True)
class Documents:
    """Documents to look at the model by.

    Attributes
    ----------
    counts : csr_matrix or corpus Documents, shape (D, V)
    names, texts : sequence of str, optional
        Of each document: what it is called, and how it begins.
    """

    counts: AnyDocuments
    names: Sequence[str] | None = None
    texts: Sequence[str] | None = None


@dataclass(frozen=True)
class Word:
    """A word of a topic: its probability there, and how many times that is its probability in the whole corpus."""

    text: str
    probability: float
    lift: float


@dataclass(frozen=True)
class Representative:
    """A document that is mostly about one topic.

    Attributes
    ----------
    name : str
    share : float
        Of the topic in it.
    text : str
        How it begins; without texts, its most frequent words.
    """

    name: str
    share: float
    text: str


@dataclass(frozen=True)
class Topic:
    """One topic; figures that nothing is known of are None."""

    number: int
    words: list[Word]
    size: float
    coherence: float | None
    uniqueness: float
    representatives: list[Representative] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Those of its words that a document about it is likeliest to hold."""
        return ", ".join(word.text for word in sorted(self.words, key=lambda word: -word.probability)[:4])


@dataclass(frozen=True)
class Summary:
    """A model in figures.

    Attributes
    ----------
    topics : list of Topic
        By number.
    sizes_known : bool
        Whether the topics' sizes were measured; otherwise they are all taken for equal.
    background : array, shape (V,)
        The probability of each word in the corpus.
    theta : array, shape (D, K), or None
        Topic proportions of the documents that were looked at.
    documents, documents_seen : int
        How many there are, and how many were looked at; 0 if none.
    """

    model: TopicModel
    topics: list[Topic]
    coherence: float | None
    uniqueness: float
    diversity: float
    sizes_known: bool
    background: NDArray[np.float64]
    theta: NDArray[np.floating[Any]] | None = None
    documents: int = 0
    documents_seen: int = 0

    @cached_property
    def divergences(self) -> NDArray[np.float64]:
        """Jensen-Shannon divergences between the topics' words, shape (K, K), in nats."""
        return jensen_shannon(self.model.beta)

    @property
    def by_size(self) -> list[Topic]:
        """The topics, the largest first; by number where sizes are not known."""
        return sorted(self.topics, key=lambda topic: -topic.size) if self.sizes_known else self.topics

    @property
    def training(self) -> Mapping[str, Any]:
        """What the model knows of its training."""
        return self.model.metadata.training


def summarize(model: TopicModel, documents: Documents | None = None) -> Summary:
    """Look at a model, by documents if there are any.

    Without documents, sizes and coherence are those that training left in the model, if it did.
    """
    num_topics = model.num_topics
    beta = model.beta
    top_words = model.top_words(LISTED_WORDS)
    known = model.metadata.training.get("topics")
    remembered: list[Any] = known if isinstance(known, list) and len(known) == num_topics else [{}] * num_topics
    sizes = np.array([_number(topic, "size") or 0.0 for topic in remembered])
    coherences = [_number(topic, "npmi") for topic in remembered]
    theta, rows, representatives = None, np.zeros(0, np.int64), [[] for _ in range(num_topics)]  # type: ignore[var-annotated]
    if documents is not None and documents.counts.nnz:
        rows = _choose(documents.counts.shape[0])
        counts = as_documents(documents.counts).take(rows)
        theta = transform(model, counts)
        lengths = np.asarray(counts.sum(axis=1), np.float64).ravel()
        sizes = lengths @ theta / lengths.sum()
        coherences = [float(value) for value in npmi(documents.counts, top_words[:, :_COHERENCE_WORDS])]
        background = count_occurrences(as_documents(documents.counts))
        background /= background.sum()
        representatives = _find_representatives(model, documents, rows, theta, lengths)
    sizes_known = bool(sizes.sum() > 0)
    if not sizes_known:
        sizes = np.full(num_topics, 1.0 / num_topics)
    if theta is None:
        background = sizes @ beta / sizes.sum()
    uniqueness = topic_uniqueness(top_words)
    topics = [
        Topic(
            topic,
            [
                Word(
                    model.word(word), float(beta[topic, word]), float(beta[topic, word] / max(background[word], 1e-12))
                )
                for word in top_words[topic]
            ],
            float(sizes[topic]),
            coherences[topic],
            float(uniqueness[topic]),
            representatives[topic],
        )
        for topic in range(num_topics)
    ]
    measured = [value for value in coherences if value is not None]
    return Summary(
        model, topics, float(np.mean(measured)) if measured else None, float(uniqueness.mean()),
        topic_diversity(model.top_words(_DIVERSITY_WORDS)), sizes_known, background, theta,
        0 if documents is None else documents.counts.shape[0], len(rows),
    )  # fmt: skip


def topic_sizes(model: TopicModel, counts: csr_matrix) -> NDArray[np.float64]:
    """Return the share of words that each topic accounts for, shape (K,), in at most `MOST_DOCUMENTS` documents."""
    some = counts[_choose(counts.shape[0])]
    lengths = np.asarray(some.sum(axis=1), np.float64).ravel()
    sizes: NDArray[np.float64] = lengths @ transform(model, some) / max(lengths.sum(), 1.0)
    return sizes


def transform(model: TopicModel, counts: csr_matrix) -> NDArray[np.float64]:
    """Return topic proportions, shape (D, K), a block of documents at a time."""
    blocks = [model.transform(counts[start : start + _BLOCK]) for start in range(0, counts.shape[0], _BLOCK)]
    return np.concatenate([*blocks, np.zeros((0, model.num_topics))]).astype(np.float64)


def _choose(documents: int) -> NDArray[np.int64]:
    if documents <= MOST_DOCUMENTS:
        return np.arange(documents)
    return np.sort(np.random.default_rng(0).choice(documents, MOST_DOCUMENTS, replace=False))


def _find_representatives(
    model: TopicModel,
    documents: Documents,
    rows: NDArray[np.int64],
    theta: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> list[list[Representative]]:
    enough = np.flatnonzero(lengths >= min(_LEAST_WORDS, lengths.max(initial=0)))
    found = []
    for topic in range(model.num_topics):
        best = enough[np.argsort(-theta[enough, topic], kind="stable")[:_REPRESENTATIVES]]
        found.append([_describe(model, documents, int(rows[row]), float(theta[row, topic])) for row in best])
    return found


def _describe(model: TopicModel, documents: Documents, row: int, share: float) -> Representative:
    name = documents.names[row] if documents.names is not None else f"document {row + 1}"
    if documents.texts is not None:
        return Representative(name, share, documents.texts[row])
    document = as_documents(documents.counts).take(np.array([row]))
    often = document.indices[np.argsort(-document.data, kind="stable")[:12]]
    return Representative(name, share, ", ".join(map(model.word, often)))


def _number(topic: Any, name: str) -> float | None:
    value = topic.get(name) if isinstance(topic, dict) else None
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None
