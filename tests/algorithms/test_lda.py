"""LDA on corpora whose topics are known, on corpora that have none, and on several hosts."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from demo.bars import draw_bars
from tests.hosts import on_every_host
from tests.jobs import planted_corpus
from topicdock.algorithms.hosts import Hosts
from topicdock.algorithms.lda import DirichletFit, fit
from topicdock.corpus import documents as corpus
from topicdock.errors import CustomerError
from topicdock.spec.lda import LDAHyperparameters

Doubles = NDArray[np.float64]


def planted(documents: int, size: int = 200, num_topics: int = 5, length: int = 60) -> tuple[csr_matrix, Doubles]:
    """Return documents that LDA with sparse topics wrote, and the topics."""
    generator = np.random.default_rng(0)
    beta = generator.dirichlet(np.full(size, 0.1), num_topics)
    mixtures = generator.dirichlet(np.full(num_topics, 0.1), documents) @ beta
    counts = generator.multinomial(length, mixtures / mixtures.sum(1, keepdims=True))
    return csr_matrix(counts.astype(np.float32)), beta


def distance(beta: NDArray[np.floating], truth: Doubles) -> float:
    """Return the mean L1 distance of topics that were matched with the true ones."""
    distances = np.abs(beta[:, None] - truth[None]).sum(2)
    return float(distances[linear_sum_assignment(distances)].mean())


def run(counts: csr_matrix, num_topics: int, **given: object) -> DirichletFit:
    hyperparameters = {"num_topics": num_topics, "feature_dim": counts.shape[1], **given}
    return fit(counts, LDAHyperparameters.parse({name: str(value) for name, value in hyperparameters.items()}))


def test_planted_topics_are_found_and_refinement_brings_them_nearer() -> None:
    counts, truth = planted(4000)
    plain = run(counts, 5, refine=False).model
    refined = run(counts, 5).model
    assert distance(plain.beta, truth) < 0.2
    assert distance(refined.beta, truth) < 0.15
    assert refined.alpha.sum() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(refined.beta.sum(1), 1, rtol=1e-5)


def test_documents_block_by_block_give_the_topics_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, _ = planted(2000)
    at_once = run(counts, 5).model
    monkeypatch.setattr(corpus, "_BLOCK_COUNTS", 5000)
    model = run(counts, 5).model
    assert distance(model.beta, at_once.beta.astype(np.float64)) < 1e-3
    np.testing.assert_allclose(np.sort(model.alpha), np.sort(at_once.alpha), rtol=1e-3)


@pytest.mark.parametrize(("documents", "length"), [(5000, 40), (1000, 100)])
def test_refinement_is_not_cut_short_where_its_start_flatters(documents: int, length: int) -> None:
    blocks = np.kron(np.eye(4), np.ones(10)) + 0.02
    truth = blocks / blocks.sum(1, keepdims=True)
    model = run(planted_corpus(documents, length=length), 4).model
    assert distance(model.beta, truth) < 0.06


def test_a_stop_within_the_decomposition_ends_it_with_a_model() -> None:
    counts, _ = planted(300)
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    given = {"num_topics": "5", "feature_dim": "200", "max_iterations": "100000", "tol": "1e-300"}
    model = fit(counts, LDAHyperparameters.parse(given), should_stop=should_stop).model
    assert len(asked) < 10
    np.testing.assert_allclose(model.beta.sum(1), 1, rtol=1e-4)


def test_the_moments_alone_keep_their_zeros() -> None:
    counts, _ = planted(500)
    assert (run(counts, 4, refine=False).model.beta == 0).any()


def test_the_moments_alone_come_nearer_with_more_documents() -> None:
    counts, truth = planted(8000)
    distances = [distance(run(counts[:number], 5, refine=False).model.beta, truth) for number in (500, 2000, 8000)]
    assert distances[0] > 1.1 * distances[1] > 1.2 * distances[2]


def test_bars_are_found_although_rows_and_columns_depend_on_each_other() -> None:
    bars = draw_bars(2000, 10, seed=0)
    assert distance(run(bars.counts, 10).model.beta, bars.beta) < 0.12


def test_the_same_seed_gives_the_same_bits() -> None:
    counts, _ = planted(300)
    first, second = (run(counts, 5, seed=3).model for _ in range(2))
    assert first.beta.tobytes() == second.beta.tobytes()
    assert first.alpha.tobytes() == second.alpha.tobytes()


def test_alpha0_is_what_alpha_sums_to_and_topics_come_largest_first() -> None:
    counts, _ = planted(500)
    for refine in (True, False):
        alpha = run(counts, 4, alpha0=0.3, refine=refine).model.alpha
        assert alpha.sum() == pytest.approx(0.3, rel=1e-5)
        assert (np.diff(alpha) <= 0).all()


HARD = {
    "more topics than independent documents": np.repeat(np.eye(3, 12) * 9, 10, axis=0),
    "one document": np.array([[3, 2, 0, 1, 5, 0]]),
    "one document of one word": np.array([[0, 0, 1]]),
    "documents of one word": np.eye(9, 12)[np.arange(50) % 9],
    "documents of two words": np.eye(9, 12)[np.arange(50) % 9] * 2,
    "empty documents among others": np.concatenate([np.zeros((7, 12)), np.eye(9, 12)[np.arange(30) % 9] * 4]),
    "the same document throughout": np.repeat(np.array([[4, 3, 2, 0, 0, 1]]), 40, axis=0),
    "a word in every document": np.concatenate([np.full((30, 1), 5), np.eye(9)[np.arange(30) % 9] * 4], axis=1),
    "huge counts": np.eye(4, 8)[np.arange(20) % 4] * 1e6,
    "counts that are not whole": np.eye(4, 8)[np.arange(20) % 4] * 2.5 + 0.25,
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("num_topics", [1, 2, 30])
def test_what_has_too_few_topics_still_gives_a_model_of_probabilities(name: str, num_topics: int) -> None:
    counts = csr_matrix(HARD[name].astype(np.float32))
    model = run(counts, num_topics).model
    assert model.beta.shape == (num_topics, counts.shape[1])
    assert np.isfinite(model.beta).all()
    assert (model.beta > 0).all()
    np.testing.assert_allclose(model.beta.sum(1), 1, rtol=1e-4)
    theta = model.transform(counts)
    np.testing.assert_allclose(theta.sum(1), 1, rtol=1e-5)
    assert np.isfinite(model.log_likelihood_per_word(counts))


def test_without_refinement_too_many_topics_are_refused() -> None:
    counts = csr_matrix((np.repeat(np.eye(3, 12), 10, axis=0) * 9).astype(np.float32))
    with pytest.raises(CustomerError, match=r"num_topics.*30 topics, [0-4] in the documents.*fewer topics"):
        run(counts, 30, refine=False)


def _fit_part(part: csr_matrix, hyperparameters: LDAHyperparameters, hosts: Hosts) -> DirichletFit:
    return fit(part, hyperparameters, hosts=hosts)


@pytest.mark.parametrize("shards", [(0, 450, 1000), (0, 0, 1000)], ids=["uneven", "one empty"])
def test_hosts_that_share_the_documents_find_what_one_host_finds(shards: tuple[int, ...]) -> None:
    counts, truth = planted(1000)
    hyperparameters = LDAHyperparameters.parse({"num_topics": "5", "feature_dim": "200", "perplexity_allowance": "0"})
    alone = fit(counts, hyperparameters).model
    fits = on_every_host([partial(_fit_part, counts[start:end], hyperparameters) for start, end in pairwise(shards)])
    models = [result.model for result in fits]
    assert all(model.beta.tobytes() == models[0].beta.tobytes() for model in models)
    assert distance(models[0].beta, alone.beta.astype(np.float64)) < 0.01
    assert distance(models[0].beta, truth) < 0.2
