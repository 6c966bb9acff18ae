"""The most likely topic proportions of a document: a concave maximum on the simplex, found for many documents at once.

    maximise  sum_w x_w log(sum_k theta_k beta_kw)      over theta >= 0, sum theta = 1

With g_k = sum_w x_w beta_kw / (theta beta)_w and l = sum_w x_w, theta is the maximiser if and only if no g_k exceeds l.
The optimum mostly lies on the boundary: its zeros are exact.

Since sum_k theta_k g_k = l for every theta, the constraint sum theta = 1 may be dropped and l sum_k theta_k subtracted
instead. So there are three steps:

1. a few lengthened EM steps, theta_k <- theta_k (g_k / l)^2, for all topics;
2. projected Newton steps (Bertsekas 1982) for the few topics that are left with weight;
3. the condition is checked for all topics; a document with a topic that should have weight goes back to step 2.

Every document is solved by operations whose shapes depend on that document alone, so that its answer is the same bits
whichever documents stand beside it.

References
----------
Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM J. Control Optim. 1982.
Kim, Carbonetto, Stephens, Anitescu, "A fast algorithm for maximum likelihood estimation of mixture proportions using
sequential quadratic programming", JCGS 2020 (the same problem; the dropped constraint).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.model.word_topics import LONG, Held, LookedUp, WordTopics

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_SCREENING_STEPS = 8
_RELAXATION = 2.0
"""The power of an EM step's factor: a longer step, which need not rise, in the same direction."""
_NEWTON_STEPS = 60
_ROUNDS = 20
_TOLERANCE = 1e-7
"""By what share of l a g_k may exceed l: at most so far, in nats a word, is the likelihood from its maximum."""
_KEPT = 5e-3
"""The weight that takes a topic from step 1 to step 2."""
_ADDED = 8
_RIDGE = 1e-10
_DAMPING = 0.03
_SUFFICIENT = 1e-4
_BORDER = 1e-6
_SETTLED = 1e-9
_UNBLOCKINGS = 4
_ROUNDING = 1e-13
_HALVINGS = 20
_BLOCK = 1 << 20
"""Numbers in the block that holds the topics of some documents' words: what fits a core's cache."""


def most_likely_proportions(counts: csr_matrix, by_word: NDArray[np.floating], known: NDArray[np.bool_]) -> Doubles:
    """Return theta, shape (D, K), rows sum to 1; a row of zeros for a document in which no topic has a word.

    Parameters
    ----------
    counts : csr_matrix, (D, V)
        Not negative.
    by_word : array, (V, K)
        Topics, transposed; not negative.
    known : array of bool, (V,)
        Whether some topic has the word; others are passed over.
    """
    num_topics = by_word.shape[1]
    kept = known[counts.indices] & (counts.data > 0)
    documents = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))[kept]
    words, values = counts.indices[kept], counts.data[kept].astype(np.float64)
    lengths = np.bincount(documents, minlength=counts.shape[0])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    theta = np.zeros((counts.shape[0], num_topics))

    def solve(group: NDArray[np.intp]) -> None:
        if lengths[group[0]] * num_topics >= LONG:
            for document in group:
                part = slice(starts[document], starts[document + 1])
                theta[document] = _solve(LookedUp(by_word, words[part]), values[None, part], num_topics)[0]
            return
        size = int(_round_up(lengths[group[:1]])[0])
        filled = np.arange(size) < lengths[group, None]
        places = np.where(filled, starts[group, None] + np.arange(size), 0)
        topics = by_word[words[places]].astype(np.float64)
        topics[~filled] = 1.0  # any but zero: such a place counts for nothing
        theta[group] = _solve(Held(topics), np.where(filled, values[places], 0.0), _ADDED)

    groups = list(_group(lengths, num_topics))
    cores = min(len(groups), _cores())
    if cores > 1:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(solve, groups))
    else:
        for group in groups:
            solve(group)
    return theta


def _group(lengths: NDArray[np.intp], num_topics: int) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of documents that are solved together: of one rounded length, as many as a block holds."""
    sizes = _round_up(lengths)
    for size in np.unique(sizes[lengths > 0]):
        members = np.flatnonzero((sizes == size) & (lengths > 0))
        step = max(1, _BLOCK // int(size * num_topics))
        for begin in range(0, len(members), step):
            yield members[begin : begin + step]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _round_up(numbers: NDArray[np.intp]) -> Integers:
    """Return the next power of two, at least 8."""
    rounded: Integers = (2 ** np.ceil(np.log2(np.maximum(numbers, 8)))).astype(np.int64)
    return rounded


def _solve(topics: WordTopics, values: Doubles, added_at_once: int) -> Doubles:
    """Return theta, (D, K), for the topics of each word, (D, W, K), and its count, (D, W).

    `added_at_once`: how many topics come in when step 3 sends a document back. Few keep step 2 short where it is cheap
    to go back; a long document has most topics, and asks for all that lack weight.
    """
    documents, _, num_topics = topics.shape
    totals = values.sum(axis=1)
    theta = np.full((documents, num_topics), 1 / num_topics)
    for _ in range(_SCREENING_STEPS):
        theta *= (_gains(topics, values, theta) / totals[:, None]) ** _RELAXATION
        theta /= theta.sum(axis=1, keepdims=True)
    support = theta > _KEPT
    support[np.arange(documents), theta.argmax(axis=1)] = True
    open_ones = np.arange(documents)
    for _ in range(_ROUNDS):
        # A word whose topics all lie outside would have probability 0; its best topic stays in.
        open_topics = topics.of(open_ones)
        support[open_ones] |= _only_explanations(open_topics, values[open_ones], support[open_ones])
        theta[open_ones] = _solve_support(open_topics, values[open_ones], theta[open_ones], support[open_ones])
        theta[open_ones] /= theta[open_ones].sum(axis=1, keepdims=True)
        excess = _gains(open_topics, values[open_ones], theta[open_ones]) / totals[open_ones, None] - 1
        lacking = excess.max(axis=1) > _TOLERANCE
        if not lacking.any():
            break
        open_ones, excess = open_ones[lacking], excess[lacking]
        # The topics that lack weight most come in; those that have none go out.
        number = min(added_at_once, num_topics)
        best = np.argpartition(-excess, number - 1, axis=1)[:, :number]
        added = np.zeros_like(excess, dtype=bool)
        np.put_along_axis(added, best, np.take_along_axis(excess, best, axis=1) > 0, axis=1)
        support[open_ones] = added | (theta[open_ones] > 0)
    return theta


def _gains(topics: WordTopics, values: Doubles, theta: Doubles) -> Doubles:
    """Return g, shape (D, K)."""
    return topics.gather(values / _mix(topics, theta))


def _mix(topics: WordTopics, theta: Doubles) -> Doubles:
    """Return theta beta at each document's words, shape (D, W)."""
    return np.maximum(topics.mix(theta), np.finfo(np.float64).tiny)


def _only_explanations(topics: WordTopics, values: Doubles, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return, shape (D, K), the best topic of every word that has no topic in `support`."""
    lost = (topics.mix(support.astype(np.float64)) <= 0) & (values > 0)
    added = np.zeros_like(support)
    documents, words = np.nonzero(lost)
    added[documents, topics.best(documents, words)] = True
    return added


def _solve_support(topics: WordTopics, values: Doubles, theta: Doubles, support: NDArray[np.bool_]) -> Doubles:
    """Return theta, (D, K), maximal among those without weight outside `support` (or outside a little more)."""
    result = np.zeros_like(theta)
    sizes = np.minimum(_round_up(support.sum(axis=1)), theta.shape[1])
    for size in np.unique(sizes):
        group = np.flatnonzero(sizes == size)
        # Members of the support first, in the order of topics; what fills up to `size` starts without weight.
        chosen = np.argsort(~support[group], axis=1, kind="stable")[:, :size]
        inside = np.take_along_axis(support[group], chosen, axis=1)
        few = topics.among(group, chosen)
        begin = np.where(inside, np.maximum(np.take_along_axis(theta[group], chosen, axis=1), _KEPT), 0.0)
        solved = _newton(few, values[group], begin / begin.sum(axis=1, keepdims=True))
        rows = np.zeros((len(group), theta.shape[1]))
        np.put_along_axis(rows, chosen, solved, axis=1)
        result[group] = rows
    return result


def _newton(topics: WordTopics, values: Doubles, theta: Doubles) -> Doubles:
    """Return the maximiser, (D, K), by projected Newton steps from `theta`; few topics."""
    theta = theta.copy()
    moving = np.arange(len(theta))
    for _ in range(_NEWTON_STEPS):
        before = theta[moving]
        after = _newton_step(topics, values, before)
        theta[moving] = after
        still = np.abs(after - before).max(axis=1) > _SETTLED
        if not still.any():
            break
        if not still.all():
            moving, topics, values = moving[still], topics.of(still), values[still]
    return theta


def _newton_step(topics: WordTopics, values: Doubles, theta: Doubles) -> Doubles:
    """Take one step of each document."""
    totals = values.sum(axis=1)
    mixed = _mix(topics, theta)
    gradient = gradient_of_all = topics.gather(values / mixed) - totals[:, None]
    curvature = topics.curve(np.sqrt(values) / mixed)
    border = theta <= _BORDER
    direction = _direction(curvature, gradient, theta, border, totals)
    for _ in range(_UNBLOCKINGS):
        # A topic without weight that would lose some does not move, and the others must not count on it.
        blocked = border & (gradient > 0) & (direction < 0)
        if not blocked.any():
            break
        gradient = np.where(blocked, 0.0, gradient)
        direction = _direction(curvature, gradient, theta, border, totals)
    height = _height(mixed, values, theta, totals)
    scale = np.minimum(1.0, 1.0 / np.maximum(np.abs(direction).max(axis=1, keepdims=True), 1e-300))
    slack = _ROUNDING * totals
    # What a step that cannot be made short enough falls back on: EM, which always rises.
    result: Doubles = theta * (gradient_of_all / totals[:, None] + 1)
    for _ in range(_HALVINGS):
        candidate = np.maximum(theta + scale * direction, 0.0)
        rise = _height(_mix(topics, candidate), values, candidate, totals) - height
        enough = rise >= _SUFFICIENT * np.sum(gradient * (candidate - theta), axis=1) - slack
        result = np.where(enough[:, None] & (scale > 0), candidate, result)
        scale = np.where(enough[:, None], 0.0, scale / 2)
        if enough.all():
            break
    return result


def _direction(
    curvature: Doubles, gradient: Doubles, theta: Doubles, border: NDArray[np.bool_], totals: Doubles
) -> Doubles:
    """Return the Newton direction, (D, K); topics at the border that would leave take a step that ends on it."""
    free = ~border | (gradient > 0)
    # More topics than words leave directions without curvature. What keeps a step along them short dies out with the
    # distance from the maximum, and so does not slow the last steps.
    violation = np.maximum(gradient, -gradient * theta).max(axis=1) / totals
    ridge = totals * (_RIDGE + _DAMPING * np.clip(violation, 0.0, 1.0))
    diagonal = np.arange(free.shape[1])
    system = curvature * (free[:, :, None] & free[:, None, :])
    system[:, diagonal, diagonal] = curvature[:, diagonal, diagonal] + ridge[:, None]
    direction = np.linalg.solve(system, np.where(free, gradient, 0.0)[:, :, None])[:, :, 0]
    bounded: Doubles = np.where(free, direction, -theta)
    return bounded


def _height(mixed: Doubles, values: Doubles, theta: Doubles, totals: Doubles) -> Doubles:
    """Return sum_w x_w log(theta beta)_w - l sum_k theta_k, shape (D,)."""
    height: Doubles = np.sum(values * np.log(mixed), axis=1) - totals * theta.sum(axis=1)
    return height
