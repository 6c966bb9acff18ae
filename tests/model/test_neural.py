"""The served NTM: a simplex, document by document, from arrays that fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from tests.models import random_counts, random_model
from topicdock.errors import CustomerError
from topicdock.model import Metadata, NeuralTopicModel
from topicdock.model.activations import ACTIVATIONS

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("encoder_input", ["counts", "log1p"])
def test_transform_is_the_encoder_written_out(activation: str, encoder_input: str) -> None:
    model, counts = random_model(activation=activation, encoder_input=encoder_input), random_counts()
    a = {name: array.astype(np.float64) for name, array in model.arrays.items()}
    hidden = counts.toarray().astype(np.float64)
    hidden = np.log(1 + hidden) if encoder_input == "log1p" else hidden
    for layer in (0, 1):
        hidden = FUNCTIONS[activation](hidden @ a[f"encoder_{layer}_weight"].T + a[f"encoder_{layer}_bias"])
    mu = hidden @ a["mean_weight"].T + a["mean_bias"]
    expected = np.exp(mu) / np.exp(mu).sum(1, keepdims=True)
    np.testing.assert_allclose(model.transform(counts), expected, atol=1e-5)


def test_topic_weights_are_a_simplex_even_for_empty_and_enormous_documents() -> None:
    enormous = csr_matrix(np.full((1, 30), 1e6, np.float32))
    theta = random_model().transform(vstack([csr_matrix((1, 30), dtype=np.float32), enormous]).tocsr())
    assert np.isfinite(theta).all()
    assert (theta >= 0).all()
    np.testing.assert_allclose(theta.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("encoder_input", ["counts", "log1p", "frequencies"])
def test_a_batch_answers_as_its_documents_one_by_one_to_the_bit(activation: str, encoder_input: str) -> None:
    model = random_model(300, 20, layers=(100, 50), activation=activation, encoder_input=encoder_input)
    counts = random_counts(101, 300)
    one_by_one = np.vstack([model.transform(counts[[row]]) for row in range(101)])
    for size in (2, 3, 8, 50, 101):
        batches = [model.transform(counts[start : start + size]) for start in range(0, 101, size)]
        np.testing.assert_array_equal(np.vstack(batches), one_by_one)


def test_beta_is_a_distribution_over_words_and_scores_rank_them() -> None:
    model = random_model()
    np.testing.assert_allclose(model.beta.sum(1), 1, atol=1e-5)
    weight = model.arrays["projection_weight"]
    assert model.top_words(5).tolist() == [np.argsort(-weight[:, k], kind="stable")[:5].tolist() for k in range(4)]
    assert model.top_words(100).shape == (4, 30)


def test_word_probabilities_follow_from_the_projection() -> None:
    model = random_model()
    theta = model.transform(random_counts())
    probabilities = np.exp(model.word_log_probabilities(theta))
    logits = theta @ model.arrays["projection_weight"].T + model.arrays["projection_bias"]
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(
        np.log(probabilities[:, 0] / probabilities[:, 1]), logits[:, 0] - logits[:, 1], atol=1e-4
    )


def test_words_are_ids_without_a_vocabulary() -> None:
    assert random_model().word(7) == "7"
    assert random_model(vocabulary=tuple("abcdefghijklmnopqrstuvwxyz1234")).word(2) == "c"


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mean_weight", (4, 5)), ("encoder_1_weight", (6, 9)), ("projection_bias", (29,)), ("mean_bias", (5,))],
)
def test_arrays_that_do_not_fit_are_refused_by_name(name: str, shape: tuple[int, ...]) -> None:
    arrays = {**random_model().arrays, name: np.zeros(shape, np.float32)}
    with pytest.raises(CustomerError, match=r"does not fit the others; got: shape .*; allowed: shape"):
        NeuralTopicModel(arrays, Metadata())


def test_missing_arrays_are_named() -> None:
    arrays = {name: array for name, array in random_model().arrays.items() if name != "mean_bias"}
    with pytest.raises(CustomerError, match="no mean_bias"):
        NeuralTopicModel(arrays, Metadata())


@pytest.mark.parametrize("name", ["projection_weight", "encoder_0_weight", "encoder_1_weight"])
@pytest.mark.parametrize("shape", [(), (30,), (30, 4, 1), (30, 0), (0, 4)])
def test_a_weight_that_is_not_a_matrix_is_refused_by_name(name: str, shape: tuple[int, ...]) -> None:
    arrays = {**random_model().arrays, name: np.zeros(shape, np.float32)}
    with pytest.raises(CustomerError, match=f"{name} is not a matrix"):
        NeuralTopicModel(arrays, Metadata())
