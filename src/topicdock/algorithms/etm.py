"""ETM, the Embedded Topic Model: words and topics are points of one space.

The generative story of a document of n words:

    h ~ N(0, S)                                  a Gaussian: N(0, I), or the Laplace approximation of a Dirichlet
    theta = softmax(h)                           topic proportions, shape (K,)
    beta_k = softmax over words of (rho alpha_k + b)     rho: (V, E) word embeddings; alpha_k: topic k's embedding
    w_1 ... w_n ~ theta beta                     or x_v ~ Poisson((theta beta)_v), as others write it

An encoder gives the posterior N(mu, diag exp(logvar)) of h from the document's counts x; training minimises

    loss = -E log p(x | theta) + KL(N(mu, diag exp(logvar)) || N(0, S)) + prices

with one sample of h a document and step. Losses are reported in nats per word, without the prices: of words that leave
open which topic they are of, and of topics that are unequally common in a batch.

Departures from the paper, all of them defaults that ``recipe=authors`` takes back: word embeddings come from the mutual
information of words unless vectors are given, topics begin at the centres of clusters of words, b are the words' log
frequencies, the first of ten or more topics stays the background, the two prices, and an encoder like NTM's: a
batch-normalised posterior under a Dirichlet's prior, shown part of a document while the rest is predicted. In any
recipe the last partial batch counts in full, and scoring uses the posterior's mean, as serving does.

References
----------
Dieng, Ruiz, Blei, "Topic Modeling in Embedding Spaces", TACL 2020.
Prostmaier, Vávra, Grün, Hofmarcher, "Seeded Poisson Factorization", 2024 (whose package has ETM with a Poisson).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from topicdock.algorithms.background_prior import hold_background
from topicdock.algorithms.batches import BatchSettings, share_of_short
from topicdock.algorithms.device_optimizer import optimizer_for
from topicdock.algorithms.early_stopping import EarlyStopping
from topicdock.algorithms.embedded import EmbeddedNetwork, Floats, Prices, Space, draw_embeddings
from topicdock.algorithms.encoder import EncoderSettings
from topicdock.algorithms.fitting import Fit, Surroundings, train
from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.optimizers import OptimizerSettings, Parameter
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.progress import Reporter, SilentReporter
from topicdock.algorithms.smoothing import word_frequencies
from topicdock.algorithms.snapshots import Keeper, NoKeeper
from topicdock.algorithms.spectral import cluster, embed_words
from topicdock.algorithms.survey import Survey
from topicdock.algorithms.variational import Annealing, VariationalTrainer
from topicdock.corpus.documents import AnyDocuments, Documents, as_documents
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import AlgorithmError
from topicdock.model import EmbeddedTopicModel, Metadata
from topicdock.spec.etm import ETMHyperparameters, Plan

_LAZY_SHARE = 0.5
"""As for NTM: where a batch holds more of the vocabulary, updating all rows costs less than gathering those."""
_UNKNOWN_SPREAD = 0.6
"""Of the normal from which both originals draw a word that the given vectors lack."""
_CLUSTER_LOGIT = 8.0
"""By how much a topic, at first, raises the logit of a word at the centre of its cluster."""
_BACKGROUND_LEAD = 4.0
"""How far the background's mean posterior begins above the other topics'."""


def fit(
    counts: AnyDocuments,
    hyperparameters: ETMHyperparameters,
    *,
    validation: AnyDocuments | None = None,
    vocabulary: tuple[str, ...] | None = None,
    word_vectors: WordVectors | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    hosts: Hosts = ALONE,
    keeper: Keeper | None = None,
    device: torch.device | None = None,
) -> Fit:
    """Fit ETM to word counts.

    Parameters
    ----------
    counts : csr_matrix of float32 or Documents, shape (D, V)
        Training documents; D is at least 1 and at least one document has a word.
    hyperparameters : ETMHyperparameters
    validation : csr_matrix or Documents, shape (D', V), optional
        Decides when to stop and which epoch is kept; without it the training loss does.
    vocabulary : tuple of str, optional
        Goes into the model.
    word_vectors : WordVectors, optional
        The word embeddings; words that it does not know are drawn from N(0, 0.6^2), as the originals do.
    reporter : Reporter, optional
    should_stop : callable
        Asked at every step; True ends training, and the best epoch so far is returned.
    hosts : Hosts
        That fit one model together; `counts` and `validation` are this one's documents.
    keeper : Keeper, optional
        Has the snapshot to go on from, and is given those to go on from later.
    device : torch.device, optional
        Where to fit, as :func:`topicdock.algorithms.devices.choose_device` says; None is the processor.

    Raises
    ------
    AlgorithmError
        The loss left the finite numbers.
    """
    survey = Survey.of(counts, hosts)
    hyperparameters = hyperparameters.resolve(survey.size, len(hosts.processes))
    plan = hyperparameters.plan(survey.size.documents, len(hosts.processes))
    trainer = _Trainer(as_documents(counts), survey, hyperparameters, plan, word_vectors, hosts, device)
    outcome = train(
        trainer, plan.epochs, EarlyStopping(plan.num_patience_epochs, hyperparameters.tolerance),
        validation=validation,
        surroundings=Surroundings(reporter or SilentReporter(), should_stop, hosts, keeper or NoKeeper()),
    )  # fmt: skip
    arrays = trainer.network.export()
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise AlgorithmError("the weights are no longer finite numbers; lower learning_rate or set clip_gradient_norm")
    metadata = Metadata(hyperparameters.model_dump(mode="json"), vocabulary)
    model = EmbeddedTopicModel(arrays, metadata)
    return Fit(model, outcome.best_epoch, outcome.best_loss, outcome.epochs, trainer.score)


class _Trainer(VariationalTrainer):
    """Network, optimiser and random numbers of one fit."""

    network: EmbeddedNetwork

    def __init__(
        self,
        counts: Documents,
        survey: Survey,
        hyperparameters: ETMHyperparameters,
        plan: Plan,
        word_vectors: WordVectors | None,
        hosts: Hosts = ALONE,
        device: torch.device | None = None,
    ) -> None:
        h, corpus = hyperparameters, survey.size
        generator = torch.Generator().manual_seed(h.seed)
        frequencies = word_frequencies(counts, hosts)
        space = _begin(counts, h, word_vectors, frequencies, generator, hosts)
        lead = np.zeros(h.num_topics, np.float32)
        lead[0] = _BACKGROUND_LEAD if space.background else 0.0
        settings = EncoderSettings(
            h.feature_dim, h.num_topics, h.layer_sizes(), h.encoder_layers_activation,
            False, h.posterior_batch_norm, h.posterior_scale, h.posterior_noise,
            h.encoder_dropout, h.initial_encoder == "uniform", tuple(lead.tolist()) if h.posterior_batch_norm else None,
        )  # fmt: skip
        network = EmbeddedNetwork(
            settings, space, frequencies,
            prices=Prices(h.topic_exclusivity, h.topic_balance), poisson=h.likelihood == "poisson",
            floor=h.probability_floor, generator=generator, hosts=hosts,
        )  # fmt: skip
        if device is not None:
            generator = network.move(device)
        optimizer = optimizer_for(device)(_parameters(network, h.embedding_rate_factor), OptimizerSettings(
            h.optimizer, h.learning_rate, plan.weight_decay, clip_norm=h.clip_gradient_norm,
            lazy=h.lazy_updates and survey.expected_share(plan.mini_batch_size * len(hosts.processes)) < _LAZY_SHARE,
        ))  # fmt: skip
        batching = BatchSettings(
            plan.mini_batch_size, h.sub_sample, h.seed, h.encoder_input, h.predict_unseen,
            join_last=h.posterior_batch_norm, by_word=True,
            short=share_of_short(corpus.words / corpus.documents, corpus.words / (h.feature_dim * h.num_topics)),
        )  # fmt: skip
        super().__init__(
            counts, network, Prior.laplace(h.prior_alpha, h.num_topics) if h.prior == "dirichlet" else Prior(1.0),
            optimizer, batching, epochs=plan.epochs, generator=generator,
            schedule=_schedule(h), hosts=hosts, device=device,
        )  # fmt: skip
        self._documents = float(corpus.documents)

    def add_priors(self) -> None:
        """Add the gradient of what holds b to the words' frequencies."""
        bias = self.network.weights.get("background")
        if bias is not None and bias.grad is not None:
            hold_background(bias.detach(), bias.grad, self.network.frequencies, self._documents)


def _schedule(h: ETMHyperparameters) -> Literal["constant", "one_cycle"] | Annealing:
    if h.learning_rate_schedule == "anneal":
        return Annealing(h.annealing_factor, h.annealing_patience)
    return h.learning_rate_schedule


def _parameters(network: EmbeddedNetwork, factor: float) -> list[Parameter]:
    """Return what is learned; `factor` multiplies the learning rate of all that the encoder's layers do not hold."""
    parameters = []
    for name, tensor in network.weights.items():
        of_layers = name.startswith(("encoder_", "heads_"))
        apart = {"encoder_0_weight": network.encoder.first, "word_embeddings": network.words_apart}.get(name)
        # Biases decay as well, as the authors' do: a unit of the encoder that no document reaches has no other
        # gradient, and Adam, for which any gradient is large beside none, brings it back by that.
        # The background has a prior of its own.
        parameters.append(Parameter(tensor, name != "background", False, 1.0 if of_layers else factor, apart))
    return parameters


def _begin(
    counts: Documents,
    h: ETMHyperparameters,
    word_vectors: WordVectors | None,
    frequencies: Floats,
    generator: torch.Generator,
    hosts: Hosts,
) -> Space:
    """Return where words and topics begin."""
    learned = h.trains_embeddings(given=word_vectors is not None)
    if word_vectors is not None:
        words = _complete(word_vectors, generator)
    elif h.initial_embeddings == "spectral":
        words = embed_words(counts, h.embedding_size, h.seed, hosts)
    else:
        words = draw_embeddings(h.feature_dim, h.embedding_size, generator)
    bias = np.log(frequencies) if h.decoder_bias == "background" else None
    if h.initial_topics == "random":
        return Space(
            words, learned, draw_embeddings(h.num_topics, words.shape[1], generator), bias, h.has_background_topic()
        )
    scale = float(np.sqrt(np.mean(np.square(words, dtype=np.float64)) * words.shape[1])) or 1.0
    scaled = (words / scale).astype(np.float32)
    topics = _CLUSTER_LOGIT * cluster(scaled, h.num_topics, frequencies, h.seed)
    return Space(scaled, learned, topics, bias, h.has_background_topic(), scale)


def _complete(given: WordVectors, generator: torch.Generator) -> Floats:
    """Return the given vectors with those of unknown words drawn, shape (V, E)."""
    drawn: Floats = (torch.randn(given.vectors.shape, generator=generator) * _UNKNOWN_SPREAD).numpy()
    drawn[given.known] = given.vectors[given.known]
    return drawn
