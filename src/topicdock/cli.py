"""The command line; also what the container's ``train`` and ``serve`` call."""

from __future__ import annotations

import os
import sys

import click

from topicdock import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="topicdock")
def main() -> None:
    """Topic models under SageMaker's contracts: train, serve, look."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1)
def train(ignored: tuple[str, ...]) -> None:
    """Run the training job that /opt/ml describes (SAGEMAKER_BASE_DIR moves it)."""
    print("Docker entrypoint called with argument(s):", " ".join(("train", *ignored)), flush=True)
    # Idle OpenMP threads that spin take whole cores from those that work; torch reads these when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    from topicdock.training import train as run

    sys.exit(run(os.environ))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1)
def serve(ignored: tuple[str, ...]) -> None:
    """Answer HTTP with the model below /opt/ml/model (SAGEMAKER_BASE_DIR moves it)."""
    print("Docker entrypoint called with argument(s):", " ".join(("serve", *ignored)), flush=True)
    from topicdock.serving import serve as run

    sys.exit(run(os.environ))
