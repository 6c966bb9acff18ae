"""A model in figures, and the warnings that they give cause for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon, pdist, squareform

from tests.jobs import planted_corpus
from tests.models import random_counts, random_model
from topicdock.evaluation import npmi
from topicdock.model import NeuralTopicModel
from topicdock.report import Documents, intertopic_map, render_report, summarize, summary
from topicdock.report.advice import advise, learning_curve
from topicdock.report.curve import draw_curve
from topicdock.report.intertopic_map import jensen_shannon, place_circles, scale_classically

WORDS = tuple(f"word{number}" for number in range(30))


def model_with(training: dict[str, Any] | None = None, **options: Any) -> NeuralTopicModel:
    model = random_model(vocabulary=WORDS, **options)
    model.metadata = replace(model.metadata, training=training or {})
    return model


def test_sizes_are_the_topics_shares_of_all_words() -> None:
    model, counts = model_with(), random_counts(50)
    found = summarize(model, Documents(counts))
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    expected = lengths @ model.transform(counts) / lengths.sum()
    np.testing.assert_allclose([topic.size for topic in found.topics], expected, rtol=1e-5)
    assert sum(topic.size for topic in found.topics) == pytest.approx(1.0)
    assert [topic.number for topic in found.by_size] == np.argsort(-expected, kind="stable").tolist()


def test_probability_and_lift_are_those_of_topic_and_corpus() -> None:
    model, counts = model_with(), random_counts(50)
    word = summarize(model, Documents(counts)).topics[2].words[0]
    number = WORDS.index(word.text)
    assert number == model.top_words(1)[2, 0]
    frequency = counts[:, number].sum() / counts.sum()
    assert word.probability == pytest.approx(float(model.beta[2, number]))
    assert word.lift == pytest.approx(float(model.beta[2, number] / frequency))


def test_coherence_is_that_of_the_documents() -> None:
    model, counts = model_with(), random_counts(50)
    expected = npmi(counts, model.top_words(10))
    found = summarize(model, Documents(counts))
    assert [topic.coherence for topic in found.topics] == pytest.approx(expected.tolist())
    assert found.coherence == pytest.approx(expected.mean())


def test_representatives_are_the_documents_with_the_largest_shares() -> None:
    model, counts = model_with(), random_counts(50, mean=2.0)
    names = [f"name{number}" for number in range(50)]
    found = summarize(model, Documents(counts, names, [name.upper() for name in names]))
    theta = model.transform(counts)
    for topic in found.topics:
        best = np.argsort(-theta[:, topic.number], kind="stable")[:3]
        assert [document.name for document in topic.representatives] == [names[row] for row in best]
        assert topic.representatives[0].text == names[best[0]].upper()


def test_without_documents_what_training_measured_is_shown() -> None:
    remembered = [{"size": 0.4 - 0.1 * k, "npmi": 0.1 * k, "topic_uniqueness": 1.0} for k in range(4)]
    found = summarize(model_with({"topics": remembered}))
    assert found.sizes_known
    assert [topic.coherence for topic in found.topics] == [0.0, 0.1, 0.2, pytest.approx(0.3)]
    assert [topic.number for topic in found.by_size] == [0, 1, 2, 3]


@pytest.mark.parametrize("topics", [None, [], [{}] * 4, ["x"] * 4, [{"size": "x", "npmi": float("nan")}] * 4])
def test_a_model_that_remembers_nothing_is_shown_too(topics: Any) -> None:
    found = summarize(model_with({"topics": topics}))
    assert not found.sizes_known
    assert found.coherence is None
    assert "Topic by topic" in render_report(found)


def test_of_many_documents_a_sample_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "MOST_DOCUMENTS", 20)
    found = summarize(model_with(), Documents(random_counts(50)))
    assert (found.documents, found.documents_seen) == (50, 20)
    assert summary.topic_sizes(model_with(), random_counts(50)).sum() == pytest.approx(1.0)


def test_divergences_are_those_of_scipy() -> None:
    beta = np.random.default_rng(0).dirichlet(np.full(8, 0.3), 5)
    expected = [[jensenshannon(first, second) ** 2 for second in beta] for first in beta]
    np.testing.assert_allclose(jensen_shannon(beta), expected, atol=1e-12)


def test_of_many_topics_a_near_bound_of_the_divergences_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    beta = np.random.default_rng(0).dirichlet(np.full(300, 0.05), 40)
    beta[1] = beta[0]
    exact = jensen_shannon(beta)
    monkeypatch.setattr(intertopic_map, "_MOST_LOGARITHMS", 0)
    bound = jensen_shannon(beta)
    assert bound[0, 1] == pytest.approx(0, abs=1e-6)
    assert (bound <= exact + 1e-6).all()
    assert (bound >= np.log(2) * exact - 1e-6).all()


def test_a_thousand_topics_are_laid_out_in_seconds() -> None:
    began = time.process_time()
    circles = place_circles(
        jensen_shannon(np.random.default_rng(0).dirichlet(np.full(2000, 0.02), 1000)), np.ones(1000)
    )
    assert time.process_time() - began < 60
    assert circles.radii.min() > 0.5


def test_scaling_gives_points_of_the_plane_back() -> None:
    points = np.random.default_rng(0).normal(size=(7, 2))
    distances = squareform(pdist(points))
    np.testing.assert_allclose(squareform(pdist(scale_classically(distances**2))), distances, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000), st.booleans())
def test_no_circle_covers_another_or_leaves_the_map(topics: int, seed: int, twins: bool) -> None:
    generator = np.random.default_rng(seed)
    beta = generator.dirichlet(np.full(30, 0.1), topics)
    if twins:
        beta[:] = beta[0]
    circles = place_circles(jensen_shannon(beta), generator.dirichlet(np.full(topics, 0.2)))
    apart = squareform(pdist(circles.centres)) - circles.radii[:, None] - circles.radii[None, :]
    assert apart[~np.eye(topics, dtype=bool)].min() > 0
    assert (circles.centres - circles.radii[:, None]).min() > -1e-6
    assert (circles.centres + circles.radii[:, None] - [circles.width, circles.height]).max() < 1e-6
    assert circles.radii.min() > 2


def advice_for(model: NeuralTopicModel, documents: Documents | None = None) -> str:
    return "\n".join(advise(summarize(model, documents)))


def test_good_topics_give_no_warning() -> None:
    counts = planted_corpus(1500)
    weight = np.kron(np.eye(4), np.ones((10, 1))).astype(np.float32) * 6
    arrays = {
        "encoder_0_weight": np.eye(40, dtype=np.float32), "encoder_0_bias": np.zeros(40, np.float32),
        "mean_weight": weight.T, "mean_bias": np.zeros(4, np.float32), "projection_weight": weight,
        "projection_bias": np.zeros(40, np.float32),
    }  # fmt: skip
    words = tuple(f"word{number}" for number in range(40))
    metadata = replace(random_model().metadata, vocabulary=words, training={})
    good = NeuralTopicModel(arrays, metadata)
    assert advice_for(good, Documents(counts)) == ""
    twins = NeuralTopicModel({**arrays, "projection_weight": weight[:, [0, 0, 2, 3]]}, metadata)
    assert "nearly the same: 0 and 1." in advice_for(twins, Documents(counts))
    flat = NeuralTopicModel({**arrays, "mean_weight": 0 * weight.T}, metadata)
    assert "has collapsed" in advice_for(flat, Documents(counts))
    unused = NeuralTopicModel({**arrays, "mean_bias": np.array([0, 0, 0, -500], np.float32)}, metadata)
    assert "hardly a document is about: 3." in advice_for(unused, Documents(counts))
    stops = ("the", "and", "of", "you", "w4", "w5", "w6", "w7", "w8", "w9", *words[10:])
    dull = NeuralTopicModel(arrays, replace(metadata, vocabulary=stops))
    assert "say nothing by themselves: 0." in advice_for(dull, Documents(counts))
    assert "only 100 documents for 4 topics" in advice_for(good, Documents(counts[:100]))
    assert "no vocabulary" in advice_for(NeuralTopicModel(arrays, replace(metadata, vocabulary=None)))
    mixed = NeuralTopicModel({**arrays, "projection_weight": weight[np.argsort(np.arange(40) % 10)]}, metadata)
    assert "NPMI below 0" in advice_for(mixed, Documents(counts))


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ([8.0, 7.0, 6.0, 5.0, 4.0], "still falling"),
        ([8.0, 5.0, 6.0, 6.0, 6.0], "rose again"),
        ([8.0, 6.0, 6.0, 6.0, 6.0], ""),
        ([], ""),
    ],
)
def test_the_curve_tells_of_too_few_epochs_and_too_many(losses: list[float], says: str) -> None:
    training = {"losses": [[epoch + 1, 9.0, loss] for epoch, loss in enumerate(losses)]}
    advice = advice_for(model_with(training))
    assert says in advice
    assert bool(says) == ("epochs" in advice)


def test_a_curve_that_is_none_is_passed_over() -> None:
    for losses in (None, 7, [], ["x"], [[1, None, None]], [[1, 2]]):
        found = summarize(model_with({"losses": losses}))
        assert learning_curve(found) == []
        assert draw_curve(learning_curve(found)) is None


def test_a_curve_stays_within_its_box() -> None:
    curve = draw_curve([(epoch, 1000.0 if epoch == 1 else 5.0 / epoch, None) for epoch in range(1, 60)])
    assert curve is not None
    points = np.array([[float(value) for value in point.split(",")] for point in curve.train.split()])
    assert points.min() >= 0
    assert (points <= [curve.width, curve.height]).all()
    assert curve.validation == ""


def test_an_epoch_that_is_far_off_does_not_flatten_the_others() -> None:
    curve = draw_curve([(epoch, 8.0 - epoch / 20, 2e7 if epoch == 5 else 8.1 - epoch / 20) for epoch in range(1, 33)])
    assert curve is not None
    heights = [float(point.split(",")[1]) for point in curve.train.split()]
    assert max(heights) - min(heights) > curve.height / 3
    assert all(len(tick.text) <= 7 for tick in curve.up)
