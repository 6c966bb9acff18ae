"""A prepared tree arrives in S3 whole, and nothing of an older one stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from topicdock.errors import CustomerError
from topicdock.prepare import s3

BUCKET = "bucket"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def tree(folder: Path) -> Path:
    for name, content in {
        "train/part-00000.pbr": os.urandom(12 << 20), "train/part-00001.pbr": b"second",
        "auxiliary/vocab.txt": b"a\nb\n", "auxiliary/manifest.json": b"{}",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def objects(client: Any) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {entry["Key"]: client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed}


def test_every_file_arrives_and_every_byte_is_counted(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)  # the smallest part that S3 takes: the first file goes up in three
    folder = tree(tmp_path)
    sent: list[int] = []
    s3.upload_tree(folder, f"s3://{BUCKET}/corpora/news/", sent.append)
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert objects(client) == {f"corpora/news/{path.relative_to(folder)}": body for path, body in files.items()}
    assert sum(sent) == sum(map(len, files.values()))
    part = client.head_object(Bucket=BUCKET, Key="corpora/news/train/part-00000.pbr")
    assert part["ETag"].endswith('-3"')


def test_what_an_older_preparation_left_is_deleted_and_neighbours_are_not(client: Any, tmp_path: Path) -> None:
    for key in ("news/train/part-00009.pbr", "news/precious", "newspaper/train/part-00009.pbr"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"old")
    with pytest.raises(CustomerError, match=r"objects already; got: s3://bucket/news/train/part-00009.pbr"):
        s3.check_target(f"s3://{BUCKET}/news", overwrite=False)
    s3.check_target(f"s3://{BUCKET}/news", overwrite=True)
    s3.check_target(f"s3://{BUCKET}/empty", overwrite=False)
    s3.upload_tree(tree(tmp_path), f"s3://{BUCKET}/news", lambda _: None)
    assert sorted(objects(client)) == [
        "news/auxiliary/manifest.json", "news/auxiliary/vocab.txt", "news/precious",
        "news/train/part-00000.pbr", "news/train/part-00001.pbr", "newspaper/train/part-00009.pbr",
    ]  # fmt: skip


def test_a_bucket_that_is_not_there_is_named(client: Any, tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match=r"s3://nowhere/x: S3 cannot be written.*credentials and region"):
        s3.check_target("s3://nowhere/x", overwrite=False)
    with pytest.raises(CustomerError, match="S3 cannot be written"):
        s3.upload_tree(tree(tmp_path), "s3://nowhere/x", lambda _: None)


@pytest.mark.parametrize("url", ["s3://", "s3:///key", "https://bucket/key", "s3://bucket/key?x=1"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(CustomerError, match="no address in S3"):
        s3.parse_url(url)
