"""The first three moments of the words of a document, whitened, from counts in one pass each.

Draw three words x1, x2, x3 of a document without replacement. Under LDA with concentrations alpha, alpha0 = sum alpha,
and topics mu_k (Anandkumar et al. 2014, theorem 3.5),

    M1 = E[x1]
    M2 = E[x1 x2] - a0/(a0+1) M1 M1                             = sum_k alpha_k / (a0 (a0+1)) mu_k mu_k
    M3 = E[x1 x2 x3] - a0/(a0+2) (E[x1 x2 M1] + 2 permutations)
         + 2 a0^2/((a0+1)(a0+2)) M1 M1 M1                       = sum_k 2 alpha_k / (a0 (a0+1)(a0+2)) mu_k mu_k mu_k

For a document with counts c and length l the exact estimates of the raw moments are

    E[x1 x2]    = (c c - diag c) / (l (l-1))                                                       for l >= 2
    E[x1 x2 x3] = (c c c + 2 sum_v c_v e_v e_v e_v - sum_uv c_u c_v (e_u e_u e_v + e_u e_v e_u + e_v e_u e_u))
                  / (l (l-1)(l-2))                                                                 for l >= 3

M2 is only ever applied to a block of vectors, and M3 is only formed after each of its sides has been multiplied by the
whitening matrix, so that nothing larger than V x k or k x k x k is held. Every sum over documents goes through
:class:`~topicdock.algorithms.hosts.Hosts`.

References
----------
Anandkumar, Ge, Hsu, Kakade, Telgarsky, "Tensor decompositions for learning latent variable models", JMLR 2014.
Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011 (algorithm 4.4, subspace iteration).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.algorithms.hosts import Hosts
from topicdock.corpus.documents import AnyDocuments, Blocks, Share, as_documents

Doubles = NDArray[np.float64]

_OVERSAMPLING = 10
_PASSES = 6
_LEAST_EIGENVALUE = 1e-10
"""Relative to the largest: what lies below is rounding."""
_STANDARD_ERRORS = 3.0
"""By how many a direction's variance must exceed 0, on documents it was not found on, to count as real."""
_BLOCK = 1 << 22
"""Numbers in a temporary block."""


@dataclass(frozen=True)
class WhitenedMoments:
    """The moments in a basis in which M2 is the identity.

    Attributes
    ----------
    whitening : array, (V, k)
        W with W' M2 W = I.
    unwhitening : array, (V, k)
        The pseudo-inverse of W': it takes a whitened vector back to words.
    third : array, (k, k, k)
        M3 with each side multiplied by W; symmetric.
    """

    whitening: Doubles
    unwhitening: Doubles
    third: Doubles

    @property
    def rank(self) -> int:
        """k, the number of directions."""
        return int(self.third.shape[0])


def whiten_moments(
    counts: AnyDocuments, alpha0: float, least: int, most: int, hosts: Hosts, generator: np.random.Generator
) -> WhitenedMoments | None:
    """Estimate the moments of documents, shape (D, V), in their k leading directions.

    Parameters
    ----------
    counts : csr_matrix or Documents, (D, V)
        This host's documents; may be none.
    alpha0 : float
        The sum of the concentrations, more than 0.
    least, most : int
        k is the number of directions that stand out from the noise, but at least `least` and at most `most`, as far as
        M2 has that many positive eigenvalues.
    generator : numpy Generator
        The same state on every host.

    Returns
    -------
    WhitenedMoments or None
        None if no document has three words.
    """
    documents = as_documents(counts)
    long_enough = sum(np.count_nonzero(_lengths(block) >= 3) for block in documents.blocks())
    if float(hosts.sum(np.array([long_enough], np.float64))[0]) == 0:
        return None
    second = _SecondMoment(documents, alpha0, hosts)
    eigenvalues, vectors = _leading(second, most, generator)
    positive = eigenvalues > max(eigenvalues[0], 0.0) * _LEAST_EIGENVALUE
    eigenvalues, vectors = eigenvalues[positive], vectors[:, positive]
    if not len(eigenvalues):
        return None
    kept = max(least, _count_reliable(documents, alpha0, most, hosts, generator)) if most > least else most
    eigenvalues, vectors = eigenvalues[:kept], vectors[:, :kept]
    whitening = vectors / np.sqrt(eigenvalues)
    third = _third_moment(documents, whitening, second.first, alpha0, hosts)
    return WhitenedMoments(whitening, vectors * np.sqrt(eigenvalues), third)


class _SecondMoment:
    """M1, and M2 as a linear map, of the documents of all hosts."""

    def __init__(self, documents: Blocks, alpha0: float, hosts: Hosts) -> None:
        self._documents, self._hosts = documents, hosts
        self.vocabulary_size = documents.shape[1]
        long_enough, first, diagonal = np.zeros(2), np.zeros(self.vocabulary_size), np.zeros(self.vocabulary_size)
        for counts in documents.blocks():
            lengths = _lengths(counts)
            long_enough += [np.count_nonzero(lengths >= 1), np.count_nonzero(lengths >= 2)]
            first += counts.T @ _inverse(lengths, lengths >= 1)
            diagonal += counts.T @ _pair_weights(counts)
        worded, self._paired = np.maximum(hosts.sum(long_enough), 1.0).tolist()
        self.first: Doubles = hosts.sum(first) / worded
        self._diagonal: Doubles = hosts.sum(diagonal) / self._paired
        self._share = alpha0 / (alpha0 + 1)

    def times(self, vectors: Doubles) -> Doubles:
        """Return M2 times `vectors`, shape (V, n)."""
        own = np.zeros_like(vectors)
        for counts in self._documents.blocks():
            own += counts.T @ (_pair_weights(counts)[:, None] * (counts @ vectors))
        pairs = self._hosts.sum(own / self._paired)
        result: Doubles = (
            pairs - self._diagonal[:, None] * vectors - self._share * np.outer(self.first, self.first @ vectors)
        )
        return result

    def standard_scores(self, vectors: Doubles) -> Doubles:
        """Return, for each column u of `vectors`, u' M2 u divided by its standard error over documents."""
        own = np.zeros((2, vectors.shape[1]))
        for counts in self._documents.blocks():
            values = _pair_weights(counts)[:, None] * ((counts @ vectors) ** 2 - counts @ vectors**2)
            own += np.stack([values.sum(0), (values**2).sum(0)])
        total = self._hosts.sum(own) / self._paired
        variance = np.maximum(total[1] - total[0] ** 2, 0) / self._paired
        mean = total[0] - self._share * (self.first @ vectors) ** 2
        scores: Doubles = np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 0)
        return scores


def _leading(second: _SecondMoment, number: int, generator: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Return the `number` largest eigenvalues of M2, largest first, and their vectors, shape (V, number)."""
    size = second.vocabulary_size
    basis = generator.standard_normal((size, min(size, number + _OVERSAMPLING)))
    for _ in range(_PASSES):
        basis = np.linalg.qr(second.times(basis))[0]
    small = basis.T @ second.times(basis)
    eigenvalues, rotation = np.linalg.eigh((small + small.T) / 2)
    order = np.argsort(-eigenvalues)[:number]
    return eigenvalues[order], basis @ rotation[:, order]


def _count_reliable(documents: Blocks, alpha0: float, most: int, hosts: Hosts, generator: np.random.Generator) -> int:
    """Return how many leading directions of one half of the documents have variance in the other half, too.

    A direction that is noise has an eigenvalue near 0. Whitening blows it up, and what the decomposition then makes of
    it is a topic with a very large alpha that pushes out a real one.
    """
    found_on, tried_on = Share(documents, 0, 2), Share(documents, 1, 2)
    vectors = _leading(_SecondMoment(found_on, alpha0, hosts), most, generator)[1]
    scores = _SecondMoment(tried_on, alpha0, hosts).standard_scores(vectors)
    return int(np.count_nonzero(scores > _STANDARD_ERRORS))


def _third_moment(documents: Blocks, whitening: Doubles, first: Doubles, alpha0: float, hosts: Hosts) -> Doubles:
    """Return M3(W, W, W), shape (k, k, k), for W of shape (V, k)."""
    size = whitening.shape[1]
    cubes, by_word, occurrences = np.zeros((size, size, size)), np.zeros_like(whitening), np.zeros(len(whitening))
    tripled = 0
    for counts in documents.blocks():
        lengths = _lengths(counts)
        weights = _inverse(lengths * (lengths - 1) * (lengths - 2), lengths >= 3)
        tripled += int(np.count_nonzero(lengths >= 3))
        projected = counts @ whitening
        cubes += _sum_of_products(projected, weights[:, None] * projected)
        by_word += counts.T @ (weights[:, None] * projected)
        occurrences += counts.T @ weights
    # The two corrections share the factor W_v W_v, and one of them is symmetric: sum_v s_v W_v W_v W_v counts for a
    # third of itself in each of the three permutations.
    corrections = _sum_of_products(whitening, by_word - (2 / 3) * occurrences[:, None] * whitening)
    raw = hosts.sum(cubes - _permutations(corrections)) / float(hosts.sum(np.array([tripled], np.float64))[0])
    mean = whitening.T @ first
    # W' E[x1 x2] W, by the definition of M2 and W' M2 W = I
    pairs = np.eye(size) + alpha0 / (alpha0 + 1) * np.outer(mean, mean)
    third: Doubles = (
        raw
        - alpha0 / (alpha0 + 2) * _permutations(pairs[:, :, None] * mean)
        + 2 * alpha0**2 / ((alpha0 + 1) * (alpha0 + 2)) * np.einsum("i,j,k->ijk", mean, mean, mean)
    )
    return third


def _sum_of_products(rows: Doubles, others: Doubles) -> Doubles:
    """Return sum_n rows_n rows_n others_n, shape (k, k, k), of two arrays of shape (N, k), block by block."""
    size = rows.shape[1]
    left, right = np.triu_indices(size)
    total = np.zeros((len(left), size))
    step = max(1, _BLOCK // len(left))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        products = torch.from_numpy(block[:, left] * block[:, right])
        total += (products.T @ torch.from_numpy(others[start : start + step])).numpy()
    result = np.empty((size, size, size))
    result[left, right] = result[right, left] = total
    return result


def _permutations(tensor: Doubles) -> Doubles:
    """Return the sum of `tensor` and its two other cyclic arrangements; its first two sides are symmetric."""
    result: Doubles = tensor + tensor.transpose(0, 2, 1) + tensor.transpose(2, 1, 0)
    return result


def _lengths(counts: csr_matrix) -> Doubles:
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()


def _pair_weights(counts: csr_matrix) -> Doubles:
    """Return what each pair of a document's words counts for, shape (D,): one over the number of its pairs."""
    lengths = _lengths(counts)
    return _inverse(lengths * (lengths - 1), lengths >= 2)


def _inverse(values: Doubles, where: NDArray[np.bool_]) -> Doubles:
    """Return 1 / values, and 0 elsewhere."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=where & (values > 0))
