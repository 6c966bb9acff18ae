"""scripts/push-image, as far as a machine without AWS goes: moto's ECR, and a docker that writes down its orders."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs import ROOT
from tests.sdk.cloud import Cloud, running_cloud

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DOCKER = """#!/bin/sh
echo "$@" >> "{log}"
[ "$1" = login ] && cat >> "{log}" && echo >> "{log}"
[ "$1" != "$FAILING" ]
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud") / "moto.log") as running:
        yield running


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """Put a docker first on PATH that does nothing else than log; return its folder."""
    program = tmp_path / "docker"
    program.write_text(DOCKER.format(log=tmp_path / "log"))
    program.chmod(0o755)
    return tmp_path


def push(cloud: Cloud, docker: Path, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "ecr.py", "topicdock:test", name], capture_output=True, text=True,
        env={**os.environ, **cloud.variables, "PATH": f"{docker}{os.pathsep}{os.environ['PATH']}", **variables},
        timeout=60, check=False,
    )  # fmt: skip


def test_the_repository_is_made_the_image_pushed_and_a_call_printed(cloud: Cloud, docker: Path) -> None:
    for _ in range(2):  # the second time the repository is there
        result = push(cloud, docker, "team/topicdock:1.2")
        assert result.returncode == 0, result.stderr
    uri = f"{REGISTRY}/team/topicdock:1.2"
    lines = (docker / "log").read_text().splitlines()
    assert lines[0] == f"login --username AWS --password-stdin {REGISTRY}"
    assert lines[1]  # the password, which no command line shows
    assert lines[2:4] == [f"tag topicdock:test {uri}", f"push {uri}"]
    assert lines[4:] == lines[:4]
    code = result.stdout.partition("In a notebook:")[2]
    (call,) = [node.value for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    assert isinstance(call, ast.Call)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    assert ast.literal_eval(given["image_uri"]) == uri
    names = {definition["Name"] for definition in ast.literal_eval(given["metric_definitions"])}
    assert "validation:total_loss" in names


def test_what_docker_refuses_ends_the_script_without_a_call(cloud: Cloud, docker: Path) -> None:
    result = push(cloud, docker, "topicdock:latest", FAILING="push")
    assert result.returncode == 1
    assert result.stderr == "push-image: docker push failed\n"
    assert result.stdout == ""


def test_missing_credentials_are_named(cloud: Cloud, docker: Path) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "HOME": str(docker)}
    result = push(cloud, docker, "topicdock:latest", **nothing)
    assert result.returncode == 1
    assert "check your credentials" in result.stderr
    assert not (docker / "log").exists()
