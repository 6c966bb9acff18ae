"""NTM, a variational autoencoder on word counts.

The generative story of a document of n words:

    h ~ N(m, S)                      a Gaussian: N(0, I), or the Laplace approximation of a Dirichlet
    theta = softmax(h)               topic proportions, shape (K,)
    w_1 ... w_n ~ softmax(W theta + b)

An encoder gives the posterior N(mu, diag exp(logvar)) of h from the document's counts x; training minimises

    loss = -E log p(x | theta) + KL(N(mu, diag exp(logvar)) || N(m, S))

with one sample of h a document and step. Losses are reported in nats per word.

Departures from the built-in, all of them defaults that ``recipe=sagemaker`` takes back: the encoder sees
log(1 + counts), the prior is a Dirichlet's, the posterior is batch-normalised, the decoder's bias starts at the
corpus's log frequencies so that ``W[:, k]`` is topic k's deviation from the background. In any recipe the last partial
batch counts in full, all validation documents are scored, and scoring uses the posterior's mean, as serving does.

References
----------
Miao, Yu, Blunsom, "Neural Variational Inference for Text Processing", ICML 2016.
Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018.
Srivastava, Sutton, "Autoencoding Variational Inference for Topic Models", ICLR 2017 (equations 2 to 4, the prior).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.batches import Batch, BatchSettings, iterate
from topicdock.algorithms.early_stopping import EarlyStopping
from topicdock.algorithms.network import Network, NetworkSettings
from topicdock.algorithms.optimizers import Optimizer, OptimizerSettings, Parameter
from topicdock.algorithms.progress import EpochReport, Losses, Reporter, SilentReporter
from topicdock.errors import AlgorithmError
from topicdock.model import Metadata, NeuralTopicModel
from topicdock.spec.ntm import NTMHyperparameters, Plan

_SCORING_BATCH = 1024
_WARM_UP = 0.1
_LAZY_SHARE = 0.5
"""Of the vocabulary: where a batch holds more of it, updating all rows costs less than gathering those."""
_LEAST_FACTOR = 1e-3


@dataclass(frozen=True)
class Prior:
    """The Gaussian prior of h: its mean (zero) and the variance of each component."""

    variance: float

    @classmethod
    def laplace(cls, alpha: float, num_topics: int) -> Prior:
        """Return the Laplace approximation, in the softmax basis, of a symmetric Dirichlet.

        The mean is 0 and the variance (1 - 2/K) / alpha + 1 / (K alpha) (Srivastava and Sutton 2017, equation 3).
        """
        return cls((1 - 2 / num_topics) / alpha + 1 / (num_topics * alpha))

    def divergence(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return KL(N(mu, exp(logvar)) || prior) of each document in nats, shape (B,)."""
        ratio = (logvar.exp() + mu * mu) / self.variance
        return 0.5 * (ratio - 1 - logvar + math.log(self.variance)).sum(1)


@dataclass(frozen=True)
class Fit:
    """What :func:`fit` returns.

    Attributes
    ----------
    model : NeuralTopicModel
    best_epoch : int
        The epoch (from 1) whose weights the model holds; 0 when training was stopped before the first one ended.
    best_loss : float
        The loss of that epoch, validation if there is one.
    epochs : int
        How many epochs were completed.
    score : callable
        From counts, shape (D, V), to the model's losses on them.
    """

    model: NeuralTopicModel
    best_epoch: int
    best_loss: float
    epochs: int
    score: Callable[[csr_matrix], Losses]


def fit(
    counts: csr_matrix,
    hyperparameters: NTMHyperparameters,
    *,
    validation: csr_matrix | None = None,
    vocabulary: tuple[str, ...] | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Fit:
    """Fit NTM to word counts.

    Parameters
    ----------
    counts : csr_matrix of float32, shape (D, V)
        Training documents; D is at least 1 and at least one document has a word.
    hyperparameters : NTMHyperparameters
    validation : csr_matrix, shape (D', V), optional
        Decides when to stop and which epoch is kept; without it the training loss does.
    vocabulary : tuple of str, optional
        Goes into the model.
    reporter : Reporter, optional
    should_stop : callable
        Asked before every step; True ends training, and the best epoch so far is returned.

    Raises
    ------
    AlgorithmError
        The loss left the finite numbers.
    """
    hyperparameters = hyperparameters.resolve(counts.shape[0])
    plan = hyperparameters.plan(counts.shape[0])
    trainer = _Trainer(counts, hyperparameters, plan)
    reporter = reporter or SilentReporter()
    stopping = EarlyStopping(plan.num_patience_epochs, hyperparameters.tolerance)
    completed, best_epoch, best_loss, best_state = 0, 0, math.inf, None
    for epoch in range(1, plan.epochs + 1):
        reporter.epoch_started(epoch)
        started = time.perf_counter()
        losses = trainer.train_epoch(should_stop)
        if losses is None:  # stopped within the epoch
            break
        trained = time.perf_counter()
        scored = None if validation is None else trainer.score(validation)
        ended = time.perf_counter()
        completed, loss = epoch, (scored or losses).total
        if not math.isfinite(loss):
            raise AlgorithmError(
                f"the loss is no longer a finite number in epoch {epoch}; lower learning_rate or set clip_gradient"
            )
        if loss < best_loss:
            best_epoch, best_loss, best_state = epoch, loss, trainer.network.snapshot()
        patience = stopping.observe(loss)
        reporter.epoch_finished(EpochReport(epoch, losses, scored, patience, trained - started, ended - trained))
        if (patience is not None and patience.exceeded) or should_stop():
            break
    if best_state is not None:
        trainer.network.restore(best_state)
    arrays = trainer.network.export()
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise AlgorithmError("the weights are no longer finite numbers; lower learning_rate or set clip_gradient")
    metadata = Metadata(hyperparameters.model_dump(mode="json"), vocabulary)
    return Fit(NeuralTopicModel(arrays, metadata), best_epoch, best_loss, completed, trainer.score)


class _Trainer:
    """Network, optimiser and random numbers of one fit."""

    def __init__(self, counts: csr_matrix, hyperparameters: NTMHyperparameters, plan: Plan) -> None:
        h = self._hyperparameters = hyperparameters
        self._counts = counts
        self._generator = torch.Generator().manual_seed(h.seed)
        network_settings = NetworkSettings(
            h.feature_dim, h.num_topics, h.layer_sizes(), h.encoder_layers_activation,
            h.batch_norm, h.posterior_batch_norm, h.posterior_scale, h.posterior_noise or 1.0,
        )  # fmt: skip
        bias = background(counts) if h.decoder_bias == "background" else np.zeros(h.feature_dim, np.float32)
        self.network = Network(network_settings, bias, self._generator)
        self._prior = Prior.laplace(h.prior_alpha, h.num_topics) if h.prior == "dirichlet" else Prior(1.0)
        self._optimizer = Optimizer(self._parameters(), OptimizerSettings(
            h.optimizer, h.learning_rate, h.weight_decay, h.rescale_gradient, h.clip_gradient,
            h.lazy_updates and expected_share(counts, plan.mini_batch_size) < _LAZY_SHARE,
        ))  # fmt: skip
        self._batching = BatchSettings(
            plan.mini_batch_size, h.sub_sample, h.seed, h.encoder_input == "log1p", h.predict_unseen,
            join_last=h.posterior_batch_norm or h.batch_norm,
        )  # fmt: skip
        self._epoch, self._epochs = 0, plan.epochs

    def _parameters(self) -> list[Parameter]:
        parameters = []
        for name, tensor in self.network.weights.items():
            decoder, first = name == "decoder", name == "encoder_0_weight"
            rate = float(self._hyperparameters.projection_rate_factor or 1.0) if decoder else 1.0
            layer = self.network.first if first else None
            parameters.append(Parameter(tensor, not name.endswith("_bias"), decoder, rate, layer))
        return parameters

    def train_epoch(self, should_stop: Callable[[], bool]) -> Losses | None:
        """Take one pass over the documents (or over the share to be sampled); None if stopped before its end."""
        self._epoch += 1
        total = _Sums()
        drawn = math.ceil(self._batching.sub_sample * self._counts.shape[0])
        batches = math.ceil(drawn / self._batching.mini_batch_size)
        for number, batch in enumerate(iterate(self._counts, self._batching, self._epoch)):
            if should_stop():
                return None
            done = (self._epoch - 1 + number / batches) / self._epochs
            total.add(batch, *self._step(batch, done))
        return total.losses()

    def _step(self, batch: Batch, done: float) -> tuple[float, float]:
        """Take one step; `done` is the share of the whole training that lies behind."""
        mu, logvar = self.network.posterior(batch, training=True)
        noise = torch.randn(mu.shape, generator=self._generator)
        theta = torch.softmax(mu + torch.exp(0.5 * logvar) * noise, 1)
        recon = self.network.decoder(theta, batch)
        kl = self._prior.divergence(mu, logvar).sum()
        ((recon + kl) / len(batch)).backward()  # type: ignore[no-untyped-call]
        decoder = self.network.weights["decoder"]
        if decoder.grad is not None:
            self._add_prior(decoder.detach()[:-1], decoder.grad[:-1])
        one_cycle = self._hyperparameters.learning_rate_schedule == "one_cycle"
        self._optimizer.step(one_cycle_factor(done) if one_cycle else 1.0)
        return float(recon.detach()), float(kl.detach())

    def _add_prior(self, weight: Tensor, gradient: Tensor) -> None:
        """Add the gradients of the priors on W to `gradient`; `weight` is W transposed, shape (K, V).

        In nats per document: ``precision / 2 |W|^2 / D``, and ``exclusivity / D`` times the sum over words and pairs of
        topics of the product of their weights, where both are positive.
        """
        documents = self._counts.shape[0]
        precision, exclusivity = (
            self._hyperparameters.projection_precision,
            self._hyperparameters.projection_exclusivity,
        )
        if precision:
            gradient.add_(weight, alpha=precision / documents)
        if exclusivity:
            positive = torch.relu(weight)
            gradient.add_(torch.where(positive > 0, positive.sum(0) - positive, 0.0), alpha=exclusivity / documents)

    @torch.no_grad()
    def score(self, counts: csr_matrix) -> Losses:
        """Return the losses of documents, shape (D, V), at the posterior's mean."""
        total = _Sums()
        for start in range(0, counts.shape[0], _SCORING_BATCH):
            batch = Batch.of(counts[start : start + _SCORING_BATCH], log_input=self._batching.log_input)
            mu, logvar = self.network.posterior(batch, training=False)
            recon = self.network.decoder(torch.softmax(mu, 1), batch)
            total.add(batch, float(recon), float(self._prior.divergence(mu, logvar).sum()))
        # Counted in the job's batches, whatever is convenient here.
        return replace(total.losses(), batches=math.ceil(counts.shape[0] / self._batching.mini_batch_size))


class _Sums:
    """Adds up the losses of batches."""

    def __init__(self) -> None:
        self._recon = self._kl = self._words = 0.0
        self._documents = self._batches = 0

    def add(self, batch: Batch, recon: float, kl: float) -> None:
        self._recon += recon
        self._kl += kl
        self._words += float(batch.lengths.sum(dtype=torch.float64))
        self._documents += len(batch)
        self._batches += 1

    def losses(self) -> Losses:
        words = max(self._words, 1.0)  # documents without any word have a divergence all the same
        return Losses(self._recon / words, self._kl / words, self._documents, self._batches)


def one_cycle_factor(done: float) -> float:
    """Return the factor on the learning rate when the share `done` (0 to 1) of training lies behind.

    It rises from 0 to 1 over the first tenth and falls to 0 along half a cosine.
    """
    if done < _WARM_UP:
        return max(done / _WARM_UP, _LEAST_FACTOR)
    return max(0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))), _LEAST_FACTOR)


def expected_share(counts: csr_matrix, batch: int) -> float:
    """Return the share of the vocabulary that `batch` documents drawn from `counts` can be expected to hold."""
    held_by = np.bincount(counts.indices, minlength=counts.shape[1]) / counts.shape[0]
    return float(np.mean(-np.expm1(batch * np.log1p(-np.minimum(held_by, 1 - 1e-9)))))


def background(counts: csr_matrix) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the log of each word's frequency in the corpus, shape (V,), half an occurrence added to each."""
    occurrences = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    log_frequencies: np.ndarray[tuple[int], np.dtype[np.float32]] = np.log(occurrences / occurrences.sum()).astype(
        np.float32
    )
    return log_frequencies
