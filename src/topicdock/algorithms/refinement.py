"""From the topics that the moments give to topics of high likelihood: collapsed variational Bayes on the non-zeros.

One iteration takes every document d and every word w in it with count x, and divides x among topics in proportion to

    (n_dk - own_dwk + alpha_k) beta_kw              own_dwk: what the last iteration gave topic k of this very count

where n_dk are the expected words of document d in topic k and beta_kw = (n_kw + eta) / sum_v (n_kv + eta) comes from
all expected counts of the last iteration (CVB0 of Asuncion et al. 2009, with all documents taken at once). Leaving out
a word's own share is what keeps a short document from following its own words: a word comes in bursts, so all its
occurrences in the document are left out together.

A count of a common word says little about a document's topics. With word weights each count is multiplied, while topics
are sought, by log(D / df_w), scaled so that a token weighs 1 on average (Wilson and Chew 2010); the expected counts are
divided by the weights afterwards, so that beta estimates p(w | topic) of the words as they are. What then becomes of
words that all topics share: :mod:`topicdock.algorithms.sharpening`.

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

from topicdock.algorithms.folding import fold_in
from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.sharpening import choose_sharpness, sharpen, spread
from topicdock.corpus.documents import Documents, Table, count_holders, count_occurrences

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_BLOCK = 1 << 19
"""Numbers in a temporary block: three of them fit a core's cache."""
_FOLD_IN_ITERATIONS = 5
_LEAST_PASSES, _SETTLED_PASSES = 6, 2
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
        Stop when the log-likelihood of a token, its own word left out, changes by less than this in nats, in two passes
        that follow each other.
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
    documents: Documents,
    beta: Doubles,
    shares: Doubles,
    settings: RefinementSettings,
    hosts: Hosts,
    report: Callable[[int, float], None],
    should_stop: Callable[[], bool],
    seed: int,
) -> Refined:
    """Refine topics on documents.

    Parameters
    ----------
    documents : Documents, shape (D, V)
        This host's documents; may be none.
    beta : array, (K, V)
        Where to start, rows sum to 1, every entry positive.
    shares : array, (K,)
        Each topic's share of all words, to start with.
    report : callable
        Is given each iteration's number, from 1, and its log-likelihood a token.
    should_stop : callable
        Asked before every iteration; must answer alike on every host.
    """
    weights = _word_weights(documents, hosts) if settings.weigh_words else np.ones(documents.shape[1])
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the strips are what runs side by side
    try:
        expected = _iterate(documents, weights.astype(np.float32), beta, shares, settings, hosts, report, should_stop)
        words = (expected + settings.eta) / weights
        factors, sharpness = weights ** spread(words), 0.0
        if settings.weigh_words and settings.perplexity_allowance > 0:
            sharpness = choose_sharpness(
                documents, words, factors, alpha=settings.alpha, perplexity_allowance=settings.perplexity_allowance,
                hosts=hosts, seed=seed,
            )  # fmt: skip
    finally:
        torch.set_num_threads(torch_threads)
    shares = (expected / weights).sum(1)
    return Refined(sharpen(words, factors, sharpness), shares / shares.sum(), sharpness)


def _word_weights(documents: Documents, hosts: Hosts) -> Doubles:
    """Return log(D / df) of each word, shape (V,), scaled so that its mean over tokens is 1."""
    number, size = documents.shape
    totals = hosts.sum(np.concatenate([count_holders(documents), count_occurrences(documents), [number]]))
    holders, tokens = totals[:size], totals[size:-1]
    weights = np.log(totals[-1] / np.maximum(holders, 1.0)) + _LEAST_WEIGHT
    normalised: Doubles = weights * tokens.sum() / (weights @ tokens)
    return normalised


def _iterate(
    documents: Documents,
    weights: Floats,
    beta: Doubles,
    shares: Doubles,
    settings: RefinementSettings,
    hosts: Hosts,
    report: Callable[[int, float], None],
    should_stop: Callable[[], bool],
) -> Doubles:
    """Return the expected counts of words in topics, shape (K, V)."""
    num_topics, size = beta.shape
    in_topics, own_tokens = _begin(documents, weights, beta, settings.alpha)
    tokens = hosts.sum(np.array([own_tokens]))[0]
    expected: Doubles = beta * shares[:, None] * tokens
    last, settled = -np.inf, 0
    with ThreadPoolExecutor(settings.threads) as pool:
        for iteration in range(1, settings.iterations + 1):
            if should_stop():
                break
            by_word = torch.from_numpy(np.ascontiguousarray(_normalise(expected + settings.eta).T, np.float32))
            own, own_likelihood, done = np.zeros((size, num_topics)), 0.0, 0
            for counts in documents.blocks():
                rows = in_topics.read(done, done + counts.shape[0])
                divide = partial(
                    _divide_strip, counts, torch.from_numpy(weights), by_word=by_word,
                    in_topics=torch.from_numpy(rows), alpha=settings.alpha,
                )  # fmt: skip
                results = list(pool.map(divide, _cut(counts, num_topics, settings.threads)))
                in_topics.write(done, rows)
                own += np.sum([total.numpy() for total, _ in results], axis=0, dtype=np.float64)
                own_likelihood += sum(likelihood for _, likelihood in results)
                done += counts.shape[0]
            summed = hosts.sum(np.append(own.ravel(), own_likelihood))
            expected = np.asarray(summed[:-1].reshape(size, num_topics).T, np.float64, order="C")
            likelihood = float(summed[-1] / tokens)
            report(iteration, likelihood)
            # The first likelihoods flatter: they are of words that the start had already followed.
            settled = settled + 1 if abs(likelihood - last) < settings.tolerance else 0
            if settled >= _SETTLED_PASSES and iteration >= _LEAST_PASSES:
                break
            last = likelihood
    return expected


def _begin(documents: Documents, weights: Floats, beta: Doubles, alpha: float) -> tuple[Table, float]:
    """Return the expected words of each document in each topic, shape (D, K), and all words, everything weighted."""
    in_topics = documents.table(len(beta))
    done, tokens = 0, 0.0
    for counts in documents.blocks():
        weighted = csr_matrix((counts.data * weights[counts.indices], counts.indices, counts.indptr), counts.shape)
        theta = fold_in(weighted, beta, alpha, _FOLD_IN_ITERATIONS)
        in_topics.write(done, theta * np.asarray(weighted.sum(axis=1), np.float32))
        tokens += float(weighted.sum(dtype=np.float64))
        done += counts.shape[0]
    return in_topics, tokens


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
    counts: csr_matrix,
    weights: Tensor,
    blocks: list[tuple[int, int]],
    *,
    by_word: Tensor,
    in_topics: Tensor,
    alpha: float,
) -> tuple[Tensor, float]:
    """Divide the words of some documents among the topics.

    Parameters
    ----------
    weights : Tensor, (V,)
        What each word's counts are multiplied by.
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
        values = torch.from_numpy(counts.data[first:last]) * weights.index_select(0, words)
        beta = by_word.index_select(0, words)
        others = in_topics[start:end].index_select(0, documents).add_(alpha)
        own = others * beta
        own.mul_((values / own.sum(1)).unsqueeze(1))
        others.sub_(own).clamp_(min=alpha)
        lengths = others.sum(1)
        divided = others.mul_(beta)
        likelihoods = divided.sum(1)
        divided.mul_((values / likelihoods).unsqueeze(1))
        log_likelihood += float(torch.sum(values * torch.log(likelihoods / lengths)))
        in_topics[start:end] = torch.zeros(end - start, num_topics).index_add_(0, documents, divided)
        total.index_add_(0, words, divided)
    return total, log_likelihood


def _normalise(rows: Doubles) -> Doubles:
    normalised: Doubles = rows / rows.sum(axis=1, keepdims=True)
    return normalised
