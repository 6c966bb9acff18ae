"""What SageMaker does around the image, step by step; docker-compose.yml runs each step in a container of its own.

    docker-compose --profile loop run --rm loop

prepare draws documents and uploads them as RecordIO shards; place gives each host its /opt/ml, with the configuration
files and its own shards (ShardedByS3Key); store packs what the hosts left into model.tar.gz and uploads it; unpack
fetches and unpacks that for the endpoint; ask sends it documents. S3 is where AWS_ENDPOINT_URL says.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from scipy.sparse import csr_matrix

from topicdock.corpus import RECORDIO, encode_counts

BUCKET = "topicdock"
CHANNELS = {"train": "ShardedByS3Key", "validation": "FullyReplicated", "auxiliary": "FullyReplicated"}
THEMES = (
    "orbit rocket moon launch shuttle satellite telescope astronaut",
    "engine brake wheel clutch gear dealer mileage tyre",
    "goal match season referee striker league keeper penalty",
    "flour butter oven sugar dough recipe bake yeast",
)
WORDS = " ".join(THEMES).split()
MODEL = "output/model.tar.gz"


def prepare() -> None:
    """Upload a corpus with as many shards as there may be hosts, and its vocabulary."""
    bucket = boto3.resource("s3").create_bucket(Bucket=BUCKET)
    for name, documents, shards in (("train", 800, 4), ("validation", 200, 1)):
        counts = draw(documents, seed=len(name))
        for shard in range(shards):
            content = encode_counts(counts[shard::shards])
            bucket.put_object(Key=f"corpus/{name}/part-{shard:05d}.pbr", Body=content)
            print(f"s3://{BUCKET}/corpus/{name}/part-{shard:05d}.pbr: {len(content)} bytes of {RECORDIO}")
    bucket.put_object(Key="corpus/auxiliary/vocab.txt", Body="\n".join(WORDS).encode())


def draw(documents: int, seed: int) -> csr_matrix:
    """Return counts, (D, V), of documents that each have one theme or two."""
    generator = np.random.default_rng(seed)
    beta = np.kron(np.eye(len(THEMES)), np.full(len(WORDS) // len(THEMES), len(THEMES) / len(WORDS)))
    theta = generator.dirichlet(np.full(len(THEMES), 0.2), documents)
    return csr_matrix(generator.multinomial(generator.poisson(30, documents), theta @ beta).astype(np.float32))


def place() -> None:
    """Lay out /ml/algo-1, /ml/algo-2, ... as SageMaker lays out each host's /opt/ml."""
    hosts = [f"algo-{number + 1}" for number in range(int(os.environ.get("HOSTS", "2")))]
    algorithm = os.environ.get("ALGORITHM", "ntm")
    hyperparameters = {"algorithm": algorithm, "num_topics": str(len(THEMES)), "feature_dim": str(len(WORDS))}
    if algorithm != "lda":
        hyperparameters["epochs"] = "30"
    bucket = boto3.resource("s3").Bucket(BUCKET)
    for old in Path("/ml").glob("algo-*/*"):
        shutil.rmtree(old)
    for rank, host in enumerate(hosts):
        base = Path("/ml") / host
        write_json(
            base, "resourceconfig.json", {"current_host": host, "hosts": hosts, "network_interface_name": "eth0"}
        )
        write_json(base, "hyperparameters.json", hyperparameters)
        write_json(base, "inputdataconfig.json", {name: settings(name) for name in CHANNELS})
        for name, distribution in CHANNELS.items():
            objects = sorted(bucket.objects.filter(Prefix=f"corpus/{name}/"), key=lambda entry: str(entry.key))
            for entry in objects[rank :: len(hosts)] if distribution == "ShardedByS3Key" else objects:
                target = base / "input" / "data" / name / Path(entry.key).name
                target.parent.mkdir(parents=True, exist_ok=True)
                bucket.download_file(entry.key, str(target))
        print(f"{host}: {sorted(path.name for path in (base / 'input' / 'data').rglob('*') if path.is_file())}")


def settings(channel: str) -> dict[str, str]:
    """Return what inputdataconfig.json says of a channel."""
    content_type = "text/plain" if channel == "auxiliary" else RECORDIO
    return {"ContentType": content_type, "S3DistributionType": CHANNELS[channel], "TrainingInputMode": "File"}


def write_json(base: Path, name: str, content: Any) -> None:
    """Write a configuration file."""
    folder = base / "input" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def store() -> None:
    """Upload model.tar.gz: what all hosts left in their /opt/ml/model."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(Path("/ml").glob("algo-*/model/*")):
            archive.add(path, path.name)
            print(f"{path} -> s3://{BUCKET}/{MODEL}")
    boto3.resource("s3").Object(BUCKET, MODEL).put(Body=packed.getvalue())


def unpack() -> None:
    """Unpack model.tar.gz from S3 into /model."""
    packed = boto3.resource("s3").Object(BUCKET, MODEL).get()["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            content = archive.extractfile(member)
            if content is not None:
                (Path("/model") / Path(member.name).name).write_bytes(content.read())


def ask() -> None:
    """Post a document of each theme, and one of two, to the endpoint; print the topics that it is answered with."""
    mixed = " ".join(THEMES[0].split()[:4] + THEMES[3].split()[:4])
    documents = [[float(word in text.split()) for word in WORDS] for text in (*THEMES, mixed)]
    body = json.dumps({"instances": [{"features": row} for row in documents]}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address is the endpoint's in the same network
        f"{os.environ['ENDPOINT']}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        predictions = json.loads(answer.read())["predictions"]
    for text, prediction in zip((*THEMES, mixed), predictions, strict=True):
        (weights,) = prediction.values()
        print(f"{text:62s} {' '.join(f'{weight:.2f}' for weight in weights)}")


if __name__ == "__main__":
    {step.__name__: step for step in (prepare, place, store, unpack, ask)}[sys.argv[1]]()
