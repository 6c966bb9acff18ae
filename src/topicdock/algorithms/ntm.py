"""NTM, a variational autoencoder on word counts.

The generative story of a document of n words:

    h ~ N(m, S)                      a Gaussian: N(0, I), or the Laplace approximation of a Dirichlet
    theta = softmax(h)               topic proportions, shape (K,)
    w_1 ... w_n ~ softmax(W theta + b)

An encoder gives the posterior N(mu, diag exp(logvar)) of h from the document's counts x; training minimises

    loss = -E log p(x | theta) + KL(N(mu, diag exp(logvar)) || N(m, S))

with one sample of h a document and step. Losses are reported in nats per word.

Departures from the built-in, all of them defaults that ``recipe=sagemaker`` takes back: the encoder sees
log(1 + counts), the decoder predicts a power of counts, the prior is a Dirichlet's, the posterior is batch-normalised,
the decoder's bias starts at the corpus's log frequencies so that ``W[:, k]`` is topic k's deviation from the
background, and rare words are put back in the W that a fit returns (``handicap.py``). In any recipe the last partial
batch counts in full, all validation documents are scored, and scoring uses the posterior's mean, as serving does.

References
----------
Miao, Yu, Blunsom, "Neural Variational Inference for Text Processing", ICML 2016.
Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018.
Srivastava, Sutton, "Autoencoding Variational Inference for Topic Models", ICLR 2017 (equations 2 to 4, the prior).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from topicdock.algorithms.background_prior import hold_background
from topicdock.algorithms.batch_sources import AnyBatch
from topicdock.algorithms.batches import BatchSettings, share_of_short
from topicdock.algorithms.device_optimizer import optimizer_for
from topicdock.algorithms.early_stopping import EarlyStopping
from topicdock.algorithms.encoder import EncoderSettings
from topicdock.algorithms.fitting import Fit, Surroundings, train
from topicdock.algorithms.handicap import Handicap
from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.loss_sums import Figure
from topicdock.algorithms.network import Network
from topicdock.algorithms.optimizers import OptimizerSettings, Parameter
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.progress import Reporter, SilentReporter
from topicdock.algorithms.projection_prior import ProjectionPrior
from topicdock.algorithms.smoothing import word_frequencies
from topicdock.algorithms.snapshots import Keeper, NoKeeper
from topicdock.algorithms.survey import Survey
from topicdock.algorithms.threads import one_thread, threads_for
from topicdock.algorithms.variational import VariationalTrainer, Watch
from topicdock.corpus.documents import AnyDocuments, Documents, as_documents
from topicdock.errors import AlgorithmError
from topicdock.model import Metadata, NeuralTopicModel
from topicdock.spec.ntm import NTMHyperparameters, Plan

_LAZY_SHARE = 0.5
"""Of the vocabulary: where a batch holds more of it, updating all rows costs less than gathering those."""


def fit(
    counts: AnyDocuments,
    hyperparameters: NTMHyperparameters,
    *,
    validation: AnyDocuments | None = None,
    vocabulary: tuple[str, ...] | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    hosts: Hosts = ALONE,
    keeper: Keeper | None = None,
    device: torch.device | None = None,
) -> Fit:
    """Fit NTM to word counts.

    Parameters
    ----------
    counts : csr_matrix of float32 or Documents, shape (D, V)
        Training documents; D is at least 1 and at least one document has a word.
    hyperparameters : NTMHyperparameters
    validation : csr_matrix or Documents, shape (D', V), optional
        Decides when to stop and which epoch is kept; without it the training loss does.
    vocabulary : tuple of str, optional
        Goes into the model.
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
    trainer = _Trainer(as_documents(counts), survey, hyperparameters, plan, hosts, device)
    outcome = train(
        trainer, plan.epochs, EarlyStopping(plan.num_patience_epochs, hyperparameters.tolerance),
        validation=validation,
        surroundings=Surroundings(reporter or SilentReporter(), should_stop, hosts, keeper or NoKeeper()),
    )  # fmt: skip
    arrays = trainer.network.export()
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise AlgorithmError("the weights are no longer finite numbers; lower learning_rate or set clip_gradient")
    metadata = Metadata(hyperparameters.model_dump(mode="json"), vocabulary)
    model = NeuralTopicModel(arrays, metadata)
    return Fit(model, outcome.best_epoch, outcome.best_loss, outcome.epochs, trainer.score)


class _Trainer(VariationalTrainer):
    """Network, optimiser and random numbers of one fit."""

    network: Network

    def __init__(
        self,
        counts: Documents,
        survey: Survey,
        hyperparameters: NTMHyperparameters,
        plan: Plan,
        hosts: Hosts = ALONE,
        device: torch.device | None = None,
    ) -> None:
        h = self._hyperparameters = hyperparameters
        corpus = survey.size
        generator = torch.Generator().manual_seed(h.seed)
        settings = EncoderSettings(
            h.feature_dim, h.num_topics, h.layer_sizes(), h.encoder_layers_activation,
            h.batch_norm, h.posterior_batch_norm, h.posterior_scale, h.posterior_noise or 1.0,
        )  # fmt: skip
        frequencies = word_frequencies(counts, hosts) if h.decoder_bias == "background" else None
        bias = np.zeros(h.feature_dim, np.float32) if frequencies is None else np.log(frequencies)
        handicap = Handicap(survey.holders, corpus.documents, h.num_topics, h.rare_word_handicap)
        network = Network(settings, bias, handicap, generator, hosts)
        if device is not None:
            generator = network.move(device)
        optimizer = optimizer_for(device)(self._parameters(network), OptimizerSettings(
            h.optimizer, h.learning_rate, h.weight_decay, h.rescale_gradient, h.clip_gradient,
            h.lazy_updates and survey.expected_share(plan.mini_batch_size * len(hosts.processes)) < _LAZY_SHARE,
        ))  # fmt: skip
        batching = BatchSettings(
            plan.mini_batch_size, h.sub_sample, h.seed, h.encoder_input, h.predict_unseen,
            join_last=h.posterior_batch_norm or h.batch_norm,
            short=share_of_short(corpus.words / corpus.documents, corpus.words / (h.feature_dim * h.num_topics)),
            count_exponent=1.0 if h.count_exponent is None else h.count_exponent,
        )  # fmt: skip
        super().__init__(
            counts, network, Prior.laplace(h.prior_alpha, h.num_topics) if h.prior == "dirichlet" else Prior(1.0),
            optimizer, batching, epochs=plan.epochs, schedule=h.learning_rate_schedule, generator=generator,
            hosts=hosts, device=device,
        )  # fmt: skip
        self._documents = float(corpus.documents)
        self._frequencies = None if frequencies is None else torch.from_numpy(frequencies).to(device)
        self._projection_prior = ProjectionPrior(
            h.projection_precision, h.projection_exclusivity or 0.0, corpus.documents
        )
        self._done = 0.0

    def _parameters(self, network: Network) -> list[Parameter]:
        parameters = []
        for name, tensor in network.weights.items():
            decoder, first = name == "decoder", name == "encoder_0_weight"
            rate = float(self._hyperparameters.projection_rate_factor or 1.0) if decoder else 1.0
            layer = network.encoder.first if first else None
            parameters.append(Parameter(tensor, not name.endswith("_bias"), decoder, rate, layer))
        return parameters

    @one_thread()
    def _step(self, batch: AnyBatch, size: int, done: float, watch: Watch) -> tuple[list[Figure], bool, bool]:
        self._done = done
        return super()._step(batch, size, done, watch)

    def add_priors(self) -> None:
        """Add the gradients of the priors on the decoder's weights."""
        decoder = self.network.weights["decoder"]
        if decoder.grad is not None:
            with threads_for(decoder.numel()):
                self._projection_prior.add(decoder.detach()[:-1], decoder.grad[:-1], self._done)
            if self._frequencies is not None:
                hold_background(decoder.detach()[-1], decoder.grad[-1], self._frequencies, self._documents)
