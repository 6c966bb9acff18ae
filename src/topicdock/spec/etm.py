"""ETM's declarations: names as NTM's where they mean the same; the authors' own names are other names of these.

A field's default is topicdock's recipe; ``recipe=authors`` restores the settings of the authors' code, of which the
plain call of that code is one line: https://github.com/adjidieng/ETM, ``main.py``.
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
    Alias,
    AutoInteger,
    AutoNumber,
    Boolean,
    Hyperparameters,
    Integer,
    LayerSizes,
    Number,
    Tunable,
)
from topicdock.spec.values import parse_auto_bool, parse_word

_Word = BeforeValidator(parse_word)


@dataclass(frozen=True)
class Plan:
    """What ``auto`` comes to; names as the hyperparameters'."""

    mini_batch_size: int
    epochs: int
    num_patience_epochs: int
    weight_decay: float


class ETMHyperparameters(Hyperparameters):
    """The hyperparameters of ETM."""

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "topicdock": {},
        "authors": {
            "embedding_size": 300,
            "initial_embeddings": "random",
            "initial_topics": "random",
            "background_topic": "false",
            "encoder_layers": "800,800",
            "encoder_input": "frequencies",
            "initial_encoder": "uniform",
            "epochs": 100,
            "learning_rate": 0.005,
            "learning_rate_schedule": "constant",
            "mini_batch_size": 1000,
            "num_patience_epochs": 1_000_000,
            "weight_decay": 1.2e-6,
            "prior": "normal",
            "posterior_batch_norm": False,
            "posterior_scale": 1.0,
            "posterior_noise": 1.0,
            "decoder_bias": "zeros",
            "embedding_rate_factor": 1.0,
            "probability_floor": 1e-6,
            "topic_exclusivity": 0.0,
            "topic_balance": 0.0,
            "predict_unseen": False,
            "lazy_updates": False,
        },
    }
    aliases: ClassVar[Mapping[str, Alias]] = {
        "t_hidden_size": Alias("encoder_layers", lambda width: f"{width},{width}", "twice this width"),
        "rho_size": Alias("embedding_size"),
        "emb_size": Alias("embedding_size"),
        "embed_size": Alias("embedding_size"),
        "theta_act": Alias("encoder_layers_activation"),
        "enc_drop": Alias("encoder_dropout"),
        "bow_norm": Alias("encoder_input", {"1": "frequencies", "0": "counts"}, "frequencies for 1, counts for 0"),
        "lr": Alias("learning_rate"),
        "batch_size": Alias("mini_batch_size"),
        "wdecay": Alias("weight_decay"),
        "clip": Alias("clip_gradient_norm", {"0": "Inf", "0.0": "Inf"}, "Inf for 0"),
        "anneal_lr": Alias("learning_rate_schedule", {"1": "anneal", "0": "constant"}, "anneal for 1, constant for 0"),
        "lr_factor": Alias("annealing_factor"),
        "nonmono": Alias("annealing_patience"),
    }

    num_topics: Integer = Field(ge=2, le=1000, description="How many topics to find (K).")
    feature_dim: Integer = Field(ge=1, le=1_000_000, description="The size of the vocabulary (V).")
    algorithm: Annotated[Literal["etm"], _Word] = Field("etm", description="Which topic model to fit.")
    recipe: Annotated[Literal["topicdock", "authors"], _Word] = Field(
        "topicdock", description="Whose defaults hold for what is not set: topicdock's, or those of the authors' code."
    )
    likelihood: Annotated[Literal["multinomial", "poisson"], _Word] = Field(
        "multinomial",
        description="Of the word counts, given theta times beta: multinomial, or a Poisson of each word, "
        "which differs by what no weight has a part in.",
    )
    embedding_size: Annotated[Integer, Tunable(50, 500)] = Field(
        100,
        ge=1,
        le=4096,
        description="The dimensions of the embeddings (E); word vectors of a channel bring their own.",
    )
    initial_embeddings: Annotated[Literal["spectral", "random"], _Word] = Field(
        "spectral",
        description="Word embeddings where no channel brings vectors: from the mutual information of words in the "
        "training documents, or drawn at random and learned.",
    )
    train_embeddings: Annotated[Literal["auto", "true", "false"], BeforeValidator(parse_auto_bool)] = Field(
        "auto",
        description="Whether training changes the word embeddings; auto is true if they start at random, else false.",
    )
    initial_topics: Annotated[Literal["clusters", "random"], _Word] = Field(
        "clusters", description="Where topic embeddings start: at the centres of clusters of words, or at random."
    )
    background_topic: Annotated[Literal["auto", "true", "false"], BeforeValidator(parse_auto_bool)] = Field(
        "auto",
        description="Whether the first topic stays the background, the words that all documents share; auto is true "
        "from 10 topics on, where decoder_bias is background and posterior_batch_norm true.",
    )
    encoder_layers: LayerSizes = Field(
        "wide",
        description="Sizes of the encoder's layers; auto is two layers of 3 and 2 times num_topics, "
        "wide is one layer of 4 times num_topics and at least 400.",
    )
    encoder_layers_activation: Annotated[
        Literal["relu", "tanh", "sigmoid", "softplus", "leakyrelu", "elu", "selu"],
        _Word,
        Tunable(choices=("relu", "tanh", "softplus")),
    ] = Field("relu", description="The encoder's activation function.")
    initial_encoder: Annotated[Literal["glorot", "uniform"], _Word] = Field(
        "glorot",
        description="How the encoder's weights are drawn: as Glorot prescribes, biases being zeros, or all uniformly "
        "between -1 and 1 over the root of the layer's inputs.",
    )
    encoder_dropout: Annotated[Number, Tunable(0.0, 0.5)] = Field(
        0.0, ge=0.0, le=0.9, description="The share of the last hidden layer that is dropped while training."
    )
    encoder_input: Annotated[Literal["counts", "log1p", "frequencies"], _Word] = Field(
        "log1p",
        description="What the encoder sees: word counts as they are, log(1 + counts), or their shares of the document.",
    )
    epochs: AutoInteger = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Passes over the training data at most; auto is what makes about 3,000 batches, from 3 to 100.",
    )
    learning_rate: Annotated[Number, Tunable(1e-4, 0.1, "Logarithmic")] = Field(
        0.01, ge=1e-6, le=1.0, description="The optimiser's step size; adadelta has none and ignores it."
    )
    learning_rate_schedule: Annotated[Literal["constant", "one_cycle", "anneal"], _Word] = Field(
        "one_cycle",
        description="The learning rate: constant; up to its value over a tenth of the training and down to 0 again; or "
        "divided by annealing_factor whenever the loss is worse than the best of annealing_patience epochs before.",
    )
    annealing_factor: Number = Field(4.0, ge=1.0, le=1000.0, description="What annealing divides the learning rate by.")
    annealing_patience: Integer = Field(
        10, ge=1, le=1_000_000, description="How many epochs back annealing looks for a better loss."
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
    tolerance: Number = Field(
        1e-3, ge=1e-6, le=0.1, description="The least improvement of the loss, in nats per word, that counts as one."
    )
    optimizer: Annotated[
        Literal["sgd", "adam", "adagrad", "adadelta", "rmsprop"], _Word, Tunable(choices=("sgd", "adam", "adadelta"))
    ] = Field("adam", description="The optimiser, with the constants of MXNet's optimiser of that name.")
    clip_gradient_norm: Number = Field(
        float("inf"), ge=1e-3, description="Largest Euclidean norm of the whole gradient; Inf is no limit."
    )
    weight_decay: Annotated[AutoNumber, Tunable(0.0, 1.0)] = Field(
        None, ge=0.0, le=1.0, description="L2 regularisation of weights and biases; auto is 100 / documents squared."
    )
    sub_sample: Number = Field(1.0, ge=0.0, le=1.0, description="The share of the documents, drawn anew each epoch.")
    seed: Integer = Field(0, ge=0, le=2**31 - 1, description="Fixes everything random; the same seed, the same model.")
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
        True,
        description="Batch normalisation of the posterior's mean and log variance, which prevents collapse; "
        "how common each topic is is learned beside it.",
    )
    posterior_scale: Number = Field(
        1.5, ge=0.01, le=100.0, description="What the batch-normalised mean of the posterior is multiplied by."
    )
    posterior_noise: Number = Field(
        1.0, ge=0.001, le=10.0, description="What the batch-normalised variance of the posterior is multiplied by."
    )
    decoder_bias: Annotated[Literal["zeros", "background"], _Word] = Field(
        "background",
        description="What all topics' word logits have in common: nothing, or a bias that starts at the words' log "
        "frequencies, so that a topic embedding of zeros is the background.",
    )
    embedding_rate_factor: Number = Field(
        10.0, ge=0.01, le=1000.0, description="A factor on the learning rate of everything that beta is made of."
    )
    probability_floor: Number = Field(
        0.0, ge=0.0, le=0.01,
        description="Added to every probability before its logarithm; a word that is rarer costs no more than this.",
    )  # fmt: skip
    topic_exclusivity: Number = Field(
        0.2,
        ge=0.0,
        le=1000.0,
        description="How much it costs, in nats per word and nat, that a word leaves open which topic it is of.",
    )
    topic_balance: Number = Field(
        10.0,
        ge=0.0,
        le=1000.0,
        description="How much it costs, in nats per document and nat, that topics are unequally common in a batch.",
    )
    predict_unseen: Boolean = Field(
        True,
        description="The encoder sees a random part of a document, another each epoch; the decoder predicts the rest.",
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
            return (max(_LEAST_WIDTH, 4 * self.num_topics),)
        return (3 * self.num_topics, 2 * self.num_topics)

    def trains_embeddings(self, *, given: bool) -> bool:
        """Return whether training changes the word embeddings; `given` says whether a channel brought vectors."""
        if self.train_embeddings == "auto":
            return not given and self.initial_embeddings == "random"
        return self.train_embeddings == "true"

    def has_background_topic(self) -> bool:
        """Return whether the first topic stays the background."""
        if self.background_topic == "auto":
            biased = self.decoder_bias == "background" and self.posterior_batch_norm
            return biased and self.num_topics >= _BACKGROUND_FROM
        return self.background_topic == "true"

    def resolve(self, corpus: CorpusSize, hosts: int = 1) -> Self:
        """Return these hyperparameters with every ``auto`` that depends on the corpus and hosts replaced."""
        return self.model_copy(update=asdict(self.plan(corpus.documents, hosts)))

    def plan(self, documents: int, hosts: int = 1) -> Plan:
        """Return batch size of each host, epochs, patience and decay for a corpus of `documents` that `hosts` share.

        Left to us, the batches of all hosts together are what the batch of one host would be.
        """
        decay = min(1.0, 100 / max(documents, 1) ** 2) if self.weight_decay is None else self.weight_decay
        documents = math.ceil(self.sub_sample * documents)  # of an epoch
        whole = min(_BATCH, max(_LEAST_BATCH, documents // _LEAST_BATCHES), documents)
        size = self.mini_batch_size or math.ceil(whole / hosts)
        passes = math.ceil(_STEPS / math.ceil(documents / (size * hosts)))
        epochs = self.epochs or min(max(_LEAST_EPOCHS, passes), _MOST_EPOCHS)
        patience = self.num_patience_epochs or (epochs + 1 if self.learning_rate_schedule == "one_cycle" else 3)
        return Plan(size, epochs, patience, decay)

    def contradictions(self) -> list[str]:
        """Return a sentence for each pair of values that exclude each other."""
        mistakes = []
        if self.sub_sample == 0.0:
            mistakes.append("sub_sample must be more than 0, since a share of 0 leaves no documents, got 0")
        if self.background_topic == "true" and not (self.decoder_bias == "background" and self.posterior_batch_norm):
            mistakes.append("background_topic = true needs decoder_bias = background and posterior_batch_norm = true")
        return mistakes


# What auto comes to, as for NTM, but for twice the steps and the width; more passes learn few documents by heart.
_BATCH, _LEAST_BATCH, _LEAST_BATCHES = 256, 16, 8
_STEPS, _LEAST_EPOCHS, _MOST_EPOCHS = 3000, 3, 100
_LEAST_WIDTH, _BACKGROUND_FROM = 400, 10

_COUNTS = (RECORDIO, CSV, JSONLINES, JSON)

ETM = Specification(
    name="etm",
    sentence="Embedded topic model: words and topics are points of one space; a document is a mixture of topics.",
    log_name="topicdock/ETM",
    hyperparameters=ETMHyperparameters,
    channels=(
        Channel("train", "Documents to learn from.", required=True, content_types=_COUNTS),
        Channel(
            "validation", "Documents whose loss decides which epoch is kept, and when to stop.", content_types=_COUNTS
        ),
        Channel("test", "Documents whose loss and perplexity are reported for the final model.", content_types=_COUNTS),
        Channel(
            "auxiliary",
            "vocab.txt, word i of the vocabulary on line i; beside it, if you like, a file of word vectors.",
            content_types=("text/plain",),
        ),
        Channel("embeddings", "Word vectors: word2vec or GloVe text, word2vec binary, safetensors or npy."),
    ),
    metrics=(
        Metric("train:total_loss", "Loss on the training data, nats per word, every epoch."),
        Metric("validation:total_loss", "Loss of the final model on the validation data.", objective="Minimize"),
        Metric("test:total_loss", "Loss of the final model on the test data.", objective="Minimize"),
        Metric("train:progress", "Percentage of the epochs completed."),
        Metric("train:throughput", "Documents per second, every epoch."),
    ),
    module="topicdock.algorithms.etm",
    takes_word_vectors=True,
)
