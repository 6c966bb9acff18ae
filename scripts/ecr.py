"""Push an image that was built to Amazon ECR: ecr.py IMAGE REPOSITORY:TAG. What scripts/push-image calls."""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import base64
import pprint
import subprocess
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from topicdock.contract.logs import metric_definitions
from topicdock.spec.registry import ALGORITHMS

CALL = """
Pushed. In a notebook:

from sagemaker.estimator import Estimator

estimator = Estimator(
    image_uri="{uri}",
    role=role,
    instance_count=1,
    instance_type="ml.c5.xlarge",
    metric_definitions={metrics},
)
estimator.set_hyperparameters(num_topics=20, feature_dim=2000)
estimator.fit({{"train": s3_train}})
"""


def main() -> None:
    """Make the repository, log in, push, and print what to paste."""
    image, name = sys.argv[1:3]
    repository, _, tag = name.partition(":")
    try:
        client = boto3.client("ecr")
        place = find_or_make(client, repository)
        user, password = read_token(client)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"push-image: Amazon ECR: {error}; check your credentials, the region, and that you may use ECR there")
    uri = f"{place}:{tag or 'latest'}"
    docker("login", "--username", user, "--password-stdin", place.partition("/")[0], given=password)
    docker("tag", image, uri)
    docker("push", uri)
    metrics = metric_definitions(metric.name for metric in ALGORITHMS["ntm"].metrics)
    shown = pprint.pformat(metrics, width=120, sort_dicts=False).replace("\n", "\n    ")
    print(CALL.format(uri=uri, metrics=shown))


def find_or_make(client: Any, repository: str) -> str:
    """Return a repository's address, made if there is none of that name."""
    try:
        found = client.describe_repositories(repositoryNames=[repository])["repositories"][0]
    except client.exceptions.RepositoryNotFoundException:
        found = client.create_repository(repositoryName=repository)["repository"]
    return str(found["repositoryUri"])


def read_token(client: Any) -> tuple[str, str]:
    """Return the user and the password that Docker logs in with, good for half a day."""
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def docker(*arguments: str, given: str | None = None) -> None:
    """Run docker; what it says is shown, and its failure is ours."""
    result = subprocess.run(["docker", *arguments], input=given, text=True, check=False)
    if result.returncode:
        sys.exit(f"push-image: docker {arguments[0]} failed")


if __name__ == "__main__":
    main()
