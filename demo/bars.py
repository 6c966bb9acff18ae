"""The bars corpus: documents whose topics are known, and can be looked at.

The vocabulary is the 25 pixels of a 5 x 5 image, a topic is one column (or one row) of it, a document is an image that
mixes a few of them.

References
----------
Griffiths, Steyvers, "Finding scientific topics", PNAS 2004 (figure 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

SIDE = 5
WORDS_IN_DOCUMENT = 150
_CONCENTRATION = 100.0

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Bars:
    """A corpus drawn from known topics.

    Attributes
    ----------
    counts : csr_matrix, (D, 25)
    theta : array, (D, K)
        The documents' true topic proportions.
    beta : array, (K, 25)
        The true topics: columns from left to right, then, if there are ten, rows from top to bottom.
    """

    counts: csr_matrix
    theta: Doubles
    beta: Doubles


def draw_bars(documents: int, num_topics: int, seed: int) -> Bars:
    """Draw a corpus: a topic's five words from Dirichlet(100), theta from Dirichlet(1/K), Poisson(150) words.

    Parameters
    ----------
    documents : int
    num_topics : {5, 10}
        The columns, or the columns and the rows.
    seed : int
    """
    if num_topics not in (SIDE, 2 * SIDE):
        raise ValueError(f"bars have {SIDE} or {2 * SIDE} topics, not {num_topics}")
    random = np.random.default_rng(seed)
    pixels = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    bars = np.concatenate([pixels.T, pixels])[:num_topics]  # row k: the five words of topic k
    beta = np.zeros((num_topics, SIDE * SIDE))
    np.put_along_axis(beta, bars, random.dirichlet(np.full(SIDE, _CONCENTRATION), num_topics), axis=1)
    theta = random.dirichlet(np.full(num_topics, 1 / num_topics), documents)
    lengths = random.poisson(WORDS_IN_DOCUMENT, documents)
    return Bars(csr_matrix(random.multinomial(lengths, theta @ beta).astype(np.float32)), theta, beta)


def correlate(known: NDArray[np.floating], found: NDArray[np.floating]) -> Doubles:
    """Correlate known with found topic proportions, (D, K) each: entry (i, j) is Pearson's r of columns i and j.

    A column without any variance correlates with nothing.
    """
    left, right = known - known.mean(axis=0), found - found.mean(axis=0)
    scale = np.outer(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0))
    product = (left.T @ right).astype(np.float64)
    correlations: Doubles = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    return correlations


def match(correlations: Doubles) -> NDArray[np.intp]:
    """For each known topic the found one, one to one, so that the sum of their correlations is the largest."""
    found: NDArray[np.intp] = linear_sum_assignment(correlations, maximize=True)[1]
    return found
