"""The cells of three SageMaker notebooks, by SDK 2.x in local mode; ``mx.nd.load`` in them is the real MXNet's.

Changed are the image, the kind of machine and the place of the data, and what the SDK itself refuses: local mode wants
a LocalSession and knows no ShardedByS3Key; SDK 2.x takes objects for serialisers where 1.x took functions, and keeps
1.x's ``csv_serializer`` in another module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, load_npz

from demo.bars import draw_bars
from tests.jobs import SHARED_DATA, planted_corpus
from tests.mxnet.conftest import InMXNet, in_mxnet
from tests.sdk.conftest import Client
from topicdock.artifact import load_model

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(3600)]
LOOPBACK = {"localhost", "127.0.0.1"}
__all__ = ["in_mxnet"]  # a fixture, found by its name in this module


def test_the_synthetic_notebook_ends_with_correlations_of_known_and_found_topics(sdk2: Client, image: str) -> None:
    bars = draw_bars(5000, 5, seed=0)
    np.savez(sdk2.folder / "bars.npz", documents=bars.counts.toarray(), topic_mixtures=bars.theta)
    sdk2.run("notebook_bars.py", image)
    with np.load(sdk2.folder / "plot.npz") as plot:
        known_and_found = plot["correlations"][:5, 5:]
        np.testing.assert_allclose(plot["all"].sum(axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(plot["first"], plot["all"][:10], atol=1e-6)
        assert plot["all"].shape == (4000, 5)
    assert (known_and_found.max(axis=1) > 0.8).all(), known_and_found
    assert sorted(known_and_found.argmax(axis=1)) == list(range(5))  # each known topic is another found one
    assert sdk2.contacted == LOOPBACK


def test_the_newsgroups_notebook_ends_with_the_word_clouds_frequencies(
    sdk2: Client, image: str, in_mxnet: InMXNet
) -> None:
    write_texts(sdk2.folder / "texts")
    sdk2.run("notebook_newsgroups.py", image, "2")  # hosts, as the notebook has it
    vocabulary = (sdk2.folder / "vocabulary.txt").read_text().split()
    in_mxnet("clouds", sdk2.folder)
    with np.load(sdk2.folder / "clouds.npz") as clouds:
        weights, frequencies = clouds["projection_weight"], clouds["frequencies"]
    assert weights.shape == (len(vocabulary), 20)
    assert frequencies.shape == (20, len(vocabulary))
    np.testing.assert_allclose(frequencies.sum(axis=1), 1.0, atol=1e-4)
    model = load_model(sdk2.folder)
    np.testing.assert_array_equal(frequencies.argmax(axis=1), model.top_words(1)[:, 0])
    largest = {vocabulary[word] for word in frequencies.argmax(axis=1)}
    assert len(largest) > 10  # the clouds differ: topics have not collapsed into one
    with np.load(sdk2.folder / "plot.npz") as plot:
        theta = model.transform(csr_matrix(load_npz(sdk2.folder / "asked.npz")))
        np.testing.assert_allclose(plot["bars"].T, theta, atol=1e-6)
        np.testing.assert_allclose(plot["again"], theta, atol=1e-6)
    assert sdk2.contacted == LOOPBACK


def test_the_lda_notebook_ends_with_alpha_and_beta_and_mixtures(
    sdk2: Client, lda_image: str, in_mxnet: InMXNet
) -> None:
    counts, words = news()
    lines = [
        ",".join(f"{word + 1}:{int(times)}" for word, times in zip(row.indices, row.data, strict=True))
        for row in counts
    ]
    (sdk2.folder / "nyt_data.txt").write_text("\n".join(lines) + "\n")
    (sdk2.folder / "nyt_vocab.dat").write_text("".join(f"'{word}'\n" for word in words))
    sdk2.run("notebook_news_lda.py", lda_image)
    answers = sdk2.answers()
    assert answers["model_list"] == ["model_algo-1"]
    in_mxnet("read_lda", sdk2.folder)
    with np.load(sdk2.folder / "read.npz") as read:
        assert read["alpha"].shape == (10,)
        assert read["alpha"].sum() == pytest.approx(1.0, abs=1e-5)
        assert read["beta"].shape == (10, len(words))
        np.testing.assert_allclose(read["beta"].sum(axis=1), 1.0, atol=1e-4)
        assert len(set(read["beta"].argmax(axis=1).tolist())) > 5
    mixtures = [prediction["topic_mixture"] for prediction in answers["all"]["predictions"]]
    assert len(mixtures) == answers["documents"] == len(lines) - int(0.95 * len(lines))
    np.testing.assert_allclose(mixtures, load_model(sdk2.folder).transform(counts[-len(mixtures) :]), atol=1e-6)
    assert answers["first"]["predictions"] == answers["all"]["predictions"][:3]
    assert sdk2.contacted == LOOPBACK


def write_texts(folder: Path, documents: int = 2500) -> None:
    """Write texts to count: the words of 20 Newsgroups in any order where they are, else of a planted corpus."""
    source = SHARED_DATA / "20ng_etm"
    if source.is_dir():
        counts, words = csr_matrix(load_npz(source / "train.npz"))[:documents], read_words(source)
    else:
        counts, words = planted_corpus(documents, 400, 20), [f"word{number}" for number in range(400)]
    generator = np.random.default_rng(0)
    folder.mkdir()
    for number, row in enumerate(counts):
        tokens = generator.permutation(np.repeat(row.indices, row.data.astype(int)))
        (folder / f"{number:05d}.txt").write_text(" ".join(words[token] for token in tokens), encoding="latin1")


def news(documents: int = 1500) -> tuple[csr_matrix, list[str]]:
    """Return articles of the New York Times as word counts where they are, else a planted corpus."""
    source = SHARED_DATA / "nyt_8447"
    if source.is_dir():
        return csr_matrix(load_npz(source / "train.npz"))[:documents].astype(np.float32), read_words(source)
    return planted_corpus(documents, 400, 10), [f"word{number}" for number in range(400)]


def read_words(source: Path) -> list[str]:
    return (source / "vocab.txt").read_text(encoding="utf-8").split()
