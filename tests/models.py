"""Small models for tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.model import Metadata, NeuralTopicModel


def random_model(
    vocabulary_size: int = 30,
    num_topics: int = 4,
    *,
    layers: tuple[int, ...] = (8, 6),
    vocabulary: tuple[str, ...] | None = None,
    encoder_input: str = "log1p",
    activation: str = "relu",
    seed: int = 0,
) -> NeuralTopicModel:
    """Return a model with random weights."""
    generator = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return generator.normal(size=shape).astype(np.float32)

    sizes = (vocabulary_size, *layers)
    arrays = {}
    for layer, (width, next_width) in enumerate(pairwise(sizes)):
        arrays[f"encoder_{layer}_weight"] = normal(next_width, width)
        arrays[f"encoder_{layer}_bias"] = normal(next_width)
    arrays |= {
        "mean_weight": normal(num_topics, sizes[-1]),
        "mean_bias": normal(num_topics),
        "logvar_weight": normal(num_topics, sizes[-1]),
        "logvar_bias": normal(num_topics),
        "projection_weight": normal(vocabulary_size, num_topics),
        "projection_bias": normal(vocabulary_size),
    }
    hyperparameters = {"encoder_layers_activation": activation, "encoder_input": encoder_input}
    return NeuralTopicModel(arrays, Metadata(hyperparameters, vocabulary, {"best_epoch": 3}))


def random_counts(documents: int = 12, vocabulary_size: int = 30, *, mean: float = 0.5, seed: int = 1) -> csr_matrix:
    """Return Poisson word counts, shape (documents, vocabulary_size)."""
    counts = np.random.default_rng(seed).poisson(mean, (documents, vocabulary_size))
    return csr_matrix(counts.astype(np.float32))
