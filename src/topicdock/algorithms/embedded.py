"""ETM's network: an encoder, and topics that are points among the words; how it becomes a served model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from topicdock.algorithms.affine import similarities
from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.device_kernels import log_softmax_of_columns, mix
from topicdock.algorithms.doubt import doubt
from topicdock.algorithms.encoder import Encoder, EncoderSettings, to_numpy
from topicdock.algorithms.exchange import mean
from topicdock.algorithms.gradients import Apart
from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.mixture import reconstruct

Floats = NDArray[np.float32]
_USAGE_MOMENTUM = 0.05


@dataclass(frozen=True)
class Space:
    """Where words and topics begin, and what of it is learned.

    Attributes
    ----------
    word_embeddings : array, shape (V, E)
    learned : bool
        Whether training changes these.
    topic_embeddings : array, shape (K, E)
    bias : array of shape (V,) or None
        Added to all topics' logits, and learned; None is no bias.
    background : bool
        The first topic stays at the origin, where beta is the softmax of the bias alone.
    scale : float
        By how much the word embeddings were divided, and are multiplied in the served model.
    """

    word_embeddings: Floats
    learned: bool
    topic_embeddings: Floats
    bias: Floats | None
    background: bool
    scale: float = 1.0


@dataclass(frozen=True)
class Prices:
    """What training pays for, beyond the bound on the likelihood.

    Attributes
    ----------
    exclusivity : float
        Nats a word for each nat of doubt which topic a word is of.
    balance : float
        Nats a document for each nat by which a batch's topics are unequally common.
    """

    exclusivity: float
    balance: float


class EmbeddedNetwork:
    """The trainable state. What `space` holds becomes tensors; the encoder's weights are drawn from `generator`.

    Parameters
    ----------
    frequencies : array, shape (V,)
        Of the words in the training documents; they sum to 1.
    prices : Prices
    poisson : bool
        Words are drawn from Poissons of rate theta beta, which adds to the error what no weight has a part in.
    floor : float
        Added to every probability before its logarithm.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        space: Space,
        frequencies: Floats,
        *,
        prices: Prices,
        poisson: bool,
        floor: float = 0.0,
        generator: torch.Generator,
        hosts: Hosts = ALONE,
    ) -> None:
        self._hosts = hosts
        self.encoder = Encoder(settings, generator, self._hosts)
        self._space, self._prices, self._poisson, self._floor = space, prices, poisson, floor
        self.frequencies = torch.from_numpy(frequencies)
        self._reconstruct: Callable[[Tensor, Tensor, Any, float], Tensor] = reconstruct
        self._normalise: Callable[[Tensor], Tensor] = partial(torch.log_softmax, dim=0)
        self._usage = torch.full((settings.num_topics,), 1 / settings.num_topics)
        # Several hosts add up whole gradients.
        self.words_apart = Apart() if space.learned and hosts.size == 1 else None
        self.words = torch.from_numpy(space.word_embeddings).requires_grad_(space.learned and self.words_apart is None)
        topics = space.topic_embeddings[1:] if space.background else space.topic_embeddings
        self.weights = {**self.encoder.weights, "topic_embeddings": torch.from_numpy(topics.copy()).requires_grad_()}
        if space.learned:
            self.weights["word_embeddings"] = self.words
        if space.bias is not None:
            self.weights["background"] = torch.from_numpy(space.bias).requires_grad_()

    def move(self, device: torch.device) -> torch.Generator:
        """Go over to a device and to the kernels made for such; return what is drawn from there."""
        generator = self.encoder.move(device)
        for tensor in (self.words, self.frequencies, self._usage, *self.weights.values()):
            tensor.data = tensor.data.to(device)
        self._reconstruct, self._normalise = mix, log_softmax_of_columns
        self.words_apart = None
        self.words.requires_grad_(self._space.learned)
        return generator

    def posterior(self, batch: AnyBatch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Return mu and logvar, each of shape (B, K)."""
        return self.encoder.posterior(batch, training=training)

    def reconstruct(self, theta: Tensor, batch: AnyBatch) -> tuple[Tensor, Tensor | None]:
        """Return the sum of the documents' reconstruction errors, in nats, and the price of shared words, if any."""
        logits = self.logits()
        recon = self._reconstruct(theta, logits, batch, self._floor)
        if self._poisson:
            # -log Poisson(x; p) = p - x log p + log x!, and p sums to 1 over the words.
            recon = recon + len(batch) + torch.lgamma(batch.values + 1).sum()
        if not torch.is_grad_enabled():
            return recon, None
        if not (self._prices.exclusivity or self._prices.balance):
            return recon, None
        price = theta.new_zeros(())
        shares = mean(self._hosts, theta)
        if self._prices.exclusivity:
            self._usage.lerp_(shares.detach(), _USAGE_MOMENTUM)
            price = price + self._prices.exclusivity * batch.lengths.sum() * self.doubt(logits)
        if self._prices.balance:
            price = price + self._prices.balance * len(batch) * self.imbalance(shares)
        return recon, price

    def logits(self) -> Tensor:
        """Return the words' logits in each topic, shape (V, K)."""
        logits = similarities(self.words, self._topics(), self.words_apart)
        return logits + self.weights["background"].unsqueeze(1) if "background" in self.weights else logits

    def doubt(self, logits: Tensor) -> Tensor:
        """Return the mean over words of the entropy of p(topic | word), in nats, a scalar.

        p(topic k | word v) is proportional to beta_kv times the mean of theta_k over the last batches.
        """
        return doubt(logits, self._usage, self.frequencies, self._normalise)

    def imbalance(self, share: Tensor) -> Tensor:
        """Return how far the topics' mean share of the documents, (K,), is from being the same, in nats, a scalar.

        The divergence of that share from a uniform one, the background left out.
        """
        share = share[1:] if self._space.background else share
        share = share / share.sum()
        return math.log(len(share)) + (share * torch.log(share + 1e-9)).sum()

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield everything that training changes, by name."""
        yield from self.encoder.state()
        yield from ((name, tensor) for name, tensor in self.weights.items() if name not in self.encoder.weights)
        yield "usage", self._usage

    def fixed(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the word embeddings, unless they are learned: what a topic's embedding says, it says to these."""
        if not self._space.learned:
            yield "word_embeddings", self.words

    @torch.no_grad()
    def top_words(self, number: int) -> NDArray[np.intp]:
        """Return the ids of each topic's `number` likeliest words, best first, shape (K, number)."""
        logits = self.logits().t()
        return np.asarray(torch.topk(logits, min(number, logits.shape[1])).indices.cpu().numpy(), np.intp)

    @torch.no_grad()
    def export(self) -> dict[str, Floats]:
        """Return the arrays of a served model."""
        return to_numpy(self.encoder.export()) | to_numpy(
            {
                "projection_weight": torch.log_softmax(self.logits(), 0),
                "word_embeddings": self.words * self._space.scale,
                "topic_embeddings": self._topics() / self._space.scale,
            }
        )

    def _topics(self) -> Tensor:
        topics = self.weights["topic_embeddings"]
        return functional.pad(topics, (0, 0, 1, 0)) if self._space.background else topics


def draw_embeddings(rows: int, size: int, generator: torch.Generator) -> Floats:
    """Return embeddings as the authors' code draws them: uniform between -1 and 1 over the root of their size."""
    bound = 1 / math.sqrt(size)
    drawn: Floats = (torch.rand(rows, size, generator=generator) * 2 * bound - bound).numpy()
    return drawn
