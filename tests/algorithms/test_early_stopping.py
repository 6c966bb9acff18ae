"""The built-in's stopping rule."""

from __future__ import annotations

import math

from topicdock.algorithms.early_stopping import EarlyStopping


def _decisions(losses: list[float], patience: int, tolerance: float) -> list[tuple[bool, int, bool] | None]:
    rule = EarlyStopping(patience, tolerance)
    return [
        None if decision is None else (decision.bad, decision.bad_epochs, decision.exceeded)
        for decision in map(rule.observe, losses)
    ]


def test_nothing_is_decided_before_there_are_more_epochs_than_patience() -> None:
    assert _decisions([5.0, 4.0], 2, 0.001) == [None, None]


def test_an_epoch_is_bad_when_it_improves_less_than_the_tolerance_on_the_best_of_the_last() -> None:
    losses = [7.0, 6.0, 5.9995, 5.9, 5.9, 5.9]
    assert _decisions(losses, 2, 0.001)[2:] == [(True, 1, False), (False, 0, False), (True, 1, False), (True, 2, False)]


def test_it_stops_when_more_epochs_than_patience_were_bad_in_a_row() -> None:
    decisions = _decisions([5.0] * 6, 2, 0.001)
    assert decisions[-2:] == [(True, 3, True), (True, 4, True)]
    assert decisions[3] == (True, 2, False)


def test_only_the_last_epochs_count_so_a_loss_may_recover_from_a_rise() -> None:
    assert _decisions([1.0, 5.0, 5.0, 4.0], 2, 0.001)[-1] == (False, 0, False)


def test_a_loss_that_is_no_number_is_bad() -> None:
    assert _decisions([5.0, math.nan], 1, 0.001)[-1] == (True, 1, False)
