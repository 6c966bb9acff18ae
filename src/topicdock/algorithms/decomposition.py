"""A symmetric tensor as a sum of cubes of vectors (CP), by alternating least squares from several starts.

    T ~ sum_r lambda_r v_r v_r v_r            |v_r| = 1, lambda_r > 0

The three sides share one matrix V, so that a step is one least-squares problem: with X the unfolding of T,

    V <- X (V o V) ((V'V) * (V'V))^-1         o: column-wise Kronecker product, *: elementwise

The first steps of most starts take orthonormal columns instead (QR), which is where a whitened tensor has its solution.

References
----------
Kolda, Bader, "Tensor decompositions and applications", SIAM Review 2009 (section 3.4, ALS).
Sharan, Valiant, "Orthogonalized ALS", ICML 2017 (QR steps first).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_QR_STEPS = 5
_RIDGE = 1e-12


@dataclass(frozen=True)
class Restart:
    """How one start went; `number` counts from 1."""

    number: int
    of: int
    start: str
    iterations: int
    error: float
    converged: bool


@dataclass(frozen=True)
class Cubes:
    """A decomposition: lambda, shape (k,), all positive; V, shape (k, k), one unit vector a column; relative error."""

    weights: Doubles
    vectors: Doubles
    error: float


def decompose(
    tensor: Doubles,
    *,
    max_restarts: int,
    max_iterations: int,
    tolerance: float,
    svd_start: bool,
    generator: np.random.Generator,
    report: Callable[[Restart], None],
    should_stop: Callable[[], bool],
) -> Cubes:
    """Decompose a symmetric tensor, shape (k, k, k), into k cubes and keep the start with the smallest error.

    Parameters
    ----------
    max_restarts : int
        Starts. The first two are from the singular vectors of the unfolding, the second of them without QR steps, if
        `svd_start`; the others are random.
    max_iterations : int
        Of each start, at least 1.
    tolerance : float
        A start has converged when an iteration changes its relative error |T - sum| / |T| by less.
    should_stop : callable
        Asked after every iteration; the best so far is returned.
    """
    best: Cubes | None = None
    for number in range(1, max_restarts + 1):
        from_svd = svd_start and number <= 2
        begin = _singular_vectors(tensor) if from_svd else _random_basis(len(tensor), generator)
        qr_steps = 0 if from_svd and number == 2 else _QR_STEPS
        cubes, iterations, converged = _alternate(tensor, begin, qr_steps, max_iterations, tolerance, should_stop)
        report(Restart(number, max_restarts, "svd" if from_svd else "random", iterations, cubes.error, converged))
        if best is None or cubes.error < best.error:
            best = cubes
        if should_stop():
            break
    if best is None:
        raise ValueError(f"max_restarts must be at least 1, got {max_restarts}")
    return best


def _alternate(
    tensor: Doubles,
    vectors: Doubles,
    qr_steps: int,
    max_iterations: int,
    tolerance: float,
    should_stop: Callable[[], bool],
) -> tuple[Cubes, int, bool]:
    squared_norm = float(np.sum(tensor**2))
    last, iteration, converged = np.inf, 0, False
    for iteration in range(1, max_iterations + 1):
        applied = _apply(tensor, vectors)
        if iteration <= qr_steps and iteration < max_iterations:
            vectors = _orthonormal(applied)
            continue
        vectors = _solve(_gram(vectors, 2), applied.T).T
        lengths = np.linalg.norm(vectors, axis=0)
        vectors = np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1.0), 1 / np.sqrt(len(tensor)))
        error = _fit_weights(tensor, vectors, squared_norm)[1]
        converged = abs(last - error) < tolerance
        if converged or should_stop():
            break
        last = error
    weights, error = _fit_weights(tensor, vectors, squared_norm)
    signs = np.where(weights < 0, -1.0, 1.0)
    return Cubes(weights * signs, vectors * signs, error), iteration, converged


def _fit_weights(tensor: Doubles, vectors: Doubles, squared_norm: float) -> tuple[Doubles, float]:
    """Return the best lambda for these vectors, and the relative error that is left."""
    heights = np.einsum("ir,ir->r", vectors, _apply(tensor, vectors))
    gram = _gram(vectors, 3)
    weights = _solve(gram, heights)
    left = squared_norm - 2 * weights @ heights + weights @ gram @ weights
    return weights, float(np.sqrt(max(left, 0.0) / squared_norm)) if squared_norm > 0 else 0.0


def _gram(vectors: Doubles, power: int) -> Doubles:
    gram: Doubles = (vectors.T @ vectors) ** power + _RIDGE * np.eye(vectors.shape[1])
    return gram


def _solve(system: Doubles, right: Doubles) -> Doubles:
    return np.asarray(np.linalg.solve(system, right), np.float64)


def _apply(tensor: Doubles, vectors: Doubles) -> Doubles:
    """Return T(I, v_r, v_r) for every column r, shape (k, R)."""
    size = len(tensor)
    once = (tensor.reshape(size * size, size) @ vectors).reshape(size, size, -1)
    applied: Doubles = np.einsum("ijr,jr->ir", once, vectors)
    return applied


def _singular_vectors(tensor: Doubles) -> Doubles:
    vectors: Doubles = np.linalg.svd(tensor.reshape(len(tensor), -1), full_matrices=False)[0]
    return vectors


def _random_basis(size: int, generator: np.random.Generator) -> Doubles:
    return _orthonormal(generator.standard_normal((size, size)))


def _orthonormal(columns: Doubles) -> Doubles:
    basis: Doubles = np.linalg.qr(columns)[0]
    return basis
