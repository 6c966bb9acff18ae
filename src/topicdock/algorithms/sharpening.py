"""Topics in words of their own: words that many topics share give way, as far as predictions allow.

beta_kw is multiplied by weight_w^(s h_w) and normalised again, where h_w is the entropy of p(topic | w) divided by
log K: 0 for a word of one topic, 1 for one that all topics share. s is the largest number from 0 to 1 that raises the
perplexity of completed training documents by no more than a given share. So the common words of a language, which all
topics share, give way to each topic's own, while a common word of one topic stays what it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topicdock.algorithms.folding import fold_in, word_probabilities
from topicdock.algorithms.hosts import Hosts
from topicdock.corpus.documents import Documents

Doubles = NDArray[np.float64]

_COMPLETION_ITERATIONS = 10
_COMPLETION_WORDS = 50_000
"""Non-zeros of the documents that are completed."""
_SHARPNESS_STEPS = 4


def choose_sharpness(
    documents: Documents,
    words: Doubles,
    factors: Doubles,
    *,
    alpha: float,
    perplexity_allowance: float,
    hosts: Hosts,
    seed: int,
) -> float:
    """Return the largest s, to a sixteenth, that is within the allowance.

    Parameters
    ----------
    documents : Documents, (D, V)
        This host's documents, of which some are completed; may be none.
    words : array, (K, V)
        Expected counts of words in topics, all positive.
    factors : array, (V,)
        What s = 1 multiplies beta by.
    alpha : float
        The concentration of each topic.
    perplexity_allowance : float
        By what share perplexity may rise over that of s = 0.
    """
    generator = np.random.default_rng([seed, hosts.rank])
    share = min(1.0, _COMPLETION_WORDS / hosts.size / max(documents.nnz, 1))
    number = int(np.ceil(share * documents.shape[0]))
    sample = documents.take(np.sort(generator.choice(documents.shape[0], number, replace=False)))
    seen, unseen = sample.copy(), sample.copy()
    # Counts that are not whole, which a warning has named, are divided as near as can be.
    seen.data = np.minimum(generator.binomial(np.ceil(sample.data).astype(np.int64), 0.5), sample.data).astype(
        np.float32
    )
    unseen.data = sample.data - seen.data
    seen.eliminate_zeros()
    unseen.eliminate_zeros()

    def log_perplexity(sharpness: float) -> float:
        beta = sharpen(words, factors, sharpness)
        theta = fold_in(seen, beta, alpha, _COMPLETION_ITERATIONS)
        logs = np.log(word_probabilities(unseen, theta, beta.T.astype(np.float32)))
        own = np.array([np.sum(unseen.data * logs, dtype=np.float64), unseen.sum(dtype=np.float64)])
        total = hosts.sum(own)
        return float(-total[0] / max(total[1], 1.0))

    limit = log_perplexity(0.0) + np.log1p(perplexity_allowance)
    if log_perplexity(1.0) <= limit:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_SHARPNESS_STEPS):
        middle = (low + high) / 2
        if log_perplexity(middle) <= limit:
            low = middle
        else:
            high = middle
    return low


def spread(words: Doubles) -> Doubles:
    """Return how evenly each word is spread over topics, shape (V,): the entropy of p(topic | word) over log K."""
    if len(words) == 1:
        return np.zeros(words.shape[1])
    shares = words / words.sum(axis=0)
    spread: Doubles = -np.sum(shares * np.log(shares), axis=0) / np.log(len(words))
    return spread


def sharpen(words: Doubles, factors: Doubles, sharpness: float) -> Doubles:
    """Return topics, shape (K, V), from counts of words in topics and the factors, shape (V,), of full sharpness."""
    sharpened = words * factors**sharpness
    normalised: Doubles = sharpened / sharpened.sum(axis=1, keepdims=True)
    return normalised
