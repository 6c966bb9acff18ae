"""A fitted encoder in numpy: from a document's words to its topic proportions, as NTM and ETM serve them.

    pi    = MLP(g(x))                 g: counts as they are, log(1 + counts), or their shares of the document
    mu    = A pi + a
    theta = softmax(mu)

Any batch normalisation used while training is folded into these weights by the code that fitted them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.corpus.bag_of_words import to_frequencies, with_counts
from topicdock.errors import CustomerError
from topicdock.model.activations import ACTIVATIONS, softmax
from topicdock.model.topic_model import Floats, Metadata, TopicModel


class EncodedTopicModel(TopicModel):
    """A topic model whose topic proportions an encoder tells.

    Parameters
    ----------
    arrays : mapping of str to float32 array
        ``encoder_<i>_weight`` (H_i, H_{i-1}) with H_{-1} = V and ``encoder_<i>_bias`` (H_i,), ``mean_weight`` (K, H),
        ``mean_bias`` (K,), ``projection_weight`` (V, K), and what the algorithm adds. Others are kept, not used.
    metadata : Metadata
        Its hyperparameters name the activation (``encoder_layers_activation``) and the encoder's input
        (``encoder_input``: ``counts``, ``log1p`` or ``frequencies``).

    Raises
    ------
    CustomerError
        Arrays are missing or do not fit together.
    """

    own_shapes: ClassVar[Mapping[str, str]] = {}
    """The arrays that the algorithm adds, and their shapes in letters: V, K, or E for any size, the same in all."""

    default_activation: ClassVar[str] = "relu"

    def __init__(self, arrays: Mapping[str, Floats], metadata: Metadata) -> None:
        self._arrays = dict(arrays)
        self.metadata = metadata
        self._depth = sum(name.startswith("encoder_") and name.endswith("_weight") for name in arrays)
        self._check_shapes()
        activation = str(metadata.hyperparameters.get("encoder_layers_activation", self.default_activation))
        if activation not in ACTIVATIONS:
            raise CustomerError(
                "the model names an activation that is not known", got=activation, allowed=", ".join(ACTIVATIONS)
            )
        self._activate = ACTIVATIONS[activation]
        self._input = metadata.hyperparameters.get("encoder_input", "counts")
        # (V, H): a CSR document times this is a gather of contiguous rows.
        self._first_weight = np.ascontiguousarray(self._arrays["encoder_0_weight"].T)
        self._arrays["encoder_0_weight"] = self._first_weight.T  # the largest array is held once
        layers = [f"encoder_{layer}" for layer in range(1, self._depth)]
        self._later_layers = [(self._arrays[f"{x}_weight"].T, self._arrays[f"{x}_bias"]) for x in layers]

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

    def transform(self, counts: csr_matrix) -> Floats:
        """Topic proportions softmax(mu), shape (D, K)."""
        return softmax(self.posterior_mean(counts))

    def posterior_mean(self, counts: csr_matrix) -> Floats:
        """mu, shape (D, K), for counts of shape (D, V)."""
        hidden = self._activate(self._show(counts) @ self._first_weight + self._arrays["encoder_0_bias"])
        for weight, bias in self._later_layers:
            hidden = self._activate(_multiply(hidden, weight) + bias)
        mean: Floats = _multiply(hidden, self._arrays["mean_weight"].T) + self._arrays["mean_bias"]
        return mean

    def _show(self, counts: csr_matrix) -> csr_matrix:
        if self._input == "log1p":
            return with_counts(counts, np.log1p(counts.data))
        return to_frequencies(counts) if self._input == "frequencies" else counts

    def _check_shapes(self) -> None:
        names = [f"encoder_{i}_{part}" for i in range(max(self._depth, 1)) for part in ("weight", "bias")]
        names += ["mean_weight", "mean_bias", "projection_weight", *self.own_shapes]
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
        sizes = {"V": vocabulary_size, "K": num_topics}
        expected: dict[str, tuple[int, ...]] = {}
        for name, letters in self.own_shapes.items():
            # A size that nothing else tells is that of the array which has it first.
            sizes |= {x: n for x, n in zip(letters, self._arrays[name].shape, strict=False) if x not in sizes}
            expected[name] = tuple(sizes.get(letter, 0) for letter in letters)
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


def _multiply(rows: Floats, weight: Floats) -> Floats:
    """Return `rows`, (D, H), times `weight`, (H, K), each row as if it were the only one: to the bit.

    A product of matrices adds up in an order that hangs on their shapes, and with it the last digits of a document's
    answer on the documents beside it. This takes twice as long, and little of what there is to do for a document.
    """
    product: Floats = np.matmul(rows[:, np.newaxis], weight)[:, 0]
    return product
