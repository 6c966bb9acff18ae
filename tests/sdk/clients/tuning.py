"""The example that tunes on SageMaker, run as it is, and the request that its job made: tuning.py EXAMPLE ARGUMENTS."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import boto3
from sagemaker import get_execution_role


def main() -> None:
    del sys.argv[0]
    sys.argv += ["--role", get_execution_role()]
    runpy.run_path(sys.argv[0], run_name="__main__")
    client = boto3.client("sagemaker")
    (job,) = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    described = client.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job["HyperParameterTuningJobName"]
    )
    Path("answers.json").write_text(json.dumps(described, default=str))


if __name__ == "__main__":
    main()
