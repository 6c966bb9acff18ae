"""Fitted topic models: arrays with a numpy transform. No torch, so that a serving worker starts fast and small."""

from topicdock.model.embedded import EmbeddedTopicModel
from topicdock.model.encoded import EncodedTopicModel
from topicdock.model.neural import NeuralTopicModel
from topicdock.model.topic_model import Metadata, TopicModel

MODELS: dict[str, type[EncodedTopicModel]] = {
    model.algorithm: model for model in (NeuralTopicModel, EmbeddedTopicModel)
}
"""The class that serves each algorithm's arrays."""

__all__ = ["MODELS", "EmbeddedTopicModel", "EncodedTopicModel", "Metadata", "NeuralTopicModel", "TopicModel"]
