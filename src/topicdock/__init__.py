"""topicdock: an open, fast drop-in for Amazon SageMaker's built-in topic models."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the estimators when they are first asked for: serving and the command line do without them."""
    if name in ("ETM", "LDA", "NTM"):
        return getattr(importlib.import_module("topicdock.estimators"), name)
    raise AttributeError(f"module 'topicdock' has no attribute {name!r}")
