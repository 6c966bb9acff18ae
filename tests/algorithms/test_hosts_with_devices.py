"""NTM and ETM on several hosts that each have a device: the processor as each one's device, hosts as threads."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.algorithms.test_devices import CPU, HYPERPARAMETERS, Keeper
from tests.hosts import Seat, on_every_host
from tests.jobs import planted_corpus
from tests.two_sides import TwoSides
from topicdock.algorithms import device_batches, devices
from topicdock.algorithms.device_sums import ByHost
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.hosts import ALONE, Done, Doubles, Hosts, Pending
from topicdock.algorithms.loss_sums import LossSums
from topicdock.algorithms.snapshots import Snapshot
from topicdock.algorithms.variational import VariationalTrainer
from topicdock.corpus.documents import as_documents
from topicdock.errors import CustomerError
from topicdock.spec.registry import ALGORITHMS

COUNTS = planted_corpus(600)
VALIDATION = planted_corpus(100, seed=1)
BOTH = pytest.mark.parametrize("algorithm", ["ntm", "etm"])
SHARDS = pytest.mark.parametrize("shards", [(0, 300, 600), (0, 0, 100, 600)], ids=["two", "three, one of them empty"])


def never() -> bool:
    return False


def fit_part(
    algorithm: str,
    given: dict[str, Any],
    start: int,
    end: int,
    hosts: Hosts = ALONE,
    *,
    snapshot: Snapshot | None = None,
    stop: Callable[[], bool] = never,
) -> tuple[Fit, Snapshot | None]:
    """Fit to some of the documents, and to as large a part of the validation documents; return the snapshot, too."""
    specification = ALGORITHMS[algorithm]
    hyperparameters = specification.hyperparameters.parse(
        {"num_topics": "4", "feature_dim": "40", **{name: str(value) for name, value in given.items()}}
    )
    keeper = Keeper(snapshot)
    fitted: Fit = importlib.import_module(specification.module).fit(
        COUNTS[start:end], hyperparameters, validation=VALIDATION[hosts.rank :: hosts.size], hosts=hosts, device=CPU,
        keeper=keeper, should_stop=stop,
    )  # fmt: skip
    return fitted, keeper.snapshot


def fit_parts(algorithm: str, given: dict[str, Any], shards: tuple[int, ...]) -> list[Fit]:
    tasks = [partial(fit_part, algorithm, given, start, end) for start, end in pairwise(shards)]
    return [fitted for fitted, _ in on_every_host(tasks)]


def check_same_bits(first: Fit, other: Fit) -> None:
    assert other.best_loss == first.best_loss
    for name, array in first.model.arrays.items():
        assert other.model.arrays[name].tobytes() == array.tobytes(), name


LARGE = {"optimizer": "sgd", "encoder_layers": "200,100", "weight_decay": "0.001", "learning_rate": "0.01"}


@pytest.mark.parametrize(
    ("algorithm", "given", "tolerance"),
    [
        ("ntm", {"optimizer": "adagrad", "batch_norm": "true"}, 1e-3),
        ("etm", {"optimizer": "adagrad"}, 1e-3),
        ("ntm", LARGE, 1e-3),
        ("etm", LARGE, 1e-3),
        ("ntm", {"lazy_updates": "true"}, 0.05),  # Adam's first steps have the size of its rate: rounding shows
        ("etm", {"lazy_updates": "true"}, 0.05),
    ],
)
def test_steps_of_several_hosts_are_those_of_one(
    algorithm: str, given: dict[str, Any], tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise, and with the documents of all hosts in one batch, the order of documents is all that differs."""
    monkeypatch.setattr(VariationalTrainer, "_draw_noise", lambda _, shape: torch.zeros(shape))
    given = {**given, "epochs": 4, "predict_unseen": "false"}
    alone, _ = fit_part(algorithm, {**given, "mini_batch_size": 600}, 0, 600)
    fits = fit_parts(algorithm, {**given, "mini_batch_size": 300}, (0, 300, 450, 600))
    np.testing.assert_allclose(fits[0].model.transform(COUNTS), alone.model.transform(COUNTS), atol=tolerance)
    np.testing.assert_allclose(fits[0].model.beta, alone.model.beta, atol=tolerance / 10)
    assert fits[0].best_loss == pytest.approx(alone.best_loss, rel=tolerance / 10)


@BOTH
@SHARDS
def test_all_hosts_hold_the_same_model_to_the_last_bit(algorithm: str, shards: tuple[int, ...]) -> None:
    first, *others = fit_parts(algorithm, {"epochs": 5}, shards)
    for other in others:
        check_same_bits(first, other)
        assert other.best_epoch == first.best_epoch


@pytest.mark.slow
@BOTH
def test_several_hosts_find_the_planted_topics(algorithm: str) -> None:
    fits = fit_parts(algorithm, {}, (0, 200, 600))
    assert min(int(np.bincount(words // 10).max()) for words in fits[0].model.top_words(10)) >= 9


@BOTH
@pytest.mark.parametrize("steps", [5, 12])
def test_hosts_that_were_interrupted_end_with_the_same_bits(algorithm: str, steps: int) -> None:
    """One host is asked to stop; all go on from the leader's snapshot."""
    given, shards = {"epochs": 4, "mini_batch_size": 32}, ((0, 0), (0, 250), (250, 600))
    asked = iter(range(10_000))
    stops = [never, never, lambda: next(asked) >= steps]
    stopped = on_every_host(
        [partial(fit_part, algorithm, given, *shard, stop=stop) for shard, stop in zip(shards, stops, strict=True)]
    )
    snapshot = stopped[0][1]
    assert snapshot is not None
    assert next(asked) < 40
    resumed = on_every_host([partial(fit_part, algorithm, given, *shard, snapshot=snapshot) for shard in shards])
    whole = on_every_host([partial(fit_part, algorithm, given, *shard) for shard in shards])
    for fitted, _ in resumed:
        check_same_bits(whole[0][0], fitted)


class Twin:
    """One of two hosts, of which the other does the very same."""

    rank, size = 0, 2
    processes: tuple[int, ...] = (1, 1)

    def __init__(self) -> None:
        self.from_device = self.from_host = 0
        self.sides: TwoSides | None = None

    def sum(self, array: Doubles) -> Doubles:
        return 2 * array

    def reduce(self, tensor: Tensor, *, largest: bool = False) -> Pending:
        if self.sides is not None and self.sides.belongs(tensor):
            self.from_device += 1
        else:
            self.from_host += 1
        tensor.mul_(1 if largest else 2)
        return Done()

    def use(self, device: torch.device) -> None:
        pass

    def gather(self, data: bytes) -> list[bytes]:
        return [data, data]

    def share(self, data: bytes) -> bytes:
        return data

    def leave(self) -> None:
        pass


@BOTH
@pytest.mark.parametrize("given", [{}, {"encoder_layers": "200,100"}], ids=["plain", "large layers"])
def test_an_epoch_asks_the_device_nothing_and_mixes_no_sides(
    algorithm: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Twin()
    monkeypatch.setattr(VariationalTrainer, "finish", lambda _: None)  # as it is to go on
    fitted, _ = fit_part(algorithm, {"epochs": 2, "mini_batch_size": 64, **given}, 0, 600, twin)
    trainer: Any = fitted.score.__self__  # type: ignore[attr-defined]
    network, corpus = trainer.network, trainer._source._corpus
    fixed = [tensor for _, tensor in (*network.state(), *network.fixed()) if tensor.dim()]
    norms = [tensor for norm in network.encoder.norms.values() for tensor in (norm.scale, norm.shift)]
    moments = [tensor for _, tensor in trainer._optimizer.state()]
    figures = [network.frequencies if algorithm == "etm" else trainer._frequencies]
    twin.from_device = twin.from_host = 0
    with TwoSides([*fixed, *norms, *moments, *figures, corpus.words, corpus.counts, corpus.starts]) as sides:
        twin.sides = sides
        send = device_batches._send
        monkeypatch.setattr(device_batches, "_send", lambda array, device: sides.put(send(array, device)))
        monkeypatch.setattr(LossSums, "losses", lambda sums: sums._values)
        recon, *_ = trainer.train_epoch()
    assert sides.belongs(recon)
    steps = len(trainer._batching.sizes(600))
    # From host to host: the rows of each batch normalisation, and the figures of the step.
    assert twin.from_host == steps * (len(network.encoder.norms) + 1)
    # From device to device: words, the first layer, small weights and losses, two for each normalisation, and more.
    assert twin.from_device >= steps * (3 + 2 * len(network.encoder.norms))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU for each host, with room for 800 documents."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Test")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (8_000_000_000, 8_000_000_000))
    monkeypatch.setattr(devices, "find_fault", lambda _: "")
    monkeypatch.setattr(devices, "_count_bytes", lambda documents, _: 10_000_000 * documents.shape[0])


def choose(wanted: str, documents: int, hosts: Seat) -> torch.device | str | None:
    try:
        return devices.choose_device(wanted, "here", as_documents(planted_corpus(documents)), HYPERPARAMETERS, hosts)
    except CustomerError as error:
        return str(error)


def choices(*asked: tuple[str, int]) -> list[torch.device | str | None]:
    return on_every_host([partial(choose, wanted, documents) for wanted, documents in asked])


@pytest.mark.usefixtures("gpus")
def test_hosts_use_their_gpus_together_or_none_does(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert choices(("auto", 100), ("cuda", 200)) == [torch.device("cuda", 0)] * 2
    assert choices(("auto", 100), ("auto", 900), ("auto", 50)) == [None] * 3
    reason = "on host 2 of 3, documents and model need about 9.0 GB, and the GPU has 8.0 GB free"
    assert caplog.text.count(f"Training on the CPU: {reason}.") == 3
    assert choices(("auto", 100), ("cpu", 100)) == [None] * 2
    assert caplog.text.count("Training on the CPU: on host 2 of 2, here says so.") == 2
    for text in choices(("cuda", 100), ("auto", 900)):
        assert "cannot be fitted on a GPU" in str(text)
        assert "on host 2 of 2, documents and model need" in str(text)


def test_what_goes_by_way_of_the_hosts_is_put_back_on_the_device() -> None:
    def add(hosts: Seat) -> tuple[Tensor, Tensor]:
        summed, largest = torch.full((2, 3), 1.0 + hosts.rank), torch.tensor([hosts.rank], dtype=torch.uint8)
        before = summed.clone()
        pending = ByHost(summed, hosts.reduce)
        assert torch.equal(summed, before)
        pending.wait()
        ByHost(largest, partial(hosts.reduce, largest=True)).wait()
        return summed, largest

    for summed, largest in on_every_host([add, add, add]):
        assert torch.equal(summed, torch.full((2, 3), 6.0))
        assert largest.tolist() == [2]
