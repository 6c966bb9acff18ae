from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.environments import python_with

PROGRAM = Path(__file__).parent / "in_mxnet.py"
# MXNet 1.9.1 uses np.bool, which numpy 1.24 removed; older setuptools still has what MXNet imports of it.
PACKAGES = "mxnet==1.9.1\nnumpy==1.23.5\nsetuptools<81\n"

InMXNet = Callable[[str, Path], None]


@pytest.fixture(scope="session")
def in_mxnet() -> InMXNet:
    """Return a function that runs a part of in_mxnet.py on a folder, by a Python that has MXNet."""
    python = python_with("mxnet-1.9.1", PACKAGES, "import mxnet; mxnet.nd.ones(1).asnumpy()")

    def run(what: str, folder: Path) -> None:
        result = subprocess.run(
            [python, PROGRAM, what, folder], check=False, timeout=250,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout

    return run
