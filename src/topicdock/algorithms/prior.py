"""The Gaussian prior of a logistic-normal document, and the divergence of its posterior from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """The Gaussian prior of h: its mean (zero) and the variance of each component."""

    variance: float

    @classmethod
    def laplace(cls, alpha: float, num_topics: int) -> Prior:
        """Return the Laplace approximation, in the softmax basis, of a symmetric Dirichlet.

        The mean is 0 and the variance (1 - 2/K) / alpha + 1 / (K alpha) (Srivastava and Sutton 2017, equation 3).
        """
        return cls((1 - 2 / num_topics) / alpha + 1 / (num_topics * alpha))

    def divergence(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return KL(N(mu, exp(logvar)) || prior) of each document in nats, shape (B,)."""
        ratio = (logvar.exp() + mu * mu) / self.variance
        return 0.5 * (ratio - 1 - logvar + math.log(self.variance)).sum(1)
