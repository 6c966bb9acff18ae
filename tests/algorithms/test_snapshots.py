"""Snapshots made within an epoch: a fit that goes on from one ends with the same bits."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.hosts import on_every_host
from tests.jobs import planted_corpus
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.hosts import ALONE, Hosts
from topicdock.algorithms.snapshots import Snapshot
from topicdock.spec.registry import ALGORITHMS

COUNTS = planted_corpus(330)


class AtEveryStep:
    """Keeps every snapshot, and asks for one after every step; only the leader may ask."""

    def __init__(self, hosts: Hosts, begin: Snapshot | None = None) -> None:
        self._hosts, self._begin = hosts, begin
        self.kept: list[Snapshot] = []

    def restore(self) -> Snapshot | None:
        return self._begin

    def due(self) -> bool:
        return self._hosts.rank == 0

    def keep(self, make: Callable[[], Snapshot], *, wait: bool) -> bool:
        self.kept.append(make())
        return True


def run(algorithm: str, given: dict[str, Any], begin: Snapshot | None, hosts: Hosts = ALONE) -> tuple[Fit, AtEveryStep]:
    specification = ALGORITHMS[algorithm]
    hyperparameters = specification.hyperparameters.parse(
        {"num_topics": "4", "feature_dim": "40", "epochs": "3", "mini_batch_size": "100", **given}
    )
    keeper = AtEveryStep(hosts, begin)
    fit = importlib.import_module(specification.module).fit
    fitted: Fit = fit(COUNTS[hosts.rank :: hosts.size], hyperparameters, hosts=hosts, keeper=keeper)
    return fitted, keeper


@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
@pytest.mark.parametrize(
    "given", [{}, {"optimizer": "rmsprop", "posterior_batch_norm": "false"}], ids=["plain", "rmsprop"]
)
def test_a_fit_goes_on_from_any_step(algorithm: str, given: dict[str, Any]) -> None:
    whole, keeper = run(algorithm, given, None)
    within = [snapshot for snapshot in keeper.kept if snapshot.facts["trainer"]["batch"]]
    assert len(within) >= 6
    for snapshot in within[1::2]:
        rest, _ = run(algorithm, given, snapshot)
        assert rest.best_loss == whole.best_loss
        for name, array in whole.model.arrays.items():
            assert rest.model.arrays[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("algorithm", ["ntm", "etm"])
def test_several_hosts_go_on_from_a_step_that_the_leader_chose(algorithm: str) -> None:
    given = {"mini_batch_size": "50"}
    whole = on_every_host([partial(run, algorithm, given, None)] * 2)
    kept = [keeper.kept for _, keeper in whole]
    assert len(kept[0]) == len(kept[1])
    place = next(i for i, snapshot in enumerate(kept[0]) if snapshot.facts["trainer"]["batch"] == 2)
    rest = on_every_host([partial(run, algorithm, given, kept[0][place])] * 2)
    for fitted, _ in rest:
        for name, array in whole[0][0].model.arrays.items():
            assert fitted.model.arrays[name].tobytes() == array.tobytes(), name
