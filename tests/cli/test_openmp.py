"""What is said to OpenMP before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys

from topicdock.cli.openmp import settle_openmp


def test_idle_threads_sleep_soon_unless_told_otherwise() -> None:
    environ: dict[str, str] = {}
    settle_openmp(environ)
    assert environ == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
    environ = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "7"}
    settle_openmp(environ)
    assert environ == {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "7"}


def test_torchs_openmp_understands_it() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.endswith(("WAIT_POLICY", "SPINCOUNT"))}
    settle_openmp(environ)
    told = subprocess.run(
        [sys.executable, "-c", "import torch; torch.rand(2000, 2000).sum()"],
        env={**environ, "OMP_DISPLAY_ENV": "VERBOSE"}, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in told
    assert "GOMP_SPINCOUNT = '1000'" in told
