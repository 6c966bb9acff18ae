"""The encoder of a neural topic model: from a document's words to the Gaussian posterior of its topics.

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from topicdock.algorithms.affine import affine
from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.device_kernels import DenseLayer
from topicdock.algorithms.exchange import total
from topicdock.algorithms.first_layer import FirstLayer, SparseLayer
from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.rectified import Reached, take

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": functional.softplus,
    "leakyrelu": functional.leaky_relu, "elu": functional.elu, "selu": torch.selu,
}  # fmt: skip


@dataclass(frozen=True)
class EncoderSettings:
    """What shapes the encoder; names as the hyperparameters'."""

    feature_dim: int
    num_topics: int
    layer_sizes: tuple[int, ...]
    activation: str
    batch_norm: bool
    posterior_batch_norm: bool
    posterior_scale: float
    posterior_noise: float
    dropout: float = 0.0
    uniform: bool = False
    """Weights and biases start as in torch's linear layers, instead of as Glorot's weights and zeros."""
    learned_shift: tuple[float, ...] | None = None
    """Where a shift of the posterior's mean, the same for all documents, begins; (K,). None is no such shift."""


class BatchNorm:
    """Batch normalisation of the columns of a (B, H) block to a given, not learned, scale and shift.

    The rows are those of all hosts together. A batch of one document has no variance; it is normalised by the running
    figures, as at inference. These are the plain mean over the first batches, and only then forget older ones, so that
    they serve from the first epoch on.
    """

    momentum = 0.05
    epsilon = 1e-5

    def __init__(self, width: int, hosts: Hosts, scale: Tensor | None = None, shift: Tensor | None = None) -> None:
        self._hosts, self._on_device = hosts, False
        self.mean, self.variance = torch.zeros(width), torch.ones(width)
        self.batches = torch.zeros((), dtype=torch.int64)
        """How many batches the running figures have seen; always on the host, which needs the number."""
        self.scale = torch.ones(width) if scale is None else scale
        self.shift = torch.zeros(width) if shift is None else shift

    def __call__(self, block: Tensor, training: bool) -> Tensor:
        """Return the normalised block; while training, take part of the batch's figures into the running ones."""
        if not training:
            return self._apply(block, self.mean, self.variance)
        if self._hosts.size == 1:
            return self._normalise_alone(block)
        rows, mean, variance = self._moments(block)
        if rows < 2:
            return self._apply(block, self.mean, self.variance)
        self._remember(mean, variance)
        return self._apply(block, mean, variance)

    def _apply(self, block: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return (block - mean) * (self.scale * torch.rsqrt(variance + self.epsilon)) + self.shift

    def _normalise_alone(self, block: Tensor) -> Tensor:
        """Return the block normalised by its own rows, by one operation of torch's instead of ten."""
        if len(block) < 2:
            return self._apply(block, self.mean, self.variance)
        normalised: Tensor
        normalised, mean, factor = torch.native_batch_norm(
            block, self.scale, self.shift, None, None, True, 0.0, self.epsilon
        )
        self._remember(mean, factor.pow(-2).sub_(self.epsilon).clamp_(min=0))
        return normalised

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.batches += 1
        momentum = max(self.momentum, 1 / int(self.batches))
        self.mean.lerp_(mean, momentum)
        self.variance.lerp_(variance, momentum)

    def _moments(self, block: Tensor) -> tuple[int, Tensor, Tensor]:
        """Return the number of all hosts' rows, their mean and their variance."""
        wide = block.double()  # a variance is the small difference of two large numbers
        own = wide.new_full((1,), float(len(wide)))
        sums = total(self._hosts, torch.cat([wide.sum(0), wide.square().sum(0), own]))
        rows = max(self._count(len(block)) if self._on_device else int(sums[-1]), 1)
        mean, square = (sums[:-1] / rows).chunk(2)
        return rows, mean.float(), (square - mean.square()).clamp(min=0).float()

    def _count(self, rows: int) -> int:
        """Return the number of all hosts' rows, told from host to host: for the device's sum it would have to wait."""
        number = torch.tensor([float(rows)], dtype=torch.float64)
        self._hosts.reduce(number).wait()
        return int(number)

    def move(self, device: torch.device) -> None:
        """Go over to a device."""
        self._on_device = True
        for tensor in (self.mean, self.variance, self.scale, self.shift):
            tensor.data = tensor.data.to(device)

    def fold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (M, H) and bias (H,) of the affine map followed by this normalisation at inference."""
        factor = self.scale * torch.rsqrt(self.variance + self.epsilon)
        return weight * factor, (bias - self.mean) * factor + self.shift


class Encoder:
    """The trainable state of an encoder. Weights are drawn from `generator`, which dropout draws from, too.

    Weights are stored (in, out), so that a document's words gather contiguous rows of the first layer. The heads of the
    posterior's mean and log variance are one layer, ``heads``. `hosts` normalise their batches together.
    """

    def __init__(self, settings: EncoderSettings, generator: torch.Generator, hosts: Hosts = ALONE) -> None:
        self.settings, self._generator = settings, generator
        num_topics = settings.num_topics
        sizes = (settings.feature_dim, *settings.layer_sizes)
        self.weights: dict[str, Tensor] = {}
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            self._add_layer(f"encoder_{layer}", fan_in, [fan_out])
        self._add_layer("heads", sizes[-1], [num_topics, num_topics])  # of the mean and of the log variance
        self.first: FirstLayer = SparseLayer(
            self.weights["encoder_0_weight"].requires_grad_(False), self.weights["encoder_0_bias"]
        )
        self.norms: dict[str, BatchNorm] = {}
        if settings.batch_norm:
            self.norms |= {
                f"encoder_{layer}": BatchNorm(size, hosts) for layer, size in enumerate(settings.layer_sizes)
            }
        if settings.posterior_batch_norm:
            scale = torch.cat([torch.full((num_topics,), settings.posterior_scale), torch.ones(num_topics)])
            shift = torch.cat([torch.zeros(num_topics), torch.full((num_topics,), math.log(settings.posterior_noise))])
            self.norms["heads"] = BatchNorm(2 * num_topics, hosts, scale, shift)
        if settings.learned_shift is not None:
            self.weights["heads_shift_bias"] = torch.tensor(settings.learned_shift).requires_grad_()

    def posterior(self, batch: AnyBatch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""
        by_word = batch.input_by_word if training else None
        hidden, reached = torch.empty(0), Reached()
        for layer in range(len(self.settings.layer_sizes)):
            name, below, reached = f"encoder_{layer}", reached, Reached()
            rectified = self.settings.activation == "relu" and name not in self.norms
            outputs = reached if rectified else None
            hidden = self._affine(name, hidden, below, outputs) if layer else self.first(batch.input, by_word, outputs)
            if not rectified:
                hidden = _ACTIVATIONS[self.settings.activation](self._normalise(name, hidden, training))
        if training and self.settings.dropout:
            hidden = self._drop(hidden, reached)
        mu, logvar = self._normalise("heads", self._affine("heads", hidden, reached), training).chunk(2, 1)
        return (mu + self.weights["heads_shift_bias"] if "heads_shift_bias" in self.weights else mu), logvar

    def move(self, device: torch.device) -> torch.Generator:
        """Go over to a device and to the kernels made for such; return what is drawn from there."""
        self._generator = torch.Generator(device)
        for tensor in self.weights.values():
            tensor.data = tensor.data.to(device)
        for norm in self.norms.values():
            norm.move(device)
        self.first = DenseLayer(self.first.weight, self.first.bias)
        return self._generator

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""
        yield from self.weights.items()
        for name, norm in self.norms.items():
            yield f"{name}_running_mean", norm.mean
            yield f"{name}_running_variance", norm.variance
            yield f"{name}_running_batches", norm.batches

    @torch.no_grad()
    def export(self) -> dict[str, Tensor]:
        """Return the arrays of a served encoder, batch normalisation folded in, weights of shape (out, in)."""
        arrays: dict[str, Tensor] = {}
        for name in [*(f"encoder_{layer}" for layer in range(len(self.settings.layer_sizes))), "heads"]:
            weight, bias = self.weights[f"{name}_weight"], self.weights[f"{name}_bias"]
            if name in self.norms:
                weight, bias = self.norms[name].fold(weight, bias)
            arrays[f"{name}_weight"], arrays[f"{name}_bias"] = weight.t(), bias
        for part in ("weight", "bias"):
            arrays[f"mean_{part}"], arrays[f"logvar_{part}"] = arrays.pop(f"heads_{part}").chunk(2, 0)
        if "heads_shift_bias" in self.weights:
            arrays["mean_bias"] = arrays["mean_bias"] + self.weights["heads_shift_bias"]
        return arrays

    def _add_layer(self, name: str, fan_in: int, fans_out: list[int]) -> None:
        if self.settings.uniform:
            bound = 1 / math.sqrt(fan_in)
            weight = _uniform((fan_in, sum(fans_out)), bound, self._generator)
            bias = _uniform((sum(fans_out),), bound, self._generator)
        else:
            weight = torch.cat([_glorot(fan_in, fan_out, self._generator) for fan_out in fans_out], 1)
            bias = torch.zeros(sum(fans_out))
        self.weights[f"{name}_weight"], self.weights[f"{name}_bias"] = weight.requires_grad_(), bias.requires_grad_()

    def _affine(self, name: str, block: Tensor, inputs: Reached, outputs: Reached | None = None) -> Tensor:
        return affine(block, self.weights[f"{name}_weight"], self.weights[f"{name}_bias"], inputs, outputs)

    def _normalise(self, name: str, block: Tensor, training: bool) -> Tensor:
        return self.norms[name](block, training) if name in self.norms else block

    def _drop(self, block: Tensor, reached: Reached) -> Tensor:
        """Return the block with a share of its numbers set to zero and the others raised to keep their mean."""
        kept = 1 - self.settings.dropout
        mask = block.new_empty(len(block), self.settings.layer_sizes[-1]).bernoulli_(kept, generator=self._generator)
        return block * take(mask, 1, reached.units).div_(kept)


def to_numpy(arrays: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Return copies of tensors as numpy arrays in row order."""
    return {name: tensor.detach().cpu().numpy().copy(order="C") for name, tensor in arrays.items()}


def _glorot(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
    """Return a weight drawn as Glorot and Bengio 2010, equation 16, prescribe."""
    return _uniform((fan_in, fan_out), math.sqrt(6 / (fan_in + fan_out)), generator)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator).mul_(2 * bound).sub_(bound)
