"""LDA: topics from the moments of the words, then refined by likelihood.

    theta ~ Dirichlet(alpha)             topic proportions of a document, shape (K,); alpha0 = sum alpha
    w_1 ... w_n ~ theta beta             beta: topics, shape (K, V), rows sum to 1

1. The first three moments of the words of a document, whitened (:mod:`topicdock.algorithms.moments`).
2. The whitened third moment as a sum of cubes (:mod:`topicdock.algorithms.decomposition`), up to 25 % of them spare.
3. Back to words. By the definitions of M2 and M3, v_k = sqrt(alpha_k / (alpha0 (alpha0+1))) W' mu_k has length 1 and

       lambda_k = 2 / (alpha0+2) sqrt(alpha0 (alpha0+1) / alpha_k)
       alpha_k = 4 alpha0 (alpha0+1) / ((alpha0+2)^2 lambda_k^2)           mu_k = (alpha0+2)/2 lambda_k (W')^+ v_k

   (Anandkumar et al. 2014, theorem 4.3). Negative entries become 0, topics sum to 1, the num_topics largest alpha stay
   and are scaled to sum to alpha0.
4. Refinement (:mod:`topicdock.algorithms.refinement`), which a hyperparameter turns off.

The moments are exact only for documents that LDA itself could have written; on real text their topics are blurred, but
they are near enough for the refinement to arrive in a few passes.

References
----------
Blei, Ng, Jordan, "Latent Dirichlet allocation", JMLR 2003.
Anandkumar, Ge, Hsu, Kakade, Telgarsky, "Tensor decompositions for learning latent variable models", JMLR 2014.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from topicdock.algorithms.decomposition import Restart, decompose
from topicdock.algorithms.hosts import Hosts, OneHost
from topicdock.algorithms.moments import WhitenedMoments, whiten_moments
from topicdock.algorithms.refinement import RefinementSettings, refine
from topicdock.algorithms.threads import one_blas_thread
from topicdock.corpus.documents import AnyDocuments, Documents, as_documents, count_occurrences
from topicdock.errors import AlgorithmError, CustomerError
from topicdock.model import DirichletTopicModel, Metadata
from topicdock.spec.lda import LDAHyperparameters

Doubles = NDArray[np.float64]

_SPARE = 1.25
_LARGEST_RANK = 320
"""Directions of the moments at most: the third moment then has 260 MB."""
_BORROWED_DOCUMENTS = 20
"""Documents of which a topic is made that the moments do not give."""
_PROGRESS_OF_MOMENTS, _PROGRESS_OF_RESTARTS = 0.1, 0.2


class Journal:
    """Receives the progress of a fit; this one does nothing with it."""

    def moments_whitened(self, rank: int, requested: int, seconds: float) -> None:
        """The moments are there, in `rank` directions."""

    def restart_finished(self, restart: Restart) -> None:
        """One start of the decomposition is over."""

    def decomposed(self, error: float, seconds: float) -> None:
        """The best decomposition has this relative error."""

    def topics_borrowed(self, number: int) -> None:
        """So many topics had to be started from documents."""

    def refined(self, iteration: int, iterations: int, log_likelihood: float) -> None:
        """An iteration of the refinement is over; the likelihood is of a token, its own word left out."""

    def sharpened(self, sharpness: float, seconds: float) -> None:
        """The refinement is over; beta was sharpened so far, from 0 to 1."""

    def progressed(self, share: float) -> None:
        """This share of the fit, 0 to 1, is done."""


@dataclass(frozen=True)
class DirichletFit:
    """What :func:`fit` returns: the model, the relative error of the decomposition (None without one), seconds."""

    model: DirichletTopicModel
    error: float | None
    seconds: float


@dataclass(frozen=True)
class _Topics:
    """Topics, shape (K', V) with K' at most K, and their alpha, shape (K',)."""

    beta: Doubles
    alpha: Doubles
    error: float | None


def fit(
    counts: AnyDocuments,
    hyperparameters: LDAHyperparameters,
    *,
    validation: AnyDocuments | None = None,
    vocabulary: tuple[str, ...] | None = None,
    reporter: Journal | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    hosts: Hosts | None = None,
) -> DirichletFit:
    """Fit LDA to word counts.

    Parameters
    ----------
    counts : csr_matrix of float32 or Documents, shape (D, V)
        This host's training documents; on all hosts together at least one has a word.
    hyperparameters : LDAHyperparameters
    validation : csr_matrix or Documents, optional
        Not used.
    vocabulary : tuple of str, optional
        Goes into the model.
    reporter : Journal, optional
    should_stop : callable
        Asked between the iterations of the decomposition, and between those of the refinement, which ends for all hosts
        when one is told to stop. True ends the fit there, with a model all the same.
    hosts : Hosts, optional
        The hosts that share the documents; all end with the same model.

    Raises
    ------
    CustomerError
        The documents have no third moment, and refinement is turned off.
    AlgorithmError
        The topics left the finite numbers.
    """
    with one_blas_thread():
        documents, journal, hosts = as_documents(counts), reporter or Journal(), hosts or OneHost()
        return _fit(documents, hyperparameters, vocabulary, journal, should_stop, hosts)


def _fit(
    documents: Documents,
    hyperparameters: LDAHyperparameters,
    vocabulary: tuple[str, ...] | None,
    journal: Journal,
    should_stop: Callable[[], bool],
    hosts: Hosts,
) -> DirichletFit:
    began = time.perf_counter()
    num_topics, alpha0 = hyperparameters.num_topics, hyperparameters.alpha0
    generator = np.random.default_rng(hyperparameters.seed)
    words = hosts.sum(count_occurrences(documents))
    found = _from_moments(documents, hyperparameters, hosts, generator, journal, should_stop)
    missing = num_topics - len(found.alpha)
    if missing:
        _check_refining(hyperparameters, len(found.alpha))
        journal.topics_borrowed(missing)
        found = _borrow(found, missing, documents, alpha0, hosts, hyperparameters.seed)
    beta, shares = found.beta, found.alpha / found.alpha.sum()
    if hyperparameters.refine:
        beta = _smooth(beta, shares * words.sum(), hyperparameters.eta)
        settings = RefinementSettings(
            alpha0 / num_topics, hyperparameters.eta, hyperparameters.refinement_iterations,
            hyperparameters.refinement_tolerance, hyperparameters.word_weights == "idf",
            hyperparameters.perplexity_allowance, torch.get_num_threads(),
        )  # fmt: skip
        started = time.perf_counter()

        def report(iteration: int, log_likelihood: float) -> None:
            journal.refined(iteration, settings.iterations, log_likelihood)
            journal.progressed(_PROGRESS_OF_RESTARTS + (1 - _PROGRESS_OF_RESTARTS) * iteration / settings.iterations)

        def all_should_stop() -> bool:
            return bool(hosts.sum(np.array([float(should_stop())]))[0])

        refined = refine(documents, beta, shares, settings, hosts, report, all_should_stop, hyperparameters.seed)
        journal.sharpened(refined.sharpness, time.perf_counter() - started)
        beta, shares = refined.beta, refined.shares
    journal.progressed(1.0)
    order = np.argsort(-shares, kind="stable")
    arrays = {"alpha": (alpha0 * shares[order]).astype(np.float32), "beta": beta[order].astype(np.float32)}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise AlgorithmError("the topics are not finite numbers")
    metadata = Metadata(hyperparameters.model_dump(mode="json"), vocabulary)
    return DirichletFit(DirichletTopicModel(arrays, metadata), found.error, time.perf_counter() - began)


def _from_moments(
    documents: Documents,
    hyperparameters: LDAHyperparameters,
    hosts: Hosts,
    generator: np.random.Generator,
    journal: Journal,
    should_stop: Callable[[], bool],
) -> _Topics:
    """Return up to num_topics topics, the one with the largest alpha first."""
    num_topics = hyperparameters.num_topics
    size = documents.shape[1]
    started = time.perf_counter()
    least, most = (min(rank, size, _LARGEST_RANK) for rank in (num_topics, math.ceil(_SPARE * num_topics)))
    moments = whiten_moments(documents, hyperparameters.alpha0, least, most, hosts, generator)
    rank = 0 if moments is None else moments.rank
    if rank < num_topics:
        _check_refining(hyperparameters, rank)
    if moments is None:
        return _Topics(np.empty((0, size)), np.empty(0), None)
    journal.moments_whitened(moments.rank, num_topics, time.perf_counter() - started)
    journal.progressed(_PROGRESS_OF_MOMENTS)

    def report(restart: Restart) -> None:
        journal.restart_finished(restart)
        done = restart.number / restart.of
        journal.progressed(_PROGRESS_OF_MOMENTS + done * (_PROGRESS_OF_RESTARTS - _PROGRESS_OF_MOMENTS))

    started = time.perf_counter()
    cubes = decompose(
        moments.third, max_restarts=hyperparameters.max_restarts, max_iterations=hyperparameters.max_iterations,
        tolerance=hyperparameters.tol, svd_start=hyperparameters.allow_svd_init, generator=generator, report=report,
        should_stop=should_stop,
    )  # fmt: skip
    journal.decomposed(cubes.error, time.perf_counter() - started)
    beta, alpha = _unwhiten(moments, cubes.weights, cubes.vectors, hyperparameters.alpha0)
    order = np.argsort(-alpha, kind="stable")[:num_topics]
    return _Topics(beta[order], alpha[order], cubes.error)


def _check_refining(hyperparameters: LDAHyperparameters, found: int) -> None:
    """Raise CustomerError where topics are missing and refinement, which could make up for them, is turned off."""
    if not hyperparameters.refine:
        raise CustomerError(
            "the moments of the documents do not give so many topics",
            where="hyperparameter num_topics",
            got=f"{hyperparameters.num_topics} topics, {found} in the documents",
            allowed="as many topics as there are independent directions among documents of at least 3 words",
            todo="ask for fewer topics, give more and longer documents, or leave refine at true",
        )


def _unwhiten(moments: WhitenedMoments, weights: Doubles, vectors: Doubles, alpha0: float) -> tuple[Doubles, Doubles]:
    """Return topics on the simplex, and their alpha; cubes of no weight, which are no topics, are left out."""
    kept = weights > 1e-9 * weights.max(initial=0.0)
    weights, vectors = weights[kept], vectors[:, kept]
    alpha = 4 * alpha0 * (alpha0 + 1) / ((alpha0 + 2) ** 2 * weights**2)
    topics = (alpha0 + 2) / 2 * weights[:, None] * (moments.unwhitening @ vectors).T
    beta = np.maximum(topics, 0.0)
    mass = beta.sum(axis=1)
    real = mass > 0
    return beta[real] / mass[real, None], alpha[real]


def _borrow(found: _Topics, missing: int, documents: Documents, alpha0: float, hosts: Hosts, seed: int) -> _Topics:
    """Return `found` with topics added that are the words of some documents each."""
    generator = np.random.default_rng([seed, hosts.rank])
    number, size = documents.shape
    borrowed = np.zeros((missing, size))
    for topic in range(missing if number else 0):
        # At most half of them, so that topics differ even where documents are few.
        rows = generator.choice(number, min(_BORROWED_DOCUMENTS, -(-number // 2)), replace=False)
        borrowed[topic] = np.asarray(documents.take(np.sort(rows)).sum(axis=0)).ravel()
    borrowed = hosts.sum(borrowed)
    borrowed = (borrowed + 1 / size) / (borrowed.sum(axis=1, keepdims=True) + 1)
    alpha = np.append(found.alpha, np.full(missing, found.alpha.mean() if len(found.alpha) else alpha0 / missing))
    return _Topics(np.concatenate([found.beta, borrowed]), alpha, found.error)


def _smooth(beta: Doubles, words: Doubles, eta: float) -> Doubles:
    """Return beta with `eta` more occurrences of each word in a topic of so many `words`, shape (K,)."""
    expected = beta * words[:, None] + eta
    smoothed: Doubles = expected / expected.sum(axis=1, keepdims=True)
    return smoothed
