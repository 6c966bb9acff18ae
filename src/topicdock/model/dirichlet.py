"""A fitted LDA model in numpy: what a serving worker holds.

    p(w | theta) = sum_k theta_k beta_kw

The proportions of a document are the most likely ones (:mod:`topicdock.model.mixture`), not those of a posterior: that
is what the built-in answers, exact zeros and ones among them, and the prior's concentrations below 1 would have no
maximum inside the simplex.

Reference
---------
Blei, Ng, Jordan, "Latent Dirichlet allocation", JMLR 2003.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.errors import CustomerError
from topicdock.model.mixture import most_likely_proportions
from topicdock.model.topic_model import Floats, Metadata, TopicModel

_ROUNDING = 1e-4
"""By how much a row of beta may miss a sum of 1 and stay as it is."""
_LEAST_PROBABILITY = 1e-12
"""Of a word that no topic of a document has; only a model that someone edited has such words."""


class DirichletTopicModel(TopicModel):
    """LDA as it is served.

    Parameters
    ----------
    arrays : mapping of str to float32 array
        ``alpha`` (K,) and ``beta`` (K, V): concentrations and topics, not negative. Rows of beta need not sum to 1.
    metadata : Metadata

    Raises
    ------
    CustomerError
        Arrays are missing, do not fit together, or are not a Dirichlet's.
    """

    algorithm: ClassVar[str] = "lda"
    response_key: ClassVar[str] = "topic_mixture"

    def __init__(self, arrays: Mapping[str, Floats], metadata: Metadata) -> None:
        _check(arrays)
        alpha, beta = arrays["alpha"].reshape(-1), arrays["beta"]
        self.metadata = metadata
        sums = beta.sum(axis=1, keepdims=True, dtype=np.float64)
        if np.abs(sums - 1).max() > _ROUNDING:
            beta = (beta / sums).astype(np.float32)
        # The topics of a word lie side by side: what a document needs are the columns of beta.
        self._by_word = np.ascontiguousarray(beta.T)
        self._arrays = {"alpha": alpha, "beta": self._by_word.T}

    @property
    def arrays(self) -> Mapping[str, Floats]:
        """alpha and beta."""
        return self._arrays

    @property
    def num_topics(self) -> int:
        """K, the number of topics."""
        return int(self._arrays["beta"].shape[0])

    @property
    def feature_dim(self) -> int:
        """V, the size of the vocabulary."""
        return int(self._arrays["beta"].shape[1])

    @property
    def alpha(self) -> Floats:
        """Concentrations, shape (K,): how much of the corpus each topic has, relative to their sum alpha0."""
        return self._arrays["alpha"]

    @property
    def beta(self) -> Floats:
        """Topics, shape (K, V), rows sum to 1."""
        return self._arrays["beta"]

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        """Whether some topic has the word, shape (V,)."""
        return np.asarray(self.beta.any(axis=0))

    @property
    def topic_scores(self) -> Floats:
        """beta: a topic's words rank by their probability."""
        return self.beta

    def transform(self, counts: csr_matrix) -> Floats:
        """Return the most likely proportions, shape (D, K); alpha / alpha0 for a document without a known word."""
        theta = most_likely_proportions(counts, self._by_word, self._known)
        empty = ~theta.any(axis=1)
        theta[empty] = self.alpha / self.alpha.sum(dtype=np.float64)
        return theta.astype(np.float32)

    def word_log_probabilities(self, theta: Floats) -> Floats:
        """log(theta beta), shape (D, V)."""
        mixed: Floats = np.log(np.maximum(theta @ self.beta, np.float32(_LEAST_PROBABILITY)))
        return mixed

    def log_likelihood_per_word(self, counts: csr_matrix) -> float:
        """Return the log-likelihood of documents, shape (D, V), divided by their words: the built-in's ``pwll``.

        At least one document has a word.
        """
        return self.log_likelihood(counts) / float(counts.sum(dtype=np.float64))

    def log_likelihood(self, counts: csr_matrix) -> float:
        """Return sum_dw x_dw log(theta_d beta)_w in nats, theta as :meth:`transform` gives it; counts (D, V)."""
        theta = self.transform(counts).astype(np.float64)
        documents = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        total, step = 0.0, max(1, (1 << 22) // self.num_topics)
        for start in range(0, counts.nnz, step):
            part = slice(start, start + step)
            mixed = np.einsum("nk,nk->n", theta[documents[part]], self._by_word[counts.indices[part]])
            total += float(counts.data[part].astype(np.float64) @ np.log(np.maximum(mixed, _LEAST_PROBABILITY)))
        return total


def _check(arrays: Mapping[str, Floats]) -> None:
    missing = [name for name in ("alpha", "beta") if name not in arrays]
    if missing:
        raise CustomerError("the LDA model lacks arrays", got="no " + ", ".join(missing), allowed="alpha and beta")
    alpha, beta = arrays["alpha"], arrays["beta"]
    if beta.ndim != 2 or 0 in beta.shape:
        raise CustomerError(
            "the LDA model's beta is not a matrix", got=f"shape {beta.shape}", allowed="a row a topic, a column a word"
        )
    if alpha.size != beta.shape[0]:
        raise CustomerError(
            "the LDA model's alpha does not fit its beta",
            got=f"{alpha.size} concentrations for {beta.shape[0]} topics",
            allowed="one number for each row of beta",
        )
    for name, array in (("alpha", alpha), ("beta", beta)):
        if (array < 0).any():
            raise CustomerError(
                f"the LDA model's {name} has negative numbers",
                got=f"{np.count_nonzero(array < 0)} of {array.size}, the least {array.min():g}",
                allowed="numbers of 0 and more",
            )
    if not alpha.any():
        raise CustomerError("the LDA model's alpha is zero throughout", allowed="at least one number above 0")
    empty = np.flatnonzero(~beta.any(axis=1))
    if len(empty):
        raise CustomerError(
            "the LDA model has topics without words",
            got=f"row {empty[0]} of beta" + (f" and {len(empty) - 1} others" if len(empty) > 1 else ""),
            allowed="rows with at least one number above 0",
            todo="give the row its words or leave it out, with its entry of alpha",
        )
