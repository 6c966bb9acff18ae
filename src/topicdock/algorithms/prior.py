"""The Gaussian prior of a logistic-normal document, the divergence of its posterior from it, and draws from that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
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

    def draw(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return topic proportions drawn from documents' posteriors, and the sum of the divergences of these.

        Parameters
        ----------
        mu, logvar : Tensor, shape (B, K)
            Learned.
        noise : Tensor, shape (B, K)
            Drawn from N(0, 1).

        Returns
        -------
        theta : Tensor, shape (B, K)
            softmax(mu + exp(logvar / 2) noise).
        divergence : Tensor, a scalar
            In nats.
        """
        return _Draw.apply(mu, logvar, noise, self.variance)  # type: ignore[no-any-return, no-untyped-call]


class _Draw(torch.autograd.Function):
    """The two at once, in closed form: step by step autograd would take 40 small operations for it, and here it is 20.

    With h = mu + sigma noise, theta = softmax(h), sigma^2 = exp(logvar), g the gradient of theta and c that of the
    divergence,

        d h = theta (g - theta . g)
        d mu = d h + c mu / variance
        d logvar = (d h sigma noise + c (sigma^2 / variance - 1)) / 2
    """

    @staticmethod
    def forward(context: Any, mu: Tensor, logvar: Tensor, noise: Tensor, variance: float) -> tuple[Tensor, Tensor]:
        sigma = torch.mul(logvar, 0.5).exp_()
        moved = sigma * noise
        theta = torch.softmax(mu + moved, 1)
        ratio = sigma.square_().div_(variance)  # of the variances
        context.save_for_backward(mu, moved, theta, ratio)
        context.variance = variance
        distance = torch.addcmul(ratio, mu, mu, value=1 / variance).sub_(logvar)
        return theta, distance.sub_(1 - math.log(variance)).sum().mul_(0.5)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        mu, moved, theta, ratio = context.saved_tensors
        of_theta, of_divergence = gradients
        of_drawn: Tensor = torch._softmax_backward_data(of_theta, theta, 1, theta.dtype)
        grad_mu = torch.addcmul(of_drawn, mu, of_divergence, value=1 / context.variance)
        half = 0.5 * of_divergence
        grad_logvar = torch.addcmul(ratio * half - half, of_drawn, moved, value=0.5)
        return grad_mu, grad_logvar, None, None
