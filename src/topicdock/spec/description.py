"""An algorithm's declarations, spelled for people and for SageMaker's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from topicdock.corpus import RECORDIO
from topicdock.spec.algorithm import Specification
from topicdock.spec.hyperparameters import Description, spell

_API_TYPES = {"integer": "Integer", "number": "Continuous", "choice": "Categorical", "boolean": "Categorical"}
_TRAINING_INSTANCES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge", "ml.c5.xlarge", "ml.c5.2xlarge",
    "ml.c5.4xlarge", "ml.c5.9xlarge")  # fmt: skip
"""A list that SageMaker wants closed; what an algorithm needs is cores and memory."""
_HOSTING_INSTANCES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.c5.xlarge", "ml.c5.2xlarge")


def to_markdown(specification: Specification) -> str:
    """Return the documentation of an algorithm's hyperparameters, channels and metrics."""
    recipes = specification.hyperparameters.recipes
    other = next((name for name in recipes if recipes[name]), "")
    lines = [f"## {specification.name}", "", specification.sentence, ""]
    lines += [
        f"| hyperparameter | allowed | default | with `recipe={other}` | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for description in specification.hyperparameters.describe():
        default = "required" if description.required else f"`{description.default}`"
        changed = recipes.get(other, {}).get(description.name)
        alternative = "" if changed is None else f"`{spell(changed)}`"
        lines.append(
            f"| `{description.name}` | {description.allowed} | {default} | {alternative} | {description.sentence} |"
        )
    aliases = specification.hyperparameters.aliases
    if aliases:
        lines += ["", "| other name | hyperparameter | its value |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | `{alias.name}` | {alias.sentence} |" for name, alias in aliases.items()]
    lines += ["", "| channel | required | content types | meaning |", "| --- | --- | --- | --- |"]
    for channel in specification.channels:
        types = ", ".join(f"`{name}`" for name in channel.content_types)
        lines.append(f"| `{channel.name}` | {'yes' if channel.required else 'no'} | {types} | {channel.sentence} |")
    lines += ["", "| metric | objective | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{metric.name}` | {metric.objective} | {metric.sentence} |" for metric in specification.metrics]
    return "\n".join(lines) + "\n"


def to_api_hyperparameters(specification: Specification) -> list[dict[str, Any]]:
    """Return the ``SupportedHyperParameters`` of CreateAlgorithm."""
    return [_to_api(description) for description in specification.hyperparameters.describe()]


def to_algorithm_request(
    specification: Specification, metric_definitions: Sequence[Mapping[str, str]], image: str
) -> dict[str, Any]:
    """Return what CreateAlgorithm takes, but for the algorithm's name.

    Parameters
    ----------
    metric_definitions : sequence of mapping
        A regular expression for each metric of the log.
    image : str
        The image's address in the account's registry.
    """
    training: dict[str, Any] = {
        "TrainingImage": image,
        "SupportedHyperParameters": to_api_hyperparameters(specification),
        "SupportedTrainingInstanceTypes": list(_TRAINING_INSTANCES),
        "SupportsDistributedTraining": True,
        "MetricDefinitions": [dict(definition) for definition in metric_definitions],
        "TrainingChannels": [
            {
                "Name": channel.name,
                "Description": channel.sentence,
                "IsRequired": channel.required,
                "SupportedContentTypes": list(channel.content_types),
                # Documents are read once, from front to end; other files are looked for by name.
                "SupportedInputModes": ["File", "FastFile", *(["Pipe"] if RECORDIO in channel.content_types else [])],
            }
            for channel in specification.channels
        ],
        "SupportedTuningJobObjectiveMetrics": [
            {"Type": metric.objective, "MetricName": metric.name}
            for metric in specification.metrics
            if metric.objective
        ],
    }
    inference = {
        "Containers": [{"Image": image}],
        "SupportedTransformInstanceTypes": list(_HOSTING_INSTANCES),
        "SupportedRealtimeInferenceInstanceTypes": list(_HOSTING_INSTANCES),
        "SupportedContentTypes": ["text/csv", "application/json", "application/jsonlines", RECORDIO],
        "SupportedResponseMIMETypes": ["application/json", "application/jsonlines", RECORDIO],
    }
    return {
        "AlgorithmDescription": specification.sentence,
        "TrainingSpecification": training,
        "InferenceSpecification": inference,
    }


def to_tuner_ranges(specification: Specification) -> dict[str, list[dict[str, Any]]]:
    """Return the ``ParameterRanges`` of CreateHyperParameterTuningJob over which it pays to search."""
    ranges: dict[str, list[dict[str, Any]]] = {
        "IntegerParameterRanges": [], "ContinuousParameterRanges": [], "CategoricalParameterRanges": [],
    }  # fmt: skip
    for description in specification.hyperparameters.describe():
        tunable = description.tunable
        if tunable is None:
            continue
        key = f"{_API_TYPES[description.kind]}ParameterRanges"
        if tunable.choices:
            ranges[key].append({"Name": description.name, "Values": list(tunable.choices)})
            continue
        ranges[key].append(
            {
                "Name": description.name,
                "MinValue": spell(tunable.smallest),
                "MaxValue": spell(tunable.largest),
                "ScalingType": tunable.scaling,
            }
        )
    return ranges


def _to_api(description: Description) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Name": description.name,
        "Description": description.sentence,
        "Type": "FreeText" if description.automatic else _API_TYPES.get(description.kind, "FreeText"),
        "IsTunable": description.tunable is not None,
        "IsRequired": description.required,
    }
    if not description.required:
        entry["DefaultValue"] = description.default
    if description.kind in ("choice", "boolean"):
        entry["Range"] = {
            "CategoricalParameterRangeSpecification": {"Values": list(description.choices or ("true", "false"))}
        }
    elif not description.automatic and (bounds := description.bounds)[0] is not None and bounds[1] is not None:
        kind = "Integer" if description.kind == "integer" else "Continuous"
        limits = {"MinValue": spell(bounds[0]), "MaxValue": spell(bounds[1])}
        entry["Range"] = {f"{kind}ParameterRangeSpecification": limits}
    return entry
