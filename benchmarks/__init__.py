"""What the figures in docs/benchmarks.md were measured with; `scripts/benchmark NAME` runs one of them."""

import os

from topicdock.cli.openmp import settle_openmp

ENVIRONMENT = dict(os.environ)
"""As it was given, for what others wrote."""
settle_openmp(os.environ)  # as `topicdock train` does, before any of them imports torch
