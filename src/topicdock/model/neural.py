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

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.errors import CustomerError
from topicdock.model.activations import ACTIVATIONS, log_softmax, softmax
from topicdock.model.topic_model import Floats, Metadata, TopicModel


class NeuralTopicModel(TopicModel):
    """NTM as it is served.

    Parameters
    ----------
    arrays : mapping of str to float32 array
        ``encoder_<i>_weight`` (H_i, H_{i-1}) with H_{-1} = V and ``encoder_<i>_bias`` (H_i,), ``mean_weight`` (K, H),
        ``mean_bias`` (K,), ``projection_weight`` (V, K), ``projection_bias`` (V,). Others are kept, not used.
    metadata : Metadata
        Its hyperparameters name the activation (``encoder_layers_activation``) and the encoder's input
        (``encoder_input``: ``counts`` or ``log1p``).

    Raises
    ------
    CustomerError
        Arrays are missing or do not fit together.
    """

    algorithm: ClassVar[str] = "ntm"

    def __init__(self, arrays: Mapping[str, Floats], metadata: Metadata) -> None:
        self._arrays = dict(arrays)
        self.metadata = metadata
        self._depth = sum(name.startswith("encoder_") and name.endswith("_weight") for name in arrays)
        self._check_shapes()
        activation = str(metadata.hyperparameters.get("encoder_layers_activation", "sigmoid"))
        if activation not in ACTIVATIONS:
            raise CustomerError(
                "the model names an activation that is not known", got=activation, allowed=", ".join(ACTIVATIONS)
            )
        self._activate = ACTIVATIONS[activation]
        self._log_input = metadata.hyperparameters.get("encoder_input", "counts") == "log1p"
        # (V, H): a CSR document times this is a gather of contiguous rows.
        self._first_weight = np.ascontiguousarray(self._arrays["encoder_0_weight"].T)

    @property
    def arrays(self) -> Mapping[str, Floats]:
        """Everything that was fitted, by name."""
        return self._arrays

    @property
    def num_topics(self) -> int:
        """K, the number of topics."""
        return int(self._arrays["projection_weight"].shape[1])

    @property
    def feature_dim(self) -> int:
        """V, the size of the vocabulary."""
        return int(self._arrays["projection_weight"].shape[0])

    @property
    def topic_scores(self) -> Floats:
        """W transposed, shape (K, V): how much a topic raises each word's logit above the background."""
        return self._arrays["projection_weight"].T

    @cached_property
    def beta(self) -> Floats:
        """softmax(W e_k + b) for each topic k, shape (K, V): what a document of that topic alone would hold."""
        return softmax(self.topic_scores + self._arrays["projection_bias"])

    def transform(self, counts: csr_matrix) -> Floats:
        """Topic proportions softmax(mu), shape (D, K)."""
        return softmax(self.posterior_mean(counts))

    def posterior_mean(self, counts: csr_matrix) -> Floats:
        """mu, shape (D, K), for counts of shape (D, V)."""
        documents = counts.log1p() if self._log_input else counts
        hidden = self._activate(documents @ self._first_weight + self._arrays["encoder_0_bias"])
        for layer in range(1, self._depth):
            weight, bias = self._arrays[f"encoder_{layer}_weight"], self._arrays[f"encoder_{layer}_bias"]
            hidden = self._activate(hidden @ weight.T + bias)
        mean: Floats = hidden @ self._arrays["mean_weight"].T + self._arrays["mean_bias"]
        return mean

    def word_log_probabilities(self, theta: Floats) -> Floats:
        """log softmax(W theta + b), shape (D, V)."""
        return log_softmax(theta @ self._arrays["projection_weight"].T + self._arrays["projection_bias"])

    def _check_shapes(self) -> None:
        names = [f"encoder_{i}_{part}" for i in range(max(self._depth, 1)) for part in ("weight", "bias")]
        names += ["mean_weight", "mean_bias", "projection_weight", "projection_bias"]
        missing = [name for name in names if name not in self._arrays]
        if missing:
            raise CustomerError(
                "the model lacks arrays that topicdock needs to serve it",
                got="no " + ", ".join(missing),
                todo="serve a model that topicdock trained; Amazon's own artifacts do not tell how their encoder works",
            )
        matrices = ["projection_weight", *(f"encoder_{layer}_weight" for layer in range(self._depth))]
        for name in matrices:
            shape = self._arrays[name].shape
            if len(shape) != 2 or 0 in shape:
                raise CustomerError(f"the model's array {name} is not a matrix", got=f"shape {shape}")
        vocabulary_size, num_topics = self._arrays["projection_weight"].shape
        expected: dict[str, tuple[int, ...]] = {"projection_bias": (vocabulary_size,)}
        width = vocabulary_size
        for layer in range(self._depth):
            next_width = self._arrays[f"encoder_{layer}_weight"].shape[0]
            expected[f"encoder_{layer}_weight"] = (next_width, width)
            expected[f"encoder_{layer}_bias"] = (next_width,)
            width = next_width
        expected |= {"mean_weight": (num_topics, width), "mean_bias": (num_topics,)}
        for name, shape in expected.items():
            if self._arrays[name].shape != shape:
                raise CustomerError(
                    f"the model's array {name} does not fit the others",
                    got=f"shape {self._arrays[name].shape}",
                    allowed=f"shape {shape}",
                )
