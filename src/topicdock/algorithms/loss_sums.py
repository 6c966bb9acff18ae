"""What losses are made of, added up over batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.progress import Losses

Figure = float | Tensor
"""A number, or one that a device has yet to work out: it is not waited for until somebody reads it."""


class LossSums:
    """Adds up, over batches: reconstruction errors, divergences, words and documents."""

    def __init__(self, values: Sequence[float] = (0.0, 0.0, 0.0, 0.0), batches: int = 0) -> None:
        self._values: list[Figure] = list(values)
        self.batches = batches

    @property
    def values(self) -> NDArray[np.float64]:
        """The sums."""
        return np.array([float(value) for value in self._values])

    def add(self, figures: Sequence[Figure]) -> None:
        """Add those of one more batch."""
        self._values = [value + figure for value, figure in zip(self._values, figures, strict=True)]
        self.batches += 1

    def losses(self) -> Losses:
        """Return the losses by word."""
        recon, kl, words, documents = self.values.tolist()
        words = max(words, 1.0)  # documents without any word have a divergence all the same
        return Losses(recon / words, kl / words, int(documents), self.batches)
