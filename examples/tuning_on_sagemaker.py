"""Hyperparameter tuning with SageMaker's own SDK 2.x, by what the image declares.

    python examples/tuning_on_sagemaker.py IMAGE --role ROLE --train s3://... --validation s3://... num_topics=20 ...

IMAGE is the image's address in your registry (`scripts/push-image`); Docker has to have it here too, for the image
itself says which metrics its log holds and over which ranges it pays to search. Needs `pip install 'sagemaker<3'`, and
not topicdock.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
import json
import subprocess
from typing import Any

from sagemaker.estimator import Estimator
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner, IntegerParameter


def main() -> None:
    """Start a tuning job, and say how it is called."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("hyperparameters", nargs="+", help="those that stay fixed, NAME=VALUE")
    parser.add_argument("--role", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--algorithm", default="ntm", choices=["ntm", "etm"])
    parser.add_argument("--instance-type", default="ml.c5.xlarge")
    parser.add_argument("--jobs", type=int, default=20)
    arguments = parser.parse_args()

    metrics = describe(arguments.image, arguments.algorithm, "metrics")
    estimator = Estimator(
        arguments.image,
        arguments.role,
        instance_count=1,
        instance_type=arguments.instance_type,
        metric_definitions=metrics,
    )
    fixed = dict(pair.split("=", 1) for pair in arguments.hyperparameters)
    estimator.set_hyperparameters(algorithm=arguments.algorithm, **fixed)
    tuner = HyperparameterTuner(
        estimator,
        objective_metric_name="validation:total_loss",
        objective_type="Minimize",
        hyperparameter_ranges=to_objects(describe(arguments.image, arguments.algorithm, "ranges"), set(fixed)),
        metric_definitions=metrics,
        max_jobs=arguments.jobs,
        max_parallel_jobs=min(arguments.jobs, 2),
        base_tuning_job_name="topicdock",
    )
    tuner.fit({"train": arguments.train, "validation": arguments.validation}, wait=False)
    print(tuner.latest_tuning_job.name)


def describe(image: str, algorithm: str, what: str) -> Any:
    """Return what the image declares of an algorithm."""
    command = ["docker", "run", "--rm", "--network", "none", image, "topicdock", "describe", algorithm, "--as", what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def to_objects(ranges: dict[str, list[dict[str, Any]]], fixed: set[str]) -> dict[str, Any]:
    """Return the SDK's objects for ranges as the API spells them, but for what stays fixed."""
    objects: dict[str, Any] = {
        entry["Name"]: CategoricalParameter(entry["Values"]) for entry in ranges["CategoricalParameterRanges"]
    }
    for entry in ranges["IntegerParameterRanges"]:
        low, high = int(entry["MinValue"]), int(entry["MaxValue"])
        objects[entry["Name"]] = IntegerParameter(low, high, scaling_type=entry["ScalingType"])
    for entry in ranges["ContinuousParameterRanges"]:
        smallest, largest = float(entry["MinValue"]), float(entry["MaxValue"])
        objects[entry["Name"]] = ContinuousParameter(smallest, largest, scaling_type=entry["ScalingType"])
    return {name: value for name, value in objects.items() if name not in fixed}


if __name__ == "__main__":
    main()
