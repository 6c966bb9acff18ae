"""Serving a fitted topic model over HTTP, by SageMaker's hosting contract."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping


def serve(environment: Mapping[str, str]) -> int:
    """Serve the model of this container until SIGTERM, and return the exit status.

    Parameters
    ----------
    environment : mapping of str to str
        See :class:`topicdock.serving.settings.Settings` and :class:`topicdock.contract.layout.Layout`.
    """
    # The first process of a container ignores SIGTERM unless it says otherwise; gunicorn takes over once it runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from topicdock.serving.server import run

    return run(environment)


__all__ = ["serve"]
