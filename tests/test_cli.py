"""The command line prints declarations for people and for SageMaker's API."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import botocore.validate
import pytest
from click.testing import CliRunner

from topicdock.cli import main
from topicdock.spec.registry import ALGORITHMS

ROOT = Path(__file__).parent.parent


def describe(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["describe", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_documentation_is_what_the_declarations_say() -> None:
    page = (ROOT / "docs" / "hyperparameters.md").read_text()
    assert page.endswith("\n" + "\n".join(map(describe, ALGORITHMS))), "run scripts/generate-docs"


def test_metric_definitions_are_as_the_api_wants_them() -> None:
    definitions = json.loads(describe("--as", "metrics"))
    assert "validation:total_loss" in {definition["Name"] for definition in definitions}
    for definition in definitions:
        assert len(definition["Regex"]) <= 500
        assert re.compile(definition["Regex"]).groups == 1


def _parameters(what: str) -> dict[str, Any]:
    return {entry["Name"]: entry for entry in json.loads(describe("--as", what))}


def test_hyperparameters_are_as_create_algorithm_wants_them() -> None:
    entries = _parameters("hyperparameters")
    assert entries["num_topics"]["IsRequired"]
    assert entries["num_topics"]["Range"] == {
        "IntegerParameterRangeSpecification": {"MinValue": "2", "MaxValue": "1000"}
    }
    assert entries["optimizer"]["Range"]["CategoricalParameterRangeSpecification"]["Values"][0] == "sgd"
    assert entries["encoder_layers"]["Type"] == "FreeText"


@pytest.mark.parametrize(
    ("shape", "what"), [("HyperParameterSpecifications", "hyperparameters"), ("ParameterRanges", "ranges")]
)
def test_botocore_accepts_what_is_printed(shape: str, what: str) -> None:
    session = botocore.session.get_session()
    validator = botocore.validate.ParamValidator()
    shapes = session.get_service_model("sagemaker").shape_for(shape)
    report = validator.validate(json.loads(describe("--as", what)), shapes)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_create_algorithm_is_asked_with_an_image_and_in_the_words_of_the_api(algorithm: str) -> None:
    printed = json.loads(describe(algorithm, "--as", "algorithm", "--image", "1.dkr.ecr.r.amazonaws.com/topicdock:1"))
    request = {"AlgorithmName": "topics", **printed}
    operation = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateAlgorithm")
    report = botocore.validate.ParamValidator().validate(request, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert _strangers(request, operation.input_shape) == []
    training = printed["TrainingSpecification"]
    assert training["TrainingImage"] == printed["InferenceSpecification"]["Containers"][0]["Image"]
    metrics = {definition["Name"] for definition in training["MetricDefinitions"]}
    assert {entry["MetricName"] for entry in training["SupportedTuningJobObjectiveMetrics"]} <= metrics
    modes = {channel["Name"]: channel["SupportedInputModes"] for channel in training["TrainingChannels"]}
    assert modes["train"] == ["File", "FastFile", "Pipe"]
    assert modes["auxiliary"] == ["File", "FastFile"]
    defaults = {entry["Name"]: entry.get("DefaultValue") for entry in training["SupportedHyperParameters"]}
    assert defaults["algorithm"] == algorithm


def _strangers(given: Any, shape: Any) -> list[str]:
    """Return the words that are not among those that the API has for their place, and texts that are too long."""
    if shape.type_name == "structure":
        return [word for name, value in given.items() for word in _strangers(value, shape.members[name])]
    if shape.type_name == "list":
        return [word for value in given for word in _strangers(value, shape.member)]
    if shape.type_name != "string":
        return []
    allowed = getattr(shape, "enum", None)
    too_long = len(given) > shape.metadata.get("max", len(given))
    return [given] if too_long or (allowed and given not in allowed) else []


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert all(command in result.output for command in ("train", "serve", "describe"))


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "topicdock", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"topicdock, version \d+\.\d+\.\d+\n", result.stdout)
