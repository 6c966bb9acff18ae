"""``topicdock describe``: an algorithm's declarations."""

from __future__ import annotations

import json

import click

from topicdock.contract.logs import metric_definitions
from topicdock.spec.description import to_api_hyperparameters, to_markdown, to_tuner_ranges
from topicdock.spec.registry import ALGORITHMS, DEFAULT_ALGORITHM


@click.command()
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
