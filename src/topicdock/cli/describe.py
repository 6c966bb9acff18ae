"""``topicdock describe``: an algorithm's declarations."""

from __future__ import annotations

import json

import click

from topicdock.contract.logs import metric_definitions
from topicdock.spec.description import to_algorithm_request, to_api_hyperparameters, to_markdown, to_tuner_ranges
from topicdock.spec.registry import ALGORITHMS, DEFAULT_ALGORITHM


@click.command()
@click.argument("algorithm", type=click.Choice(list(ALGORITHMS)), default=DEFAULT_ALGORITHM)
@click.option(
    "--as",
    "what",
    type=click.Choice(["markdown", "metrics", "hyperparameters", "ranges", "algorithm"]),
    default="markdown",
    help="The documentation, or the JSON of MetricDefinitions, SupportedHyperParameters, ParameterRanges or, whole but "
    "for the name, of the request CreateAlgorithm.",
)
@click.option("--image", default="topicdock:latest", help="The image's address, in the request CreateAlgorithm.")
def describe(algorithm: str, what: str, image: str) -> None:
    """Print an algorithm's hyperparameters, channels and metrics, for people or for SageMaker's API."""
    specification = ALGORITHMS[algorithm]
    if what == "markdown":
        print(to_markdown(specification), end="")
        return
    metrics = metric_definitions(metric.name for metric in specification.metrics)
    content = {
        "metrics": metrics,
        "algorithm": to_algorithm_request(specification, metrics, image),
        "hyperparameters": to_api_hyperparameters(specification),
        "ranges": to_tuner_ranges(specification),
    }[what]
    print(json.dumps(content, indent=2))
