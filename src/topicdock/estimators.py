"""The algorithms from Python, in scikit-learn's manners: ``topicdock.NTM``, ``topicdock.LDA``, ``topicdock.ETM``.

    model = topicdock.ETM(num_topics=50).fit(counts, vocabulary=words)
    model.topics(top=10)
    theta = model.transform(new_counts)

What is fitted is what a training job fits, and what ``save`` writes is what an endpoint serves.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from topicdock.artifact import load_model, save_model
from topicdock.corpus.documents import as_documents
from topicdock.corpus.from_python import Embeddings, check_has_words, documents_from, exact_documents_from, vectors_from
from topicdock.errors import CustomerError
from topicdock.evaluation import halve, perplexity
from topicdock.model import EmbeddedTopicModel, TopicModel
from topicdock.spec.registry import choose_algorithm

Floats = NDArray[np.float32]


class TopicEstimator:
    """A topic model to be fitted.

    Parameters
    ----------
    num_topics : int
        K.
    **hyperparameters
        Any other of docs/hyperparameters.md but ``feature_dim``, which the documents tell. They are checked by
        :meth:`fit`, all at once.

    Attributes
    ----------
    model_ : TopicModel
        After :meth:`fit` or :meth:`load`.
    best_epoch_, best_loss_ : int, float
        After :meth:`fit`, of an algorithm that fits by epochs: which epoch the model is of, and its loss.
    """

    algorithm: ClassVar[str]
    model_: TopicModel

    def __init__(self, num_topics: int = 20, **hyperparameters: Any) -> None:
        self._parameters: dict[str, Any] = {"num_topics": num_topics, **hyperparameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the hyperparameters that were set."""
        return dict(self._parameters)

    def set_params(self, **parameters: Any) -> Self:
        """Set some hyperparameters."""
        self._parameters |= parameters
        return self

    def fit(
        self,
        counts: Any,
        y: object = None,
        *,
        vocabulary: Sequence[str] | None = None,
        validation: Any = None,
        embeddings: Embeddings | None = None,
        device: str = "auto",
    ) -> Self:
        """Fit to documents.

        Parameters
        ----------
        counts : sparse matrix or array, shape (D, V)
            Word counts.
        vocabulary : sequence of str, optional
            Word v at position v.
        validation : like `counts`, optional
            Decides when to stop, and which epoch is kept.
        embeddings : mapping of str to vector, array of shape (V, E), file, or WordVectors, optional
            ETM's word embeddings. A mapping and most kinds of file need the vocabulary.
        device : str
            ``auto``, ``cpu`` or ``cuda``: docs/gpu.md. LDA is fitted on the CPU.

        Raises
        ------
        CustomerError
            Hyperparameters, documents, embeddings or device are not what they must be.
        AlgorithmError
            The loss left the finite numbers.
        """
        documents = exact_documents_from(counts, "counts")
        held_out = None if validation is None else exact_documents_from(validation, "validation", documents.shape[1])
        check_has_words(documents, "counts")
        words = None if vocabulary is None else tuple(map(str, vocabulary))
        if words is not None and len(words) != documents.shape[1]:
            raise CustomerError(
                "the vocabulary must name each column of counts",
                got=f"{len(words)} words for {documents.shape[1]} columns",
            )
        specification = choose_algorithm({"algorithm": self.algorithm})
        if self._parameters.get("feature_dim", documents.shape[1]) != documents.shape[1]:
            raise CustomerError(
                "feature_dim is not the width of the documents",
                got=f"feature_dim = {self._parameters['feature_dim']} for {documents.shape[1]} columns",
                todo="leave feature_dim out",
            )
        given = {**self._parameters, "feature_dim": documents.shape[1]}
        declared = specification.hyperparameters.model_fields
        if "mini_batch_size" in declared and declared["mini_batch_size"].is_required():
            given.setdefault("mini_batch_size", documents.shape[0])
        extra: dict[str, Any] = {}
        if specification.takes_word_vectors:
            extra["word_vectors"] = vectors_from(embeddings, words, documents.shape[1])
        elif embeddings is not None:
            raise CustomerError(f"{self.algorithm} takes no embeddings", todo="fit topicdock.ETM, or leave them out")
        hyperparameters = specification.hyperparameters.parse(given)
        if specification.by_epochs:
            devices = importlib.import_module("topicdock.algorithms.devices")
            extra["device"] = devices.choose_device(device, "device", as_documents(documents), hyperparameters)
        module = importlib.import_module(specification.module)
        fitted = module.fit(documents, hyperparameters, validation=held_out, vocabulary=words, **extra)
        self.model_ = fitted.model
        if specification.by_epochs:
            self.best_epoch_, self.best_loss_ = fitted.best_epoch, fitted.best_loss
        return self

    def transform(self, counts: Any) -> Floats:
        """Return the topic proportions of documents, shape (D, K)."""
        return self._model.transform(documents_from(counts, "counts", self._model.feature_dim))

    def fit_transform(self, counts: Any, y: object = None, **options: Any) -> Floats:
        """Fit to documents and return their topic proportions; `options` as for :meth:`fit`."""
        return self.fit(counts, y, **options).transform(counts)

    @property
    def beta(self) -> Floats:
        """Topic-word distributions, shape (K, V), rows sum to 1."""
        return self._model.beta

    def topics(self, top: int = 10) -> list[list[str]]:
        """Return the `top` words of each topic, best first; ids where there is no vocabulary."""
        return [[self._model.word(word) for word in topic] for topic in self._model.top_words(top)]

    def dominant_topics(self, counts: Any) -> NDArray[np.intp]:
        """Return the topic with the largest share of each document, shape (D,)."""
        dominant: NDArray[np.intp] = np.argmax(self.transform(counts), axis=1)
        return dominant

    def perplexity(self, counts: Any, held_out: Any = None, *, seed: int = 0) -> float:
        """Return the perplexity by token of document completion.

        Parameters
        ----------
        counts : sparse matrix or array, shape (D, V)
            What the topic proportions are told from.
        held_out : the same, optional
            What is predicted; by default `counts` is divided into two random halves.
        """
        if held_out is None:
            seen, unseen = halve(exact_documents_from(counts, "counts", self._model.feature_dim), seed)
        else:
            seen = documents_from(counts, "counts", self._model.feature_dim)
            unseen = documents_from(held_out, "held_out", self._model.feature_dim)
        check_has_words(unseen, "what is to be predicted")
        return perplexity(self._model.word_log_probabilities, self._model.transform(seen), unseen)

    def score(self, counts: Any, y: object = None) -> float:
        """Return the mean log probability of a word, in nats, given its document's topic proportions."""
        documents = documents_from(counts, "counts", self._model.feature_dim)
        check_has_words(documents, "counts")
        model = self._model
        return -float(np.log(perplexity(model.word_log_probabilities, model.transform(documents), documents)))

    def write_beta(self, path: str | Path) -> None:
        """Write beta as a table in CSV: a line for each word, a column for each topic."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["word", *(f"topic_{topic}" for topic in range(self._model.num_topics))])
            for word, row in enumerate(self.beta.T):
                writer.writerow([self._model.word(word), *(f"{value:.9g}" for value in row)])

    def save(self, folder: str | Path) -> Path:
        """Write ``model_algo-1``, which an endpoint serves, into a folder; return its path."""
        return save_model(self._model, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load what :meth:`save` or a training job wrote.

        Raises
        ------
        CustomerError
            There is no model in the folder, or one of another algorithm.
        """
        model = load_model(Path(folder))
        if model.algorithm != cls.algorithm:
            raise CustomerError(
                "the model is of another algorithm", where=str(folder), got=model.algorithm, allowed=cls.algorithm
            )
        given = {name: value for name, value in model.metadata.hyperparameters.items() if name != "feature_dim"}
        estimator = cls(**{**given, "num_topics": model.num_topics})  # arrays may have been edited, or be Amazon's
        estimator.model_ = model
        return estimator

    @property
    def _model(self) -> TopicModel:
        if not hasattr(self, "model_"):
            raise CustomerError("the model is not fitted yet", todo="call fit, or load")
        return self.model_

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._parameters.items())})"


class NTM(TopicEstimator):
    """Neural topic model; docs/algorithms/ntm.md."""

    algorithm = "ntm"


class LDA(TopicEstimator):
    """Latent Dirichlet allocation."""

    algorithm = "lda"


class ETM(TopicEstimator):
    """Embedded topic model; docs/algorithms/etm.md."""

    algorithm = "etm"

    def nearest_words(self, word: str | int, number: int = 10) -> list[tuple[str, float]]:
        """Return the words whose embeddings lie nearest to that of `word`, and the cosines."""
        return self._named(self._embedded.words_near_word(word, number))

    def words_near_topic(self, topic: int, number: int = 10) -> list[tuple[str, float]]:
        """Return the words whose embeddings lie nearest to that of a topic, and the cosines."""
        return self._named(self._embedded.words_near_topic(topic, number))

    @property
    def word_embeddings(self) -> Floats:
        """rho, shape (V, E)."""
        return self._embedded.arrays["word_embeddings"]

    @property
    def topic_embeddings(self) -> Floats:
        """alpha, shape (K, E)."""
        return self._embedded.arrays["topic_embeddings"]

    @property
    def _embedded(self) -> EmbeddedTopicModel:
        model = self._model
        if not isinstance(model, EmbeddedTopicModel):
            raise TypeError(f"an ETM holds no {type(model).__name__}")
        return model

    def _named(self, found: list[tuple[int, float]]) -> list[tuple[str, float]]:
        return [(self._model.word(word), cosine) for word, cosine in found]
