from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "in_mxnet.py"
# MXNet 1.9.1 uses np.bool, which numpy 1.24 removed; older setuptools still has what MXNet imports of it.
PACKAGES = ("mxnet==1.9.1", "numpy==1.23.5", "setuptools<81")
INSTALLING = 900

InMXNet = Callable[[str, Path], None]


@pytest.fixture(scope="session")
def in_mxnet() -> InMXNet:
    """Return a function that runs a part of in_mxnet.py on a folder, by a Python that has MXNet."""
    python = _install()

    def run(what: str, folder: Path) -> None:
        result = subprocess.run(
            [python, PROGRAM, what, folder], check=False, timeout=250,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout

    return run


def _install() -> Path:
    """Make a virtual environment with MXNet in the user's cache, once; return its Python."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topicdock-tests"
    folder = cache / f"mxnet-1.9.1-python{sys.version_info.major}.{sys.version_info.minor}"
    ready = folder / ".ready"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            base = getattr(sys, "_base_executable", sys.executable)
            _attempt(base, "-m", "venv", str(folder))
            _attempt(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES)
            _attempt(str(folder / "bin" / "python"), "-c", "import mxnet; mxnet.nd.ones(1).asnumpy()")
            ready.touch()
    return folder / "bin" / "python"


def _attempt(*command: str) -> None:
    result = subprocess.run(
        command, check=False, timeout=INSTALLING, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        last = (result.stdout.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"MXNet 1.9.1 cannot be installed here: {last[:300]}")
