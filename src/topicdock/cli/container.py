"""What SageMaker calls: ``train`` and ``serve``."""

from __future__ import annotations

import os
import signal
import sys

import click

from topicdock.contract.failure import STOPPED


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1)
def train(ignored: tuple[str, ...]) -> None:
    """Run the training job that /opt/ml describes (SAGEMAKER_BASE_DIR moves it)."""
    # The first process of a container ignores SIGTERM unless it says otherwise; the job takes over once it runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    print("Docker entrypoint called with argument(s):", " ".join(("train", *ignored)), flush=True)
    # Idle OpenMP threads that spin take whole cores from those that work, a factor of ten where cores are shared; torch
    # reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from topicdock.training import train as run

    sys.exit(run(os.environ))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1)
def serve(ignored: tuple[str, ...]) -> None:
    """Answer HTTP with the model below /opt/ml/model (SAGEMAKER_BASE_DIR moves it)."""
    print("Docker entrypoint called with argument(s):", " ".join(("serve", *ignored)), flush=True)
    from topicdock.serving import serve as run

    sys.exit(run(os.environ))
