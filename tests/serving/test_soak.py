"""The service under good and hostile load, for a short while; ``scripts/benchmark soak`` runs it for five minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.soak import prepare, soak


@pytest.mark.slow
def test_under_good_and_hostile_load_answers_stay_the_same_and_nothing_breaks(tmp_path: Path) -> None:
    prepare(tmp_path)
    findings = soak(tmp_path, 16, rests=4)
    assert findings.judge() == []
    assert findings.statuses[200] > 50
    assert findings.statuses[400] > 10
    assert findings.statuses[413] > 0
