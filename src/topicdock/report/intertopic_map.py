"""Topics as circles in the plane: the nearer, the more alike; none covers another.

References
----------
Chuang, Manning, Heer, "Termite: Visualization Techniques for Assessing Textual Topic Models", AVI 2012.
Sievert, Shirley, "LDAvis: A method for visualizing and interpreting topics", ACL workshop 2014 (distances and scaling).
Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 1991.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ROUNDS = 400
_ROUND_BUDGET = 4e7
"""Pairs of circles that are pushed apart, over all rounds."""
_MOST_LOGARITHMS = 1e9
"""Some ten seconds."""
_FILLED = 0.3
"""The share of the plane that circles may take."""


@dataclass(frozen=True)
class Circles:
    """Where the topics are: centres, shape (K, 2), and radii, shape (K,), within a box of `width` and `height`."""

    centres: Doubles
    radii: Doubles
    width: float
    height: float


def jensen_shannon(beta: NDArray[Any]) -> Doubles:
    """Jensen-Shannon divergences between rows of `beta`, shape (K, V), in nats: shape (K, K), from 0 to ln 2.

    Of many topics over many words it is ln 2 times the squared Hellinger distance, which one product of matrices gives:
    at most as large as the divergence, at least ln 2 = 69 % of it, and the same for equal topics and for disjoint ones.
    """
    if len(beta) ** 2 * beta.shape[1] > _MOST_LOGARITHMS:
        roots = np.sqrt(beta.astype(np.float32))
        bounds: Doubles = np.log(2.0) * np.clip(1.0 - (roots @ roots.T).astype(np.float64), 0.0, 1.0)
        np.fill_diagonal(bounds, 0.0)
        return (bounds + bounds.T) / 2
    rows = np.maximum(beta.astype(np.float64), 1e-300)
    rows /= rows.sum(axis=1, keepdims=True)
    entropies = -np.sum(rows * np.log(rows), axis=1)
    divergences = np.zeros((len(rows), len(rows)))
    for topic, row in enumerate(rows):  # a (K, V) block at a time, not (K, K, V)
        middle = (rows[topic + 1 :] + row) / 2
        mixed = -np.sum(middle * np.log(middle), axis=1)
        divergences[topic, topic + 1 :] = mixed - (entropies[topic + 1 :] + entropies[topic]) / 2
    return np.clip(divergences + divergences.T, 0.0, np.log(2.0))


def scale_classically(squared_distances: Doubles) -> Doubles:
    """Classical multidimensional scaling: points in the plane, shape (K, 2), from squared distances, shape (K, K).

    Each axis points so that the entry of largest magnitude is positive, as eigenvectors have no sign of their own.
    """
    size = len(squared_distances)
    centring = np.eye(size) - 1.0 / size
    values, vectors = np.linalg.eigh(-0.5 * centring @ squared_distances @ centring)
    points = np.zeros((size, 2))
    for axis, place in enumerate(np.argsort(-values, kind="stable")[:2]):
        vector = vectors[:, place]
        sign = np.sign(vector[np.argmax(np.abs(vector))]) or 1.0
        points[:, axis] = sign * vector * np.sqrt(max(values[place], 0.0))
    return points


def place_circles(divergences: Doubles, sizes: NDArray[Any], width: float = 640.0, height: float = 440.0) -> Circles:
    """Lay topics out by the divergence of their words, then push circles apart that overlap.

    Parameters
    ----------
    divergences : array, shape (K, K)
        As :func:`jensen_shannon` gives them: squares of distances.
    sizes : array, shape (K,)
        The circles' areas are in proportion, but for the smallest, which stay large enough to be read.
    """
    points = _spread_out(scale_classically(divergences))
    radii = np.sqrt(np.maximum(sizes / max(float(np.sum(sizes)), 1e-12), 1e-12))
    radii = np.maximum(radii, 0.55 * np.sqrt(1.0 / len(sizes)))
    radii *= np.sqrt(_FILLED * width * height / np.pi / np.sum(radii**2))
    radii = np.minimum(radii, min(width, height) / 5)
    box = np.array([width, height])
    centres = radii.max() + points * (box - 2 * radii.max())
    centres = _push_apart(centres, radii, box)
    gaps = _distances(centres) / (radii[:, None] + radii[None, :])
    np.fill_diagonal(gaps, np.inf)
    # Whatever pushing has not solved: smaller circles do not overlap.
    radii = radii * min(1.0, 0.98 * float(gaps.min(initial=np.inf)))
    return Circles(centres, radii, width, height)


def _spread_out(points: Doubles) -> Doubles:
    """Return the means of coordinates and their ranks, all from 0 to 1: one outlier does not crowd the rest."""
    low, high = points.min(axis=0), points.max(axis=0)
    wide = high - low > 1e-12
    ranks = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0, kind="stable") / max(len(points) - 1, 1)
    scaled = (points - low) / np.where(wide, high - low, 1.0)
    spread: Doubles = np.where(wide, (scaled + ranks) / 2, 0.5)
    return spread


def _push_apart(centres: Doubles, radii: Doubles, box: Doubles) -> Doubles:
    generator = np.random.default_rng(0)
    centres = centres + generator.normal(
        scale=0.01, size=centres.shape
    )  # two at one point have no direction to part in
    centres = np.clip(centres, radii[:, None], box - radii[:, None])
    needed = 1.04 * (radii[:, None] + radii[None, :])
    for _ in range(min(_ROUNDS, int(_ROUND_BUDGET / len(centres) ** 2) + 1)):
        apart = centres[:, None, :] - centres[None, :, :]
        distances = np.maximum(np.linalg.norm(apart, axis=2), 1e-9)
        lacking = np.maximum(needed - distances, 0.0)
        np.fill_diagonal(lacking, 0.0)
        if lacking.max() < 1e-3:
            break
        centres = centres + 0.25 * np.sum(apart / distances[:, :, None] * lacking[:, :, None], axis=1)
        centres = np.clip(centres, radii[:, None], box - radii[:, None])
    return centres


def _distances(points: Doubles) -> Doubles:
    distances: Doubles = np.linalg.norm(points[:, None, :] - points[None, :, :], axis=2)
    return distances
