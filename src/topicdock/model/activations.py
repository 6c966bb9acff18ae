"""The elementwise and row-wise functions of a served model, in numpy and without overflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def _relu(values: Floats) -> Floats:
    return np.maximum(values, np.float32(0))


def _sigmoid(values: Floats) -> Floats:
    # By way of tanh, which does not overflow.
    result: Floats = np.float32(0.5) * (np.float32(1) + np.tanh(np.float32(0.5) * values))
    return result


def _softplus(values: Floats) -> Floats:
    result: Floats = np.logaddexp(values, np.float32(0))
    return result


def _leaky_relu(values: Floats) -> Floats:
    result: Floats = np.maximum(values, np.float32(0.01) * values)
    return result


def _elu(values: Floats) -> Floats:
    result: Floats = np.where(values > 0, values, np.expm1(np.minimum(values, np.float32(0))))
    return result


def _selu(values: Floats) -> Floats:
    # The constants of Klambauer and others, "Self-Normalizing Neural Networks", NeurIPS 2017.
    scale, alpha = np.float32(1.0507009873554805), np.float32(1.6732632423543772)
    result: Floats = scale * np.where(values > 0, values, alpha * np.expm1(np.minimum(values, np.float32(0))))
    return result


ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "sigmoid": _sigmoid, "tanh": np.tanh, "relu": _relu, "softplus": _softplus, "leakyrelu": _leaky_relu, "elu": _elu,
    "selu": _selu,
}  # fmt: skip
"""By the names of the hyperparameter ``encoder_layers_activation``."""


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis; rows sum to 1 and are finite for any finite logits."""
    shifted: Floats = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    sums: Floats = np.add.reduce(shifted, axis=-1, keepdims=True)
    normalised: Floats = shifted / sums
    return normalised


def log_softmax(logits: Floats) -> Floats:
    """Natural log of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
