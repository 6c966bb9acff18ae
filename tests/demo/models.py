"""A model small enough to know."""

import numpy as np

from topicdock.model import Metadata, NeuralTopicModel


def make_model() -> NeuralTopicModel:
    """Return two topics over four words: anchor is likeliest in the first, fish and sea in the second."""
    weight = np.array([[3.0, 1.0], [2.0, 0.5], [1.0, 4.0], [0.0, 3.0]], dtype=np.float32)
    arrays = {
        "encoder_0_weight": np.zeros((3, 4), np.float32),
        "encoder_0_bias": np.zeros(3, np.float32),
        "mean_weight": np.zeros((2, 3), np.float32),
        "mean_bias": np.zeros(2, np.float32),
        "projection_weight": weight,
        "projection_bias": np.zeros(4, np.float32),
    }
    return NeuralTopicModel(arrays, Metadata(vocabulary=("anchor", "boat", "fish", "sea")))
