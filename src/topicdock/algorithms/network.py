"""NTM's network: encoder, Gaussian posterior, softmax decoder, and how it folds into a served model.

Batch normalisation stands in two places, each optional: in the encoder's layers before the activation (the built-in's
``batch_norm``), and on the posterior's mean and log variance, without learned scale. The latter keeps the posterior
of every topic away from the prior over a batch, which is what stops components from collapsing.

References
----------
Srivastava, Sutton, "Autoencoding Variational Inference for Topic Models", ICLR 2017.
Zhu, Bi, Liu, Ma, Li, Wu, "A Batch Normalized Inference Network Keeps the KL Vanishing Away", ACL 2020.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.decoder import Decoder
from topicdock.algorithms.sparse import Batch, sparse_linear

_ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True)
class NetworkSettings:
    """What shapes the network; names as the hyperparameters'."""

    feature_dim: int
    num_topics: int
    layer_sizes: tuple[int, ...]
    activation: str
    log_input: bool
    batch_norm: bool
    posterior_batch_norm: bool


class BatchNorm:
    """Batch normalisation without learned scale or shift, of columns of a (B, H) block.

    A batch of one document has no variance; it is normalised by the running figures, as at inference.
    """

    momentum = 0.1
    epsilon = 1e-5

    def __init__(self, width: int) -> None:
        self.mean, self.variance = torch.zeros(width), torch.ones(width)

    def __call__(self, block: Tensor, training: bool) -> Tensor:
        """Return the normalised block; while training, take part of the batch's figures into the running ones."""
        if not training or len(block) < 2:
            return (block - self.mean) * torch.rsqrt(self.variance + self.epsilon)
        variance, mean = torch.var_mean(block, 0, correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance * len(block) / (len(block) - 1), self.momentum)
        return (block - mean) * torch.rsqrt(variance + self.epsilon)

    def fold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (H, M) and bias (H,) of the affine map followed by this normalisation at inference."""
        scale = torch.rsqrt(self.variance + self.epsilon)
        return weight * scale.unsqueeze(1), (bias - self.mean) * scale


class Network:
    """The trainable state. Weights are drawn from `generator`; the decoder's bias starts at `bias`, shape (V,)."""

    def __init__(self, settings: NetworkSettings, bias: NDArray[np.float32], generator: torch.Generator) -> None:
        self.settings = settings
        sizes = (settings.feature_dim, *settings.layer_sizes)
        self.weights: dict[str, Tensor] = {}
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            self._add_linear(f"encoder_{layer}", fan_in, fan_out, generator)
        for head in ("mean", "logvar"):
            self._add_linear(head, sizes[-1], settings.num_topics, generator)
        spread = torch.randn(settings.feature_dim, settings.num_topics, generator=generator) * 0.02
        self.weights["projection_weight"] = spread.requires_grad_()
        self.weights["projection_bias"] = torch.from_numpy(bias.copy()).requires_grad_()
        self.norms: dict[str, BatchNorm] = {}
        if settings.batch_norm:
            self.norms |= {f"encoder_{layer}": BatchNorm(size) for layer, size in enumerate(settings.layer_sizes)}
        if settings.posterior_batch_norm:
            self.norms |= {head: BatchNorm(settings.num_topics) for head in ("mean", "logvar")}
        self.decoder = Decoder()

    def posterior(self, batch: Batch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""
        documents = batch.log1p if self.settings.log_input else batch
        activate = _ACTIVATIONS[self.settings.activation]
        # The first layer is stored (V, H), so that a document gathers contiguous rows of it.
        hidden = sparse_linear(documents, self.weights["encoder_0_weight"], self.weights["encoder_0_bias"])
        for layer in range(len(self.settings.layer_sizes)):
            if layer:
                hidden = self._linear(f"encoder_{layer}", hidden)
            hidden = activate(self._normalise(f"encoder_{layer}", hidden, training))
        mu, logvar = (self._normalise(head, self._linear(head, hidden), training) for head in ("mean", "logvar"))
        return mu, logvar

    def reconstruction(self, theta: Tensor, batch: Batch) -> Tensor:
        """Return the reconstruction error of each document in nats, shape (B,)."""
        return self.decoder(theta, self.weights["projection_weight"], self.weights["projection_bias"], batch)

    def snapshot(self) -> dict[str, Tensor]:
        """Return a copy of everything that training changes."""
        state = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        for name, norm in self.norms.items():
            state |= {f"{name}_running_mean": norm.mean.clone(), f"{name}_running_variance": norm.variance.clone()}
        return state

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a snapshot."""
        for name, tensor in self.weights.items():
            tensor.copy_(state[name])
        for name, norm in self.norms.items():
            norm.mean.copy_(state[f"{name}_running_mean"])
            norm.variance.copy_(state[f"{name}_running_variance"])

    @torch.no_grad()
    def export(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of a served model, batch normalisation folded in, weights of shape (out, in)."""
        names = [*(f"encoder_{layer}" for layer in range(len(self.settings.layer_sizes))), "mean", "logvar"]
        arrays = {}
        for name in names:
            weight, bias = self.weights[f"{name}_weight"].t(), self.weights[f"{name}_bias"]
            if name in self.norms:
                weight, bias = self.norms[name].fold(weight, bias)
            arrays[f"{name}_weight"], arrays[f"{name}_bias"] = weight, bias
        for name in ("projection_weight", "projection_bias"):
            arrays[name] = self.weights[name]
        return {
            name: tensor.detach().clone(memory_format=torch.contiguous_format).numpy()
            for name, tensor in arrays.items()
        }

    def _add_linear(self, name: str, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
        bound = math.sqrt(6 / (fan_in + fan_out))  # Glorot and Bengio 2010, equation 16
        weight = torch.rand(fan_in, fan_out, generator=generator).mul_(2 * bound).sub_(bound)
        self.weights[f"{name}_weight"] = weight.requires_grad_()
        self.weights[f"{name}_bias"] = torch.zeros(fan_out).requires_grad_()

    def _linear(self, name: str, block: Tensor) -> Tensor:
        return torch.addmm(self.weights[f"{name}_bias"], block, self.weights[f"{name}_weight"])

    def _normalise(self, name: str, block: Tensor, training: bool) -> Tensor:
        return self.norms[name](block, training) if name in self.norms else block
