"""The served ETM: a simplex, log beta, neighbours, and arrays that fit together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from tests.models import random_counts
from topicdock.artifact import decode_model, encode_model
from topicdock.errors import CustomerError
from topicdock.model import EmbeddedTopicModel, Metadata
from topicdock.model.activations import ACTIVATIONS, log_softmax


def random_etm(encoder_input: str = "frequencies", activation: str = "relu") -> EmbeddedTopicModel:
    generator = np.random.default_rng(0)
    shapes = {
        "encoder_0_weight": (8, 30), "encoder_0_bias": (8,), "encoder_1_weight": (6, 8), "encoder_1_bias": (6,),
        "mean_weight": (4, 6), "mean_bias": (4,), "word_embeddings": (30, 5), "topic_embeddings": (4, 5),
    }  # fmt: skip
    arrays = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    logits = arrays["topic_embeddings"] @ arrays["word_embeddings"].T
    arrays["projection_weight"] = np.ascontiguousarray(log_softmax(logits).T)
    given = {"encoder_input": encoder_input, "encoder_layers_activation": activation}
    return EmbeddedTopicModel(arrays, Metadata(given, tuple(f"w{number}" for number in range(30))))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_transform_is_the_encoder_written_out_on_shares_of_words(activation: str) -> None:
    model, counts = random_etm(activation=activation), random_counts()
    shares = counts.toarray() / np.maximum(counts.toarray().sum(1, keepdims=True), 1)
    hidden = shares.astype(np.float32)
    for layer in (0, 1):
        weight, bias = model.arrays[f"encoder_{layer}_weight"], model.arrays[f"encoder_{layer}_bias"]
        hidden = ACTIVATIONS[activation](hidden @ weight.T + bias)
    mu = hidden @ model.arrays["mean_weight"].T + model.arrays["mean_bias"]
    np.testing.assert_allclose(model.transform(counts), np.exp(log_softmax(mu)), atol=1e-5)


@pytest.mark.parametrize("encoder_input", ["counts", "log1p", "frequencies"])
def test_topic_weights_are_a_simplex_even_for_empty_and_enormous_documents(encoder_input: str) -> None:
    enormous = csr_matrix(np.full((1, 30), 1e6, np.float32))
    counts = vstack([csr_matrix((1, 30), dtype=np.float32), enormous]).tocsr()
    theta = random_etm(encoder_input).transform(counts)
    assert np.isfinite(theta).all()
    np.testing.assert_allclose(theta.sum(1), 1, atol=1e-6)


def test_word_probabilities_are_the_mixture_of_the_topics() -> None:
    model = random_etm()
    theta = model.transform(random_counts())
    probabilities = np.exp(model.word_log_probabilities(theta))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(probabilities, theta @ np.exp(model.arrays["projection_weight"].T), rtol=1e-5)


def test_topics_list_their_most_probable_words() -> None:
    model = random_etm()
    assert model.top_words(5).tolist() == np.argsort(-model.beta, axis=1, kind="stable")[:, :5].tolist()


def test_neighbours_are_those_of_largest_cosine() -> None:
    model = random_etm()
    words = model.arrays["word_embeddings"] / np.linalg.norm(model.arrays["word_embeddings"], axis=1, keepdims=True)
    order = [int(word) for word in np.argsort(-(words @ words[3])) if word != 3]
    assert [word for word, _ in model.words_near_word("w3", 6)] == order[:6]
    topic = model.arrays["topic_embeddings"][2] / np.linalg.norm(model.arrays["topic_embeddings"][2])
    near = model.words_near_topic(2, 30)
    np.testing.assert_allclose([cosine for _, cosine in near], np.sort(words @ topic)[::-1], atol=1e-5)


def test_the_artifact_holds_the_whole_model() -> None:
    model, counts = random_etm(), random_counts()
    loaded = decode_model(encode_model(model))
    assert isinstance(loaded, EmbeddedTopicModel)
    np.testing.assert_array_equal(loaded.transform(counts), model.transform(counts))
    assert loaded.words_near_topic(1) == model.words_near_topic(1)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("word_embeddings", (29, 5)), ("topic_embeddings", (4, 6)), ("topic_embeddings", (5, 5)), ("word_embeddings", ())],
)
def test_embeddings_that_do_not_fit_are_refused_by_name(name: str, shape: tuple[int, ...]) -> None:
    arrays = {**random_etm().arrays, name: np.zeros(shape, np.float32)}
    with pytest.raises(CustomerError, match=r"array (word|topic)_embeddings does not fit the others; got: shape"):
        EmbeddedTopicModel(arrays, Metadata())
