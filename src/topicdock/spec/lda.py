"""LDA's declarations: everything Amazon documents for the built-in, and what topicdock adds.

A field's default is topicdock's recipe; ``recipe=sagemaker`` restores those of the built-in's container.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from topicdock.corpus.media_types import CSV, JSON, JSONLINES, RECORDIO
from topicdock.spec.algorithm import Channel, Metric, Specification
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.hyperparameters import AutoInteger, Boolean, Hyperparameters, Integer, Number, Tunable
from topicdock.spec.values import parse_word

_Word = BeforeValidator(parse_word)


class LDAHyperparameters(Hyperparameters):
    """The hyperparameters of LDA."""

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "topicdock": {},
        "sagemaker": {"max_restarts": 10, "max_iterations": 1000, "tol": 1e-8, "refine": False},
    }

    num_topics: Annotated[Integer, Tunable(1, 150)] = Field(ge=1, le=1000, description="How many topics to find (K).")
    feature_dim: Integer = Field(ge=1, le=1_000_000, description="The size of the vocabulary (V).")
    mini_batch_size: AutoInteger = Field(
        None,
        ge=1,
        description="The number of training documents, which the built-in demands; it changes nothing, all documents "
        "are used.",
    )
    epochs: Integer = Field(1, ge=1, description="The built-in's passes over the data; it changes nothing.")
    algorithm: Annotated[Literal["lda"], _Word] = Field("lda", description="Which topic model to fit.")
    recipe: Annotated[Literal["topicdock", "sagemaker"], _Word] = Field(
        "topicdock", description="Whose defaults hold for what is not set: topicdock's, or those of Amazon's built-in."
    )
    alpha0: Annotated[Number, Tunable(0.1, 10.0, "Logarithmic")] = Field(
        1.0, ge=1e-6, le=1e6, description="The sum of the concentrations alpha: small where a document has few topics."
    )
    max_restarts: Integer = Field(
        3, ge=1, le=10_000, description="Starts of the tensor decomposition, of which the best is kept."
    )
    max_iterations: Integer = Field(
        100, ge=1, le=1_000_000, description="Iterations of each start of the tensor decomposition."
    )
    tol: Number = Field(
        1e-6, ge=1e-300, le=1.0, description="A start has converged when its relative error changes by less."
    )
    allow_svd_init: Boolean = Field(
        True, description="The first two starts are from singular vectors; otherwise all are random."
    )
    refine: Boolean = Field(
        True,
        description="Raise the likelihood of the topics that the moments give; without it they are the result.",
    )
    refinement_iterations: Integer = Field(
        30, ge=1, le=1_000_000, description="Passes of the refinement over the documents, at most."
    )
    refinement_tolerance: Number = Field(
        1e-4,
        ge=0.0,
        le=1.0,
        description="It ends when two passes in a row change the log-likelihood of a token by less, in nats.",
    )
    word_weights: Annotated[Literal["idf", "none"], _Word] = Field(
        "idf", description="While refining, a word weighs by the log of its inverse document frequency, or all alike."
    )
    perplexity_allowance: Number = Field(
        0.02, ge=0.0, le=1.0,
        description="With word weights: by what share perplexity may rise for topics of more distinctive words.",
    )  # fmt: skip
    eta: Number = Field(
        0.1, ge=1e-6, le=1e3, description="While refining: the pseudo-count of every word in every topic."
    )
    seed: Integer = Field(0, ge=0, le=2**31 - 1, description="Fixes everything random; the same seed, the same model.")

    def resolve(self, corpus: CorpusSize, hosts: int = 1) -> Self:
        """Return these hyperparameters with every ``auto`` that depends on the corpus and hosts replaced."""
        return self.model_copy(update={"mini_batch_size": self.mini_batch_size or corpus.documents})


_COUNTS = (RECORDIO, CSV, JSONLINES, JSON)  # the built-in reads the first two

LDA = Specification(
    name="lda",
    sentence="Latent Dirichlet allocation by spectral decomposition of moments, then refined by likelihood.",
    log_name="LDA",
    hyperparameters=LDAHyperparameters,
    channels=(
        Channel("train", "Documents to learn from.", required=True, content_types=_COUNTS),
        Channel("test", "Documents whose likelihood under the final model is reported.", content_types=_COUNTS),
        Channel(
            "auxiliary",
            "vocab.txt, word i of the vocabulary on line i; beside it, if you like, a file of word vectors.",
            content_types=("text/plain",),
        ),
    ),
    metrics=(
        Metric("test:pwll", "Log-likelihood of a word of the test data, in nats.", objective="Maximize"),
        Metric("train:progress", "Percentage of the training completed."),
        Metric("train:throughput", "Documents per second over the whole training."),
    ),
    module="topicdock.algorithms.lda",
    by_epochs=False,
)
