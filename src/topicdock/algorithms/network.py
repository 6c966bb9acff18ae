"""NTM's network: an encoder and a softmax decoder, and how they become a served model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.decoder import Decoder
from topicdock.algorithms.device_kernels import DenseDecoder
from topicdock.algorithms.encoder import Encoder, EncoderSettings, to_numpy
from topicdock.algorithms.handicap import Handicap
from topicdock.algorithms.hosts import Hosts


class Network:
    """The trainable state. Weights are drawn from `generator`.

    The decoder's weight and bias are one array, ``decoder``, of shape (K + 1, V).

    Parameters
    ----------
    bias : array, shape (V,)
        Where the decoder's bias starts.
    handicap : Handicap
        What goes from the decoder's weights to its bias where topics' words are ranked, and in the exported model.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        bias: NDArray[np.float32],
        handicap: Handicap,
        generator: torch.Generator,
        hosts: Hosts,
    ) -> None:
        self.encoder = Encoder(settings, generator, hosts)
        spread = torch.randn(settings.feature_dim, settings.num_topics, generator=generator) * 0.02
        decoder = torch.cat([spread.t(), torch.from_numpy(bias)[None]]).contiguous().requires_grad_()
        self.weights = {**self.encoder.weights, "decoder": decoder}
        self.decoder: Callable[[Tensor, Any], Tensor] = Decoder(decoder)
        self._handicap = handicap

    def move(self, device: torch.device) -> torch.Generator:
        """Go over to a device and to the kernels made for such; return what is drawn from there."""
        generator = self.encoder.move(device)
        decoder = self.weights["decoder"]
        decoder.data = decoder.data.to(device)
        self._handicap.move(device)
        self.decoder = DenseDecoder(decoder)
        return generator

    def posterior(self, batch: AnyBatch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""
        return self.encoder.posterior(batch, training=training)

    def reconstruct(self, theta: Tensor, batch: AnyBatch) -> tuple[Tensor, None]:
        """Return the sum over documents of the reconstruction errors, in nats, a scalar; theta has shape (B, K)."""
        return self.decoder(theta, batch), None

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""
        yield from self.encoder.state()
        yield "decoder", self.weights["decoder"]

    def fixed(self) -> Iterator[tuple[str, Tensor]]:
        """Yield nothing: training changes all."""
        return iter(())

    @torch.no_grad()
    def top_words(self, number: int) -> NDArray[np.intp]:
        """Return the ids of each topic's `number` heaviest words, best first, shape (K, number)."""
        weight = self.weights["decoder"][:-1]
        weight = weight - self._handicap.of(weight)
        return np.asarray(torch.topk(weight, min(number, weight.shape[1])).indices.cpu().numpy(), np.intp)

    @torch.no_grad()
    def export(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of a served model."""
        weight, bias = self.weights["decoder"][:-1], self.weights["decoder"][-1]
        handicap = self._handicap.of(weight)
        # A softmax does not change with the level of its bias: make it the log of a distribution over words.
        background = torch.log_softmax(bias, 0)
        projection = {"projection_weight": (weight - handicap).t(), "projection_bias": background + handicap}
        return to_numpy(self.encoder.export() | projection)
