"""Fitted topic models: arrays with a numpy transform. No torch, so that a serving worker starts fast and small."""

from collections.abc import Callable, Mapping

from topicdock.model.dirichlet import DirichletTopicModel
from topicdock.model.embedded import EmbeddedTopicModel
from topicdock.model.encoded import EncodedTopicModel
from topicdock.model.neural import NeuralTopicModel
from topicdock.model.topic_model import Floats, Metadata, TopicModel

MODELS: Mapping[str, Callable[[Mapping[str, Floats], Metadata], TopicModel]] = {
    model.algorithm: model for model in (NeuralTopicModel, DirichletTopicModel, EmbeddedTopicModel)
}
"""The class that serves each algorithm's arrays."""

__all__ = [
    "MODELS",
    "DirichletTopicModel",
    "EmbeddedTopicModel",
    "EncodedTopicModel",
    "Metadata",
    "NeuralTopicModel",
    "TopicModel",
]
