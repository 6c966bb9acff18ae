"""HyperparameterTuner, by what the image declares of itself; SageMaker's API is moto's, which runs no job."""

from __future__ import annotations

import pytest

from tests.jobs import ROOT
from tests.sdk.conftest import Client
from topicdock.contract.logs import metric_definitions
from topicdock.spec.description import to_tuner_ranges
from topicdock.spec.registry import ALGORITHMS

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(3600)]


def test_the_example_asks_for_the_declared_ranges_metrics_and_objective(sdk2: Client, image: str) -> None:
    example = str(ROOT / "examples" / "tuning_on_sagemaker.py")
    channels = ["--train", "s3://bucket/train", "--validation", "s3://bucket/validation"]
    sdk2.run("tuning.py", example, image, "num_topics=20", "feature_dim=2000", *channels)
    request = sdk2.answers()
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Minimize", "MetricName": "validation:total_loss"}
    ntm = ALGORITHMS["ntm"]
    for kind, declared in to_tuner_ranges(ntm).items():
        asked = {entry["Name"]: entry for entry in config["ParameterRanges"][kind]}
        for entry in declared:
            if entry["Name"] != "num_topics":  # fixed by the caller
                assert asked.pop(entry["Name"]).keys() == entry.keys()
        assert asked == {}
    assert definition["AlgorithmSpecification"]["TrainingImage"] == image
    assert definition["AlgorithmSpecification"]["MetricDefinitions"] == metric_definitions(
        metric.name for metric in ntm.metrics
    )
    assert definition["StaticHyperParameters"]["algorithm"] == "ntm"
    assert sdk2.contacted == {"127.0.0.1"}
