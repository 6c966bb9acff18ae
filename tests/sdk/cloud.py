"""AWS on loopback: moto as a proxy that answers in AWS's name, so that a client's code stays as it is."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import moto.moto_proxy
from botocore.config import Config

REGION = "us-east-1"
ROLE = "TopicdockTests"
_PATIENCE = 60
_CERTIFICATE = Path(moto.moto_proxy.__file__).with_name("ca.crt")


@dataclass(frozen=True)
class Cloud:
    """A running proxy, and the credentials of a role that it knows."""

    url: str
    variables: dict[str, str]
    """What a client's environment needs."""


@contextmanager
def running_cloud(log: Path) -> Iterator[Cloud]:
    """Start moto and make a role; a client with its credentials is told that it works as that role, as on SageMaker."""
    port = free_port()
    with (
        log.open("wb") as lines,
        subprocess.Popen(
            [sys.executable, "-m", "moto.proxy", "--port", str(port)], stdout=lines, stderr=lines
        ) as process,
    ):
        try:
            _wait(port, process, log)
            url = f"http://127.0.0.1:{port}"
            yield Cloud(url, _variables(url))
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _variables(url: str) -> dict[str, str]:
    settings = {
        "region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test",
        "verify": str(_CERTIFICATE), "config": Config(proxies={"https": url}),
    }  # fmt: skip
    role = boto3.client("iam", **settings).create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    given = boto3.client("sts", **settings).assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CA_BUNDLE": str(_CERTIFICATE),
        "HTTPS_PROXY": url,
        "NO_PROXY": "localhost,127.0.0.1",
    }


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"moto did not start: {log.read_text(errors='replace')[-1000:]}")
