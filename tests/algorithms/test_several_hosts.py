"""NTM and ETM on several hosts: the steps of one host with the same documents, the same bits everywhere."""

from __future__ import annotations

import importlib
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from tests.batches import batches_of
from tests.hosts import Seat, Threads, on_every_host
from tests.jobs import planted_corpus
from topicdock.algorithms import spectral
from topicdock.algorithms.batches import BatchSettings
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.hosts import ALONE, Hosts, describe
from topicdock.algorithms.shards import Shards
from topicdock.algorithms.variational import VariationalTrainer
from topicdock.spec.registry import ALGORITHMS

COUNTS = planted_corpus(600)
VALIDATION = planted_corpus(100, seed=1)
BOTH = pytest.mark.parametrize("algorithm", ["ntm", "etm"])


def fit_part(algorithm: str, given: dict[str, Any], start: int, end: int, hosts: Hosts = ALONE) -> Fit:
    """Fit to some of the documents, and to as large a part of the validation documents."""
    specification = ALGORITHMS[algorithm]
    hyperparameters = specification.hyperparameters.parse(
        {"num_topics": "4", "feature_dim": "40", **{name: str(value) for name, value in given.items()}}
    )
    validation = VALIDATION[hosts.rank :: hosts.size]
    fit = importlib.import_module(specification.module).fit
    fitted: Fit = fit(COUNTS[start:end], hyperparameters, validation=validation, hosts=hosts)
    return fitted


def fit_parts(
    algorithm: str, given: dict[str, Any], shards: tuple[int, ...], processes: tuple[int, ...] = ()
) -> list[Fit]:
    return on_every_host(
        [partial(fit_part, algorithm, given, start, end) for start, end in pairwise(shards)], processes
    )


@BOTH
@pytest.mark.parametrize(
    ("given", "tolerance"),
    [
        ({"optimizer": "adagrad"}, 1e-3),
        ({"optimizer": "sgd", "encoder_layers": "200,100", "weight_decay": "0.001", "learning_rate": "0.01"}, 1e-3),
        ({}, 0.05),  # Adam's first steps have the size of its rate, whatever the gradient: rounding shows
    ],
    ids=["adagrad", "sgd with large layers", "adam"],
)
def test_steps_of_several_hosts_are_those_of_one(
    algorithm: str, given: dict[str, Any], tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise, and with the documents of all hosts in one batch, the order of documents is all that differs."""
    monkeypatch.setattr(VariationalTrainer, "_draw_noise", lambda _, shape: torch.zeros(shape))
    given = {**given, "epochs": 4, "predict_unseen": "false"}
    alone = fit_part(algorithm, {**given, "mini_batch_size": 600}, 0, 600)
    fits = fit_parts(algorithm, {**given, "mini_batch_size": 300}, (0, 300, 450, 600))
    np.testing.assert_allclose(fits[0].model.transform(COUNTS), alone.model.transform(COUNTS), atol=tolerance)
    np.testing.assert_allclose(fits[0].model.beta, alone.model.beta, atol=tolerance / 10)
    assert fits[0].best_loss == pytest.approx(alone.best_loss, rel=tolerance / 10)


@BOTH
@pytest.mark.parametrize("shards", [(0, 300, 600), (0, 0, 100, 600)], ids=["two", "three, one of them empty"])
def test_all_hosts_hold_the_same_model_to_the_last_bit(algorithm: str, shards: tuple[int, ...]) -> None:
    fits = fit_parts(algorithm, {"epochs": 5}, shards)
    for other in fits[1:]:
        assert other.best_loss == fits[0].best_loss
        assert other.best_epoch == fits[0].best_epoch
        for name, array in fits[0].model.arrays.items():
            assert other.model.arrays[name].tobytes() == array.tobytes(), name


@BOTH
def test_processes_of_a_host_take_the_steps_of_as_many_hosts_with_their_part_of_its_batch(algorithm: str) -> None:
    shards, given = (0, 200, 250, 600), {"epochs": 3}
    hosts = fit_parts(algorithm, {**given, "mini_batch_size": 20}, shards)
    processes = fit_parts(algorithm, {**given, "mini_batch_size": 60}, shards, processes=(3,))
    assert weights(processes[2]) == weights(processes[0])
    # Hosts spread the documents of the one that has the most over its steps, processes those of all.
    assert processes[0].best_loss == pytest.approx(hosts[0].best_loss, rel=0.05)
    even = (0, 200, 400, 600)
    hosts = fit_parts(algorithm, {**given, "mini_batch_size": 20}, even)
    processes = fit_parts(algorithm, {**given, "mini_batch_size": 60}, even, processes=(3,))
    assert weights(processes[0]) == weights(hosts[0])


@pytest.mark.parametrize("size", [7, 8], ids=["not divisible", "divisible"])
def test_a_host_of_several_processes_takes_as_many_steps_as_one_of_one(size: int) -> None:
    numbers, processes = (17, 16, 17, 20), (3, 1)
    settings = [
        BatchSettings(size, 1.0, 0, "counts", False, True, shards=Shards(rank, numbers, processes))
        for rank in range(len(numbers))
    ]
    steps = [len(list(batches_of(COUNTS[:number], each, 1))) for number, each in zip(numbers, settings, strict=True)]
    assert steps == [-(-50 // size)] * 4
    sizes = settings[0].sizes(numbers[0])
    assert sum(sizes) == 70
    assert max(sizes) - min(sizes) <= 4


def test_processes_are_told_by_host_and_number() -> None:
    seat = Seat(Threads(4, (1, 3)), 0)
    names = [describe(seat, rank) for rank in range(4)]
    assert names == ["host 1 of 2", *(f"process {number} of 3 of host 2 of 2" for number in (1, 2, 3))]


def weights(fitted: Fit) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in fitted.model.arrays.items()}


def test_hosts_that_sample_their_documents_share_the_word_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each host draws from as many documents as it has; what follows from the sample may differ."""
    monkeypatch.setattr(spectral, "_MOST_DOCUMENTS", 300)
    first, second = fit_parts("etm", {"epochs": 2}, (0, 100, 600))
    for name, array in first.model.arrays.items():
        assert second.model.arrays[name].tobytes() == array.tobytes(), name


@BOTH
def test_several_hosts_find_the_planted_topics(algorithm: str) -> None:
    fits = fit_parts(algorithm, {}, (0, 200, 600))
    blocks = {int(np.bincount(words // 10).max()) for words in fits[0].model.top_words(10)}
    assert min(blocks) >= 9


def test_every_document_is_in_one_batch_of_an_epoch() -> None:
    counts = csr_matrix((np.ones(50, np.float32), np.arange(50), np.arange(51)), (50, 50))
    shards = (0, 7, 7, 50)
    everyone = tuple(np.diff(shards).tolist())
    seen: list[int] = []
    steps = []
    for rank, (start, end) in enumerate(pairwise(shards)):
        settings = BatchSettings(8, 1.0, 0, "counts", False, True, shards=Shards(rank, everyone, (1, 1, 1)))
        batches = batches_of(counts[start:end], settings)
        steps.append(len(batches))
        seen += [word for batch in batches for word in batch.input_by_word.words.tolist()]
        sizes = settings.sizes(end - start)
    assert sorted(seen) == list(range(50))
    assert steps == [6, 6, 6]
    assert sum(sizes) == 50
    assert max(sizes) - min(sizes) <= 2


def test_each_host_draws_its_own_noise_and_order() -> None:
    settings = [
        BatchSettings(4, 1.0, 0, "counts", True, False, shards=Shards(rank, (20, 20), (1, 1))) for rank in range(2)
    ]
    first, second = ([batch.values for batch in batches_of(COUNTS[:20], each)] for each in settings)
    assert not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
