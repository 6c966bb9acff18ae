"""A fitted neural topic model (NTM) in numpy: what a serving worker holds.

The encoder is a multi-layer perceptron from word counts to the mean of a Gaussian posterior; the topic proportions
are the softmax of that mean; the decoder is one affine map from proportions to word logits:

    pi    = MLP(g(x))                 g: counts as they are, or log(1 + counts)
    mu    = A pi + a
    theta = softmax(mu)
    p(w)  = softmax(W theta + b)      W is SageMaker's ``arg:projection_weight``

Any batch normalisation used while training is folded into these weights by the code that fitted them.

References
----------
Miao, Yu, Blunsom, "Neural Variational Inference for Text Processing", ICML 2016 (arXiv 1511.06038).
Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018 (arXiv 1809.02687).
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from topicdock.model.activations import log_softmax, softmax
from topicdock.model.encoded import EncodedTopicModel
from topicdock.model.topic_model import Floats


class NeuralTopicModel(EncodedTopicModel):
    """NTM as it is served: an encoder, ``projection_weight`` (V, K) and ``projection_bias`` (V,)."""

    algorithm: ClassVar[str] = "ntm"
    own_shapes = {"projection_bias": "V"}  # noqa: RUF012 - declared as a class variable where it comes from
    default_activation = "sigmoid"

    @property
    def topic_scores(self) -> Floats:
        """W transposed, shape (K, V): how much a topic raises each word's logit above the background."""
        return self._arrays["projection_weight"].T

    @cached_property
    def beta(self) -> Floats:
        """softmax(W e_k + b) for each topic k, shape (K, V): what a document of that topic alone would hold."""
        return softmax(self.topic_scores + self._arrays["projection_bias"])

    def word_log_probabilities(self, theta: Floats) -> Floats:
        """log softmax(W theta + b), shape (D, V)."""
        return log_softmax(theta @ self._arrays["projection_weight"].T + self._arrays["projection_bias"])
