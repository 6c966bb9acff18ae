"""The built-in's rule for stopping early, reproduced from the 146 decisions of a published training log.

With patience p and tolerance tol, and L_t the loss of epoch t (from 1):

    for t > p:  m = min(L_{t-p} ... L_{t-1})
                the epoch is bad if m - L_t < tol, an absolute difference although the documentation says relative
                stop when more than p epochs in a row were bad
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from topicdock.algorithms.progress import Patience


class EarlyStopping:
    """Watches a loss, epoch by epoch.

    Parameters
    ----------
    patience : int
        p, in epochs.
    tolerance : float
        tol, in the loss's unit.
    """

    def __init__(self, patience: int, tolerance: float) -> None:
        self._patience, self._tolerance = patience, tolerance
        self._losses: list[float] = []
        self._bad_epochs = 0

    def facts(self) -> dict[str, Any]:
        """Return what the decisions to come depend on."""
        return {"losses": list(self._losses), "bad_epochs": self._bad_epochs}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Stand where :meth:`facts` was called."""
        self._losses, self._bad_epochs = list(facts["losses"]), facts["bad_epochs"]

    def observe(self, loss: float) -> Patience | None:
        """Take the loss of the next epoch; return the decision, or None while there are too few to decide."""
        recent = tuple(self._losses[-self._patience :])
        self._losses.append(loss)
        if len(self._losses) <= self._patience:
            return None
        smallest = min(recent)
        bad = not smallest - loss >= self._tolerance  # so that NaN is bad, too
        self._bad_epochs = self._bad_epochs + 1 if bad else 0
        return Patience(recent, smallest, loss, bad, self._bad_epochs, self._bad_epochs > self._patience)
