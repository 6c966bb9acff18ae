"""NTM's declarations: everything Amazon documents for the built-in, and what topicdock adds.

A field's default is topicdock's recipe; ``recipe=sagemaker`` restores those of the built-in's container, which differ
from Amazon's documentation in one place (learning_rate: 0.01 there, 0.001 in the documentation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from topicdock.corpus.media_types import CSV, JSON, JSONLINES, RECORDIO
from topicdock.spec.algorithm import Channel, Metric, Specification
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.hyperparameters import (
    AutoInteger,
    AutoNumber,
    Boolean,
    Hyperparameters,
    Integer,
    LayerSizes,
    Number,
    Tunable,
)
from topicdock.spec.values import parse_word

_Word = BeforeValidator(parse_word)


@dataclass(frozen=True)
class Plan:
    """What ``auto`` comes to; names as the hyperparameters'."""

    mini_batch_size: int
    epochs: int
    num_patience_epochs: int


class NTMHyperparameters(Hyperparameters):
    """The hyperparameters of NTM."""

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "topicdock": {},
        "sagemaker": {
            "encoder_layers": "auto",
            "encoder_layers_activation": "sigmoid",
            "epochs": 50,
            "mini_batch_size": 256,
            "num_patience_epochs": 3,
            "optimizer": "adadelta",
            "encoder_input": "counts",
            "prior": "normal",
            "posterior_batch_norm": False,
            "posterior_scale": 1.0,
            "posterior_noise": 1.0,
            "decoder_bias": "zeros",
            "projection_rate_factor": 1.0,
            "projection_precision": 0.0,
            "projection_exclusivity": 0.0,
            "rare_word_handicap": 0.0,
            "count_exponent": 1.0,
            "learning_rate_schedule": "constant",
            "predict_unseen": False,
            "lazy_updates": False,
        },
    }

    num_topics: Integer = Field(ge=2, le=1000, description="How many topics to find (K).")
    feature_dim: Integer = Field(ge=1, le=1_000_000, description="The size of the vocabulary (V).")
    algorithm: Annotated[Literal["ntm"], _Word] = Field("ntm", description="Which topic model to fit.")
    recipe: Annotated[Literal["topicdock", "sagemaker"], _Word] = Field(
        "topicdock", description="Whose defaults hold for what is not set: topicdock's, or those of Amazon's built-in."
    )
    batch_norm: Boolean = Field(False, description="Batch normalisation in the encoder's layers.")
    clip_gradient: Number = Field(
        float("inf"), ge=1e-3, description="Largest magnitude of each component of the gradient; Inf is no limit."
    )
    encoder_layers: LayerSizes = Field(
        "wide",
        description="Sizes of the encoder's layers; auto is two layers of 3 and 2 times num_topics, "
        "wide is one layer of 2 times num_topics and at least 200.",
    )
    encoder_layers_activation: Annotated[
        Literal["sigmoid", "tanh", "relu"], _Word, Tunable(choices=("sigmoid", "tanh", "relu"))
    ] = Field("relu", description="The encoder's activation function.")
    epochs: AutoInteger = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Passes over the training data at most; auto is as many as make about 1,900 batches, at least 3, "
        "and as many as are a hundred times the documents at most.",
    )
    learning_rate: Annotated[Number, Tunable(1e-4, 0.1, "Logarithmic")] = Field(
        0.01, ge=1e-6, le=1.0, description="The optimiser's step size; adadelta has none and ignores it."
    )
    mini_batch_size: Annotated[AutoInteger, Tunable(16, 2048, "Logarithmic")] = Field(
        None, ge=1, le=10_000, description="Documents in a batch; auto is 256, less where there are few documents."
    )
    num_patience_epochs: AutoInteger = Field(
        None,
        ge=1,
        description="Epochs over which the loss must improve; more than epochs turns early stopping off. "
        "auto is 3, and no early stopping where the learning rate follows one_cycle.",
    )
    optimizer: Annotated[
        Literal["sgd", "adam", "adagrad", "adadelta", "rmsprop"], _Word, Tunable(choices=("sgd", "adam", "adadelta"))
    ] = Field("adam", description="The optimiser, with the constants of MXNet's optimiser of that name.")
    rescale_gradient: Annotated[Number, Tunable(0.1, 1.0)] = Field(
        1.0, ge=1e-3, le=1.0, description="A factor on the gradient, applied before clipping."
    )
    sub_sample: Number = Field(1.0, ge=0.0, le=1.0, description="The share of the documents, drawn anew each epoch.")
    tolerance: Number = Field(
        1e-3, ge=1e-6, le=0.1, description="The least improvement of the loss, in nats per word, that counts as one."
    )
    weight_decay: Annotated[Number, Tunable(0.0, 1.0)] = Field(
        0.0, ge=0.0, le=1.0, description="L2 regularisation of the weights."
    )
    seed: Integer = Field(0, ge=0, le=2**31 - 1, description="Fixes everything random; the same seed, the same model.")
    encoder_input: Annotated[Literal["counts", "log1p"], _Word] = Field(
        "log1p", description="What the encoder sees: word counts as they are, or log(1 + counts)."
    )
    prior: Annotated[Literal["normal", "dirichlet"], _Word] = Field(
        "dirichlet",
        description="The prior of the topic proportions: N(0, I), or the Laplace approximation of a Dirichlet.",
    )
    prior_alpha: Number = Field(
        0.02,
        ge=1e-4,
        le=100.0,
        description="The Dirichlet prior's concentration per topic; small is few topics a document.",
    )
    posterior_batch_norm: Boolean = Field(
        True, description="Batch normalisation of the posterior's mean and log variance, which prevents collapse."
    )
    decoder_bias: Annotated[Literal["zeros", "background"], _Word] = Field(
        "background",
        description="Where the decoder's bias starts: zeros, or the log frequencies of the words in the corpus.",
    )

    posterior_scale: Number = Field(
        1.5, ge=0.01, le=100.0, description="What the batch-normalised mean of the posterior is multiplied by."
    )
    posterior_noise: AutoNumber = Field(
        None,
        ge=0.001,
        le=10.0,
        description="What the batch-normalised variance of the posterior is multiplied by; auto is 10 / num_topics, "
        "at most 1: much noise breeds twin topics, little blurs where few topics share few words.",
    )
    projection_rate_factor: AutoNumber = Field(
        None,
        ge=0.01,
        le=1000.0,
        description="A factor on the decoder's learning rate, whose weights have a long way to go; "
        "auto is 20 with adam and 1 with the other optimizers.",
    )
    projection_precision: Number = Field(
        0.25, ge=0.0, le=1000.0, description="The precision of a Gaussian prior on the decoder's weights; 0 is none."
    )
    projection_exclusivity: AutoNumber = Field(
        None,
        ge=0.0,
        le=1000.0,
        description="How much it costs that two topics share a word; 0 is nothing; auto is 1, and less where "
        "there are fewer than 5 words of text for each weight of the decoder: as many times less as there are fewer.",
    )
    rare_word_handicap: Number = Field(
        3.0,
        ge=0.0,
        le=100.0,
        description="By how much rare words are put back where the weights rank a topic's words; 0 is not at all. "
        "Predictions do not change: what is taken from the weights is given to the bias.",
    )
    learning_rate_schedule: Annotated[Literal["constant", "one_cycle"], _Word] = Field(
        "one_cycle",
        description="The learning rate: constant, or up to its value over a tenth of the training and down to 0 again.",
    )
    predict_unseen: Boolean = Field(
        True,
        description="The encoder sees a random part of a document, another each epoch; the decoder predicts the rest, "
        "and all where documents have few words.",
    )
    count_exponent: AutoNumber = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Training predicts this power of each word's count in a document: 1 is the count, 0 whether it is "
        "there. Words come in bursts, and the second occurrence says less of the topic than the first. auto is 0.7, "
        "and rises to 1 where documents have as many words as there are in the vocabulary.",
    )
    lazy_updates: Boolean = Field(
        True,
        description="Adam updates the encoder's first layer for the words of the batch only, "
        "if these are less than half of the vocabulary.",
    )

    def layer_sizes(self) -> tuple[int, ...]:
        """Return the encoder's layer sizes with the words for them resolved."""
        if isinstance(self.encoder_layers, tuple):
            return self.encoder_layers
        if self.encoder_layers == "wide":
            return (max(_LEAST_WIDTH, 2 * self.num_topics),)
        return (3 * self.num_topics, 2 * self.num_topics)

    def resolve(self, corpus: CorpusSize, hosts: int = 1) -> Self:
        """Return these hyperparameters with every ``auto`` that depends on the corpus and hosts replaced."""
        noise = min(1.0, 10 / self.num_topics) if self.posterior_noise is None else self.posterior_noise
        factor = self.projection_rate_factor or (_ADAM_FACTOR if self.optimizer == "adam" else 1.0)
        price = self.projection_exclusivity
        known = corpus.words / (_WORDS_A_WEIGHT * self.feature_dim * self.num_topics)
        automatic = {
            "posterior_noise": noise,
            "projection_rate_factor": factor,
            "projection_exclusivity": _EXCLUSIVITY * min(1.0, known) if price is None else price,
            "count_exponent": self._exponent(corpus) if self.count_exponent is None else self.count_exponent,
        }
        return self.model_copy(update={**asdict(self.plan(corpus.documents, hosts)), **automatic})

    def plan(self, documents: int, hosts: int = 1) -> Plan:
        """Return batch size of each host, epochs and patience for a corpus of `documents` that `hosts` share.

        Left to us, the batches of all hosts together are what the batch of one host would be.
        """
        documents = math.ceil(self.sub_sample * documents)  # of an epoch
        whole = min(_BATCH, max(_LEAST_BATCH, documents // _LEAST_BATCHES), documents)
        size = self.mini_batch_size or math.ceil(whole / hosts)
        enough = max(_LEAST_EPOCHS, math.ceil(_STEPS / math.ceil(documents / (size * hosts))))
        epochs = self.epochs or min(enough, math.ceil(_MOST_PASSES / self.sub_sample))
        patience = self.num_patience_epochs or (epochs + 1 if self.learning_rate_schedule == "one_cycle" else 3)
        return Plan(size, epochs, patience)

    def _exponent(self, corpus: CorpusSize) -> float:
        """Return what count_exponent comes to: where documents fill the vocabulary, counts tell of mixtures."""
        filled = corpus.words / (corpus.documents * self.feature_dim)
        return 1.0 - (1.0 - _BURSTY) * (1.0 - min(1.0, filled))

    def contradictions(self) -> list[str]:
        """Return a sentence for each pair of values that exclude each other."""
        if self.sub_sample == 0.0:
            return ["sub_sample must be more than 0, since a share of 0 leaves no documents, got 0"]
        return []


# What auto comes to: enough steps for the weights to arrive, in batches that are not most of a small corpus; more
# passes learn few documents by heart.
_BATCH, _LEAST_BATCH, _LEAST_BATCHES = 256, 16, 8
_STEPS, _LEAST_EPOCHS, _MOST_PASSES = 1900, 3, 100
_LEAST_WIDTH = 200
_ADAM_FACTOR = 20.0
# A price a weight holds against what the text says of that weight. With less text for it than this, the price would
# decide by itself, and keep a word from all topics but one, or a topic from all words.
_EXCLUSIVITY, _WORDS_A_WEIGHT = 1.0, 5.0
_BURSTY = 0.7

_COUNTS = (RECORDIO, CSV, JSONLINES, JSON)  # the built-in reads the first two

NTM = Specification(
    name="ntm",
    sentence="Neural topic model: a variational autoencoder on word counts.",
    log_name="AWS/NTM",
    hyperparameters=NTMHyperparameters,
    channels=(
        Channel("train", "Documents to learn from.", required=True, content_types=_COUNTS),
        Channel("validation", "Documents whose loss decides when to stop.", content_types=_COUNTS),
        Channel("test", "Documents whose loss is reported for the final model.", content_types=_COUNTS),
        Channel(
            "auxiliary",
            "vocab.txt, word i of the vocabulary on line i; beside it, if you like, a file of word vectors.",
            content_types=("text/plain",),
        ),
    ),
    metrics=(
        Metric("train:total_loss", "Loss on the training data, nats per word, every epoch."),
        Metric("validation:total_loss", "Loss of the final model on the validation data.", objective="Minimize"),
        Metric("test:total_loss", "Loss of the final model on the test data.", objective="Minimize"),
        Metric("train:progress", "Percentage of the epochs completed."),
        Metric("train:throughput", "Documents per second, every epoch."),
    ),
    module="topicdock.algorithms.ntm",
)
