"""The command line; also what the container's ``train`` and ``serve`` call."""

from __future__ import annotations

import json
import os
import signal
import sys

import click

from topicdock import __version__
from topicdock.contract.failure import STOPPED
from topicdock.contract.logs import metric_definitions
from topicdock.spec.description import to_api_hyperparameters, to_markdown, to_tuner_ranges
from topicdock.spec.registry import ALGORITHMS, DEFAULT_ALGORITHM


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="topicdock")
def main() -> None:
    """Topic models under SageMaker's contracts: train, serve, look."""


@main.command(context_settings={"ignore_unknown_options": True})
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


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("ignored", nargs=-1)
def serve(ignored: tuple[str, ...]) -> None:
    """Answer HTTP with the model below /opt/ml/model (SAGEMAKER_BASE_DIR moves it)."""
    print("Docker entrypoint called with argument(s):", " ".join(("serve", *ignored)), flush=True)
    from topicdock.serving import serve as run

    sys.exit(run(os.environ))


@main.command()
@click.argument("algorithm", type=click.Choice(list(ALGORITHMS)), default=DEFAULT_ALGORITHM)
@click.option(
    "--as",
    "what",
    type=click.Choice(["markdown", "metrics", "hyperparameters", "ranges"]),
    default="markdown",
    help="The documentation, or the JSON of MetricDefinitions, SupportedHyperParameters or ParameterRanges.",
)
def describe(algorithm: str, what: str) -> None:
    """Print an algorithm's hyperparameters, channels and metrics, for people or for SageMaker's API."""
    specification = ALGORITHMS[algorithm]
    if what == "markdown":
        print(to_markdown(specification), end="")
        return
    content = {
        "metrics": metric_definitions(metric.name for metric in specification.metrics),
        "hyperparameters": to_api_hyperparameters(specification),
        "ranges": to_tuner_ranges(specification),
    }[what]
    print(json.dumps(content, indent=2))
