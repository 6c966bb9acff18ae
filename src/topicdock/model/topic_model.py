"""What serving, evaluation and reports may ask of a fitted topic model, whichever algorithm fitted it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Metadata:
    """What a model knows about itself beside its arrays; written to ``meta.json``.

    Attributes
    ----------
    hyperparameters : mapping of str to JSON value
        Every hyperparameter the model was fitted with, defaults included.
    vocabulary : tuple of str or None
        Word v of the corpus at position v, or None when training was given no vocabulary.
    training : mapping of str to JSON value
        How the fit went: epochs, losses, coherence, diversity, documents seen.
    text_rules : mapping of str to JSON value, or None
        How the texts were cut into words, as ``topicdock.text.TextRules`` reads it; None when training was not told.
    """

    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: tuple[str, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    text_rules: Mapping[str, Any] | None = None


class TopicModel(ABC):
    """A fitted topic model: arrays, and what can be computed from them without the library that fitted them."""

    algorithm: ClassVar[str]
    """The name under which the algorithm is registered."""

    response_key: ClassVar[str] = "topic_weights"
    """The key of a document's topic proportions in a response, as the built-in of the same name answers."""

    metadata: Metadata

    @property
    @abstractmethod
    def arrays(self) -> Mapping[str, Floats]:
        """Everything that was fitted, by name; together with the metadata this is the whole model."""

    @property
    @abstractmethod
    def num_topics(self) -> int:
        """K, the number of topics."""

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """V, the size of the vocabulary."""

    @property
    @abstractmethod
    def beta(self) -> Floats:
        """Topic-word distributions, shape (K, V), rows sum to 1."""

    @property
    @abstractmethod
    def topic_scores(self) -> Floats:
        """What ranks the words of a topic, shape (K, V): the larger, the more the word belongs to the topic."""

    @abstractmethod
    def transform(self, counts: csr_matrix) -> Floats:
        """Topic proportions theta, shape (D, K), rows sum to 1, of documents given as counts, shape (D, V).

        The answer for a document does not depend on the documents beside it.
        """

    @abstractmethod
    def word_log_probabilities(self, theta: Floats) -> Floats:
        """Natural log of p(word | theta), shape (D, V), for topic proportions of shape (D, K)."""

    def top_words(self, number: int = 10) -> NDArray[np.intp]:
        """Ids of the `number` highest-scoring words of each topic, best first, shape (K, min(number, V)).

        Ties go to the lower word id, so that the same arrays always list the same words.
        """
        return np.argsort(-self.topic_scores, axis=1, kind="stable")[:, :number]

    def word(self, word_id: int) -> str:
        """Word `word_id` of the vocabulary, or its id where the model carries no vocabulary."""
        vocabulary = self.metadata.vocabulary
        return str(word_id) if vocabulary is None else vocabulary[word_id]
