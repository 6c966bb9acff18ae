"""A fitted Embedded Topic Model (ETM) in numpy: what a serving worker holds.

Words and topics are points of one space: rho_v, the embedding of word v, and alpha_k, that of topic k.

    beta_k = softmax over words of (rho alpha_k + b)      b: the words' log frequencies, or zeros
    p(w)   = theta beta

``projection_weight``, SageMaker's ``arg:projection_weight``, is log beta transposed, so that what users of the built-in
NTM run on that array lists the words of each topic here as well.

References
----------
Dieng, Ruiz, Blei, "Topic Modeling in Embedding Spaces", TACL 2020.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from topicdock.errors import CustomerError
from topicdock.model.encoded import EncodedTopicModel
from topicdock.model.topic_model import Floats

_TINY = np.float32(1e-30)
"""As in training: keeps the logarithm finite where a probability underflows."""


class EmbeddedTopicModel(EncodedTopicModel):
    """ETM as it is served: an encoder, log beta (V, K), ``word_embeddings`` (V, E) and ``topic_embeddings`` (K, E)."""

    algorithm: ClassVar[str] = "etm"
    own_shapes = {"word_embeddings": "VE", "topic_embeddings": "KE"}  # noqa: RUF012 - as in the class above it

    @property
    def topic_scores(self) -> Floats:
        """log beta, shape (K, V)."""
        return self._arrays["projection_weight"].T

    @cached_property
    def beta(self) -> Floats:
        """Topic-word distributions, shape (K, V)."""
        beta: Floats = np.exp(self.topic_scores)
        return beta

    def word_log_probabilities(self, theta: Floats) -> Floats:
        """log(theta beta), shape (D, V)."""
        probabilities: Floats = np.log(theta @ self.beta + _TINY)
        return probabilities

    def words_near_word(self, word: int | str, number: int = 10) -> list[tuple[int, float]]:
        """Ids of the words whose embeddings point most nearly where that of `word` does, and the cosines, best first.

        Parameters
        ----------
        word : int or str
            Its id, or the word itself where the model carries a vocabulary.

        Raises
        ------
        CustomerError
            There is no such word.
        """
        word_id = self._find(word)
        near = self._nearest(self._arrays["word_embeddings"][word_id], number + 1)
        return [pair for pair in near if pair[0] != word_id][:number]

    def words_near_topic(self, topic: int, number: int = 10) -> list[tuple[int, float]]:
        """Ids of the words whose embeddings point most nearly where that of `topic` does, and the cosines."""
        return self._nearest(self._arrays["topic_embeddings"][topic], number)

    def _nearest(self, vector: Floats, number: int) -> list[tuple[int, float]]:
        embeddings = self._arrays["word_embeddings"].astype(np.float64)  # in which no square overflows
        vector = vector.astype(np.float64)
        scale = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(vector)
        cosines = np.divide(embeddings @ vector, scale, out=np.zeros_like(scale), where=scale > 0)
        best = np.argsort(-cosines, kind="stable")[:number]
        return [(int(word), float(cosines[word])) for word in best]

    def _find(self, word: int | str) -> int:
        vocabulary = self.metadata.vocabulary
        if isinstance(word, str):
            if vocabulary is not None and word in vocabulary:
                return vocabulary.index(word)
        elif 0 <= word < self.feature_dim:
            return word
        allowed = f"a word id from 0 to {self.feature_dim - 1}"
        raise CustomerError(
            "the model has no such word",
            got=repr(word),
            allowed=allowed if vocabulary is None else f"{allowed}, or a word of the vocabulary",
        )
