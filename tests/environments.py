"""Virtual environments of their own, for programs whose packages cannot stand beside the tests' own."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs import ROOT

FOLDER = ROOT / ".environments"
INSTALLING = 1200


def python_with(name: str, requirements: str, check: str) -> Path:
    """Return the Python of an environment that has what a text like requirements.txt asks for; made once, then kept.

    Parameters
    ----------
    name : str
        Of the environment's folder.
    check : str
        A program that proves it usable. Where it cannot be had or does not run, the tests that ask for it are skipped.
    """
    wanted = hashlib.sha256(f"{sys.version_info[:2]}\n{requirements}\n{check}".encode()).hexdigest()
    folder = FOLDER / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:  # workers of pytest-xdist would otherwise make it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists() or ready.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            base = getattr(sys, "_base_executable", sys.executable)
            _attempt(name, base, "-m", "venv", str(folder))
            listed = folder / "requirements.txt"
            listed.write_text(requirements)
            _attempt(name, str(python), "-m", "pip", "install", "--quiet", "--requirement", str(listed))
            _attempt(name, str(python), "-c", check)
            ready.write_text(wanted)
    return python


def _attempt(name: str, *command: str) -> None:
    result = subprocess.run(
        command, check=False, timeout=INSTALLING, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        last = (result.stdout.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"{name} cannot be installed here: {last[:300]}")
