"""What holds for all tests."""

from __future__ import annotations

import os

# Read when torch is first imported: idle OpenMP threads that spin would take whole cores from the tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ["tests.container.image"]
