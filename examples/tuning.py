"""Hyperparameter tuning: the ranges, the objective and the log lines that SageMaker's tuner takes, used here.

    python -m examples.tuning --data data --output /tmp/tuning --trials 8
    python -m examples.tuning --data data --output /tmp/tuning --request     what boto3 would be given, and no training

The ranges are those of `topicdock describe ntm --as ranges`; the objective is found in the job's log by the expression
of `topicdock describe ntm --as metrics`, as SageMaker finds it. Trials are drawn at random, on the ranges' scales.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
import json
import math
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from examples.here import TOPICDOCK, train

OBJECTIVE = "validation:total_loss"


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what topicdock prepare wrote")
    parser.add_argument("--output", type=Path, required=True, help="a folder for the trials and the best of them")
    parser.add_argument("--algorithm", default="ntm")
    parser.add_argument("--num-topics", type=int, default=20)
    parser.add_argument("--epochs", default="auto")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--request", action="store_true", help="print the request to SageMaker instead")
    arguments = parser.parse_args()

    ranges = describe(arguments.algorithm, "ranges")
    (expression,) = (m["Regex"] for m in describe(arguments.algorithm, "metrics") if m["Name"] == OBJECTIVE)
    if arguments.request:
        print(json.dumps(request(ranges, arguments.trials), indent=2))
        return
    generator = random.Random(arguments.seed)  # noqa: S311 - nothing secret
    results = []
    for number in range(arguments.trials):
        drawn = draw(ranges, generator)
        job = arguments.output / f"trial-{number}"
        fixed = {"algorithm": arguments.algorithm, "num_topics": arguments.num_topics, "epochs": arguments.epochs}
        train(arguments.data, job, **fixed, **drawn)
        loss = float(re.findall(expression, (job / "output" / "training.log").read_text())[-1])
        results.append((loss, number, drawn))
        print(f"trial {number}: {OBJECTIVE} {loss:.4f} with {drawn}")
    loss, number, drawn = min(results, key=lambda result: result[0])
    best = arguments.output / "best"
    shutil.rmtree(best, ignore_errors=True)
    shutil.copytree(arguments.output / f"trial-{number}", best, symlinks=True)
    print(f"\nBest: trial {number}, {OBJECTIVE} {loss:.4f} with {drawn}\nIts model is in {best}.")


def describe(algorithm: str, what: str) -> Any:
    """Return what `topicdock describe` prints."""
    command = [*TOPICDOCK, "describe", algorithm, "--as", what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def draw(ranges: dict[str, list[dict[str, Any]]], generator: random.Random) -> dict[str, str]:
    """Draw a value of each hyperparameter, evenly on the scale that its range names."""
    drawn = {entry["Name"]: generator.choice(entry["Values"]) for entry in ranges["CategoricalParameterRanges"]}
    for kind in ("IntegerParameterRanges", "ContinuousParameterRanges"):
        for entry in ranges[kind]:
            low, high = float(entry["MinValue"]), float(entry["MaxValue"])
            if entry["ScalingType"] == "Logarithmic":
                value = math.exp(generator.uniform(math.log(low), math.log(high)))
            else:
                value = generator.uniform(low, high)
            drawn[entry["Name"]] = str(round(value)) if kind.startswith("Integer") else f"{value:.6g}"
    return drawn


def request(ranges: dict[str, list[dict[str, Any]]], trials: int) -> dict[str, Any]:
    """Return the part of CreateHyperParameterTuningJob that topicdock decides: HyperParameterTuningJobConfig."""
    return {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": OBJECTIVE},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": min(trials, 2)},
        "ParameterRanges": ranges,
    }


if __name__ == "__main__":
    main()
