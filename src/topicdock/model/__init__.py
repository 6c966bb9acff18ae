"""Fitted topic models: arrays with a numpy transform. No torch, so that a serving worker starts fast and small."""

from topicdock.model.neural import NeuralTopicModel
from topicdock.model.topic_model import Metadata, TopicModel

MODELS: dict[str, type[NeuralTopicModel]] = {NeuralTopicModel.algorithm: NeuralTopicModel}
"""The class that serves each algorithm's arrays."""

__all__ = ["MODELS", "Metadata", "NeuralTopicModel", "TopicModel"]
