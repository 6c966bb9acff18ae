"""A prepared tree to S3: the one file of this house that speaks to AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from topicdock.errors import CustomerError
from topicdock.prepare.channels import FOLDERS
from topicdock.text.manifest import MANIFEST

SCHEME = "s3://"
_PART_BYTES = 16 << 20
_FILES_AT_ONCE = 4
_PARTS_AT_ONCE = 8
_MOST_DELETED = 1000  # the API's limit


def parse_url(url: str) -> tuple[str, str]:
    """Return bucket and prefix of an ``s3://`` address; the prefix ends with a slash, or is empty.

    Raises
    ------
    CustomerError
        It names no bucket.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise CustomerError("this is no address in S3", got=url[:100], allowed="s3://bucket/prefix")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def check_target(url: str, *, overwrite: bool) -> None:
    """Refuse a place that cannot be reached or holds something already, before hours of work are done for it.

    Raises
    ------
    CustomerError
        It does not exist, is forbidden, or is not empty and not to be overwritten.
    """
    bucket, prefix = parse_url(url)
    with _explained(url):
        client = boto3.client("s3")
        found = next((key for name in FOLDERS for key in _list_keys(client, bucket, f"{prefix}{name}/")), None)
        next(_list_keys(client, bucket, prefix), None)  # may it be listed at all?
    if found is not None and not overwrite:
        raise CustomerError(
            "there are objects already",
            where=url,
            got=f"{SCHEME}{bucket}/{found}",
            todo="name another prefix, or --overwrite",
        )


def upload_tree(folder: Path, url: str, on_bytes: Callable[[int], object]) -> None:
    """Upload all files below `folder`, several at once and large ones in parts at once; the manifest comes last.

    What else lies in a preparation's folders below the prefix is deleted before the manifest is written, so that
    no shard of an older one is trained on; what lies beside them is left alone.

    Parameters
    ----------
    on_bytes : callable
        Called with the number of bytes that have just been sent, from several threads.

    Raises
    ------
    CustomerError
        S3 refused, or there are no credentials.
    """
    bucket, prefix = parse_url(url)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifests = [path for path in files if path.name == MANIFEST]
    settings = TransferConfig(
        multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
    )

    def key(path: Path) -> str:
        return prefix + path.relative_to(folder).as_posix()

    with _explained(url):
        client = boto3.client("s3")  # made once: clients are safe to share between threads, making them is not

        def send(path: Path) -> None:
            client.upload_file(str(path), bucket, key(path), Config=settings, Callback=on_bytes)

        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            list(pool.map(send, (path for path in files if path not in manifests)))
        new = set(map(key, files))
        for name in FOLDERS:
            _delete(client, bucket, [old for old in _list_keys(client, bucket, f"{prefix}{name}/") if old not in new])
        for path in manifests:
            send(path)


def _list_keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry["Key"]


def _delete(client: Any, bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), _MOST_DELETED):
        objects = [{"Key": key} for key in keys[start : start + _MOST_DELETED]]
        client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise CustomerError(
            "S3 cannot be written",
            where=url,
            got=str(error)[:300],
            todo="check the bucket's name, your credentials and region, and that you may list, write and delete there",
        ) from error
