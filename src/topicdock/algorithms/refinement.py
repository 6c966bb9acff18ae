"""From the topics that the moments give to topics of high likelihood: collapsed variational Bayes on the non-zeros.

One iteration takes every document d and every word w in it with count x, and divides x among topics in proportion to

    (n_dk - own_dwk + alpha_k) beta_kw              own_dwk: what the last iteration gave topic k of this very count

where n_dk are the expected words of document d in topic k and beta_kw = (n_kw + eta) / sum_v (n_kv + eta) comes from
all expected counts of the last iteration (CVB0 of Asuncion et al. 2009, with all documents taken at once). Leaving out
a word's own share is what keeps a short document from following its own words: a word comes in bursts, so all its
occurrences in the document are left out together.

A count of a common word says little about a document's topics. With word weights each count is multiplied, while topics
are sought, by log(D / df_w), scaled so that a token weighs 1 on average (Wilson and Chew 2010); the expected counts are
divided by the weights afterwards, so that beta estimates p(w | topic) of the words as they are. Then beta is sharpened:
beta_kw is multiplied by weight_w^(s h_w) and normalised again, where h_w is the entropy of p(topic | w) divided by
log K: 0 for a word of one topic, 1 for one that all topics share. s is the largest number from 0 to 1 that raises the
perplexity of completed training documents by no more than a given share. So the common words of a language, which all
topics share, give way to each topic's own, while a common word of one topic stays what it is.

References
----------
Asuncion, Welling, Smyth, Teh, "On smoothing and inference for topic models", UAI 2009 (equation 16, CVB0).
Wilson, Chew, "Term weighting schemes for latent Dirichlet allocation", NAACL 2010.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.hosts import Hosts

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_BLOCK = 1 << 19
"""Numbers in a temporary block: three of them fit a core's cache."""
_FOLD_IN_ITERATIONS = 5
_COMPLETION_ITERATIONS = 10
_COMPLETION_WORDS = 50_000
"""Non-zeros of the documents by which beta is sharpened."""
_SHARPNESS_STEPS = 4
_LEAST_WEIGHT = 0.05
"""Of log(D / df), which is 0 for a word of every document."""


@dataclass(frozen=True)
class RefinementSettings:
    """How topics are refined.

    Attributes
    ----------
    alpha : float
        The concentration of each topic.
    eta : float
        Pseudo-count of each word in each topic.
    iterations : int
        At most so many.
    tolerance : float
        Stop when the log-likelihood of a token, its own word left out, rises by less than this in nats.
    weigh_words : bool
    perplexity_allowance : float
        By what share sharpening may raise perplexity.
    threads : int
    """

    alpha: float
    eta: float
    iterations: int
    tolerance: float
    weigh_words: bool
    perplexity_allowance: float
    threads: int


@dataclass(frozen=True)
class Refined:
    """Topics, shape (K, V), each one's share of all words, shape (K,), and the sharpness that was chosen."""

    beta: Doubles
    shares: Doubles
    sharpness: float


def refine(
    counts: csr_matrix,
    beta: Doubles,
    settings: RefinementSettings,
    hosts: Hosts,
    report: Callable[[int, float], None],
    should_stop: Callable[[], bool],
    seed: int,
) -> Refined:
    """Refine topics on documents.

    Parameters
    ----------
    counts : csr_matrix of float32, shape (D, V)
        This host's documents; may be none.
    beta : array, (K, V)
        Where to start, rows sum to 1, every entry positive.
    report : callable
        Is given each iteration's number, from 1, and its log-likelihood a token.
    should_stop : callable
        Asked before every iteration; must answer alike on every host.
    """
    weights = _word_weights(counts, hosts) if settings.weigh_words else np.ones(counts.shape[1])
    weighted = csr_matrix(
        (counts.data * weights.astype(np.float32)[counts.indices], counts.indices, counts.indptr), counts.shape
    )
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the strips are what runs side by side
    try:
        expected = _iterate(weighted, beta, settings, hosts, report, should_stop)
        words = (expected + settings.eta) / weights
        factors, sharpness = weights ** _spread(words), 0.0
        if settings.weigh_words and settings.perplexity_allowance > 0:
            sharpness = _choose_sharpness(counts, words, factors, settings, hosts, seed)
    finally:
        torch.set_num_threads(torch_threads)
    shares = (expected / weights).sum(1)
    return Refined(_sharpen(words, factors, sharpness), shares / shares.sum(), sharpness)


def _word_weights(counts: csr_matrix, hosts: Hosts) -> Doubles:
    """Return log(D / df) of each word, shape (V,), scaled so that its mean over tokens is 1."""
    size = counts.shape[1]
    totals = hosts.sum(
        np.concatenate(
            [
                np.bincount(counts.indices, minlength=size).astype(np.float64),
                np.bincount(counts.indices, counts.data, size),
                [counts.shape[0]],
            ]
        )
    )
    documents, tokens = totals[:size], totals[size:-1]
    weights = np.log(totals[-1] / np.maximum(documents, 1.0)) + _LEAST_WEIGHT
    normalised: Doubles = weights * tokens.sum() / (weights @ tokens)
    return normalised


def _iterate(
    counts: csr_matrix,
    beta: Doubles,
    settings: RefinementSettings,
    hosts: Hosts,
    report: Callable[[int, float], None],
    should_stop: Callable[[], bool],
) -> Doubles:
    """Return the expected counts of words in topics, shape (K, V)."""
    num_topics, size = beta.shape
    tokens = hosts.sum(np.array([counts.sum(dtype=np.float64)]))[0]
    expected: Doubles = beta * tokens / num_topics
    in_topics = torch.from_numpy(fold_in(counts, beta, settings.alpha, _FOLD_IN_ITERATIONS))
    in_topics *= torch.from_numpy(np.asarray(counts.sum(axis=1), np.float32))
    strips = _cut(counts, num_topics, settings.threads)
    last = -np.inf
    with ThreadPoolExecutor(settings.threads) as pool:
        for iteration in range(1, settings.iterations + 1):
            if should_stop():
                break
            by_word = torch.from_numpy(np.ascontiguousarray(_normalise(expected + settings.eta).T, np.float32))
            divide = partial(_divide_strip, counts, by_word=by_word, in_topics=in_topics, alpha=settings.alpha)
            results = list(pool.map(divide, strips))
            own = np.sum([total.numpy() for total, _ in results], axis=0, dtype=np.float64)
            summed = hosts.sum(np.append(own.ravel(), sum(likelihood for _, likelihood in results)))
            expected = np.asarray(summed[:-1].reshape(size, num_topics).T, np.float64, order="C")
            likelihood = float(summed[-1] / tokens)
            report(iteration, likelihood)
            if likelihood - last < settings.tolerance:
                break
            last = likelihood
    return expected


def _cut(counts: csr_matrix, num_topics: int, strips: int) -> list[list[tuple[int, int]]]:
    """Cut the documents into as many strips, and each strip into blocks (first, last + 1) of about equal work."""
    starts = counts.indptr.astype(np.int64)
    bounds = np.searchsorted(starts, np.linspace(0, starts[-1], strips + 1))
    bounds[0], bounds[-1] = 0, counts.shape[0]
    words = max(1, _BLOCK // num_topics)
    cut = []
    for first, last in pairwise(bounds.tolist()):
        blocks = []
        while first < last:
            end = int(np.searchsorted(starts, starts[first] + words, "right")) - 1
            end = min(last, max(end, first + 1))
            blocks.append((first, end))
            first = end
        cut.append(blocks)
    return cut


def _divide_strip(
    counts: csr_matrix, blocks: list[tuple[int, int]], *, by_word: Tensor, in_topics: Tensor, alpha: float
) -> tuple[Tensor, float]:
    """Divide the words of some documents among the topics.

    Parameters
    ----------
    by_word : Tensor, (V, K)
        beta transposed.
    in_topics : Tensor, (D, K)
        The expected words of each document in each topic; replaced by the new ones.

    Returns
    -------
    Tensor, shape (V, K), and float
        The words of these documents in each topic; their log-likelihood in nats.
    """
    total = torch.zeros_like(by_word)
    log_likelihood = 0.0
    num_topics = by_word.shape[1]
    for start, end in blocks:
        first, last = counts.indptr[start], counts.indptr[end]
        if first == last:
            continue
        words = torch.from_numpy(counts.indices[first:last])
        documents = torch.from_numpy(np.repeat(np.arange(end - start), np.diff(counts.indptr[start : end + 1])))
        values = torch.from_numpy(counts.data[first:last])
        beta = by_word.index_select(0, words)
        others = in_topics[start:end].index_select(0, documents).add_(alpha)
        lengths = others.sum(1)
        own = others * beta
        own.mul_((values / own.sum(1)).unsqueeze(1))
        others.sub_(own).clamp_(min=alpha)
        divided = others.mul_(beta)
        likelihoods = divided.sum(1)
        divided.mul_((values / likelihoods).unsqueeze(1))
        log_likelihood += float(torch.sum(values * torch.log(likelihoods / (lengths - values).clamp_(min=alpha))))
        in_topics[start:end] = torch.zeros(end - start, num_topics).index_add_(0, documents, divided)
        total.index_add_(0, words, divided)
    return total, log_likelihood


def fold_in(counts: csr_matrix, beta: Doubles, alpha: float, iterations: int) -> Floats:
    """Return topic proportions, shape (D, K), by EM from uniform ones with `alpha` pseudo-counts a topic."""
    num_topics = beta.shape[0]
    by_word = np.ascontiguousarray(beta.T, np.float32)
    theta = np.full((counts.shape[0], num_topics), 1 / num_topics, np.float32)
    for _ in range(iterations):
        ratios = counts.data / _probabilities(counts, theta, by_word)
        gains = csr_matrix((ratios, counts.indices, counts.indptr), counts.shape) @ by_word
        theta = theta * gains + np.float32(alpha)
        theta /= theta.sum(axis=1, keepdims=True)
    return theta


def _probabilities(counts: csr_matrix, theta: Floats, by_word: Floats) -> Floats:
    """Return p(word | document) = theta_d . beta_w at the non-zeros of `counts`."""
    found = np.empty(counts.nnz, np.float32)
    documents = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    step = max(1, _BLOCK // by_word.shape[1])
    for start in range(0, counts.nnz, step):
        part = slice(start, start + step)
        np.einsum("nk,nk->n", theta[documents[part]], by_word[counts.indices[part]], out=found[part])
    return np.maximum(found, np.finfo(np.float32).tiny)


def _choose_sharpness(
    counts: csr_matrix, words: Doubles, factors: Doubles, settings: RefinementSettings, hosts: Hosts, seed: int
) -> float:
    """Return the largest s, to a sixteenth, within the allowance; `words` are counts in topics, shape (K, V)."""
    generator = np.random.default_rng([seed, hosts.rank])
    share = min(1.0, _COMPLETION_WORDS / hosts.size / max(counts.nnz, 1))
    number = int(np.ceil(share * counts.shape[0]))
    sample = counts[np.sort(generator.choice(counts.shape[0], number, replace=False))]
    seen, unseen = sample.copy(), sample.copy()
    seen.data = generator.binomial(sample.data.astype(np.int64), 0.5).astype(np.float32)
    unseen.data = sample.data - seen.data
    seen.eliminate_zeros()
    unseen.eliminate_zeros()

    def log_perplexity(sharpness: float) -> float:
        beta = _sharpen(words, factors, sharpness)
        theta = fold_in(seen, beta, settings.alpha, _COMPLETION_ITERATIONS)
        logs = np.log(_probabilities(unseen, theta, beta.T.astype(np.float32)))
        own = np.array([np.sum(unseen.data * logs, dtype=np.float64), unseen.sum(dtype=np.float64)])
        total = hosts.sum(own)
        return float(-total[0] / max(total[1], 1.0))

    limit = log_perplexity(0.0) + np.log1p(settings.perplexity_allowance)
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


def _spread(words: Doubles) -> Doubles:
    """Return how evenly each word is spread over topics, shape (V,): the entropy of p(topic | word) over log K."""
    if len(words) == 1:
        return np.zeros(words.shape[1])
    shares = words / words.sum(axis=0)
    spread: Doubles = -np.sum(shares * np.log(shares), axis=0) / np.log(len(words))
    return spread


def _sharpen(words: Doubles, factors: Doubles, sharpness: float) -> Doubles:
    """Return topics, shape (K, V), from counts of words in topics and the factors, shape (V,), of full sharpness."""
    return _normalise(words * factors**sharpness)


def _normalise(rows: Doubles) -> Doubles:
    normalised: Doubles = rows / rows.sum(axis=1, keepdims=True)
    return normalised
