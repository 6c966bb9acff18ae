"""SDK 3.x, a ModelTrainer in local containers, then its local endpoint: trainer.py IMAGE ALGORITHM HOSTS.

Reads train/ (RecordIO shards) and counts.npz; leaves model.tar.gz and answers.json.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from sagemaker.core.local import LocalSession
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.model_trainer import Mode, ModelTrainer
from scipy.sparse import load_npz

KEYS = {"ntm": "topic_weights", "lda": "topic_mixture"}


def main() -> None:
    image, algorithm, hosts = sys.argv[1], sys.argv[2], int(sys.argv[3])
    counts = load_npz("counts.npz")
    session = LocalSession()
    bucket, s3 = session.default_bucket(), boto3.resource("s3")
    for path in sorted(Path("train").iterdir()):
        s3.Bucket(bucket).upload_file(str(path), f"corpus/train/{path.name}")

    root = Path("container").resolve()
    root.mkdir()
    hyperparameters: dict[str, Any] = {"algorithm": algorithm, "num_topics": 4, "feature_dim": counts.shape[1]}
    if algorithm == "ntm":
        hyperparameters |= {"epochs": 3, "encoder_layers": [8, 4], "batch_norm": True}
    trainer = ModelTrainer(
        training_image=image,
        compute=Compute(instance_type="local_cpu", instance_count=hosts),
        training_mode=Mode.LOCAL_CONTAINER,
        hyperparameters=hyperparameters,
        local_container_root=str(root),
        base_job_name="topicdock",
    )
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{bucket}/corpus/train")])
    shutil.copy(root / "compressed_artifacts" / "model.tar.gz", "model.tar.gz")
    s3.Bucket(bucket).upload_file("model.tar.gz", "corpus/model.tar.gz")
    answers = {"csv": ask(session, image, f"s3://{bucket}/corpus/model.tar.gz", counts[:5].toarray(), KEYS[algorithm])}
    Path("answers.json").write_text(json.dumps(answers))


def ask(session: LocalSession, image: str, model: str, documents: Any, key: str) -> list[list[float]]:
    """Return the answers of an endpoint, by the calls of SageMaker's API that LocalSession answers."""
    client = session.sagemaker_client
    client.create_model(ModelName="topics", PrimaryContainer={"Image": image, "ModelDataUrl": model, "Environment": {}})
    variant = {
        "VariantName": "all",
        "ModelName": "topics",
        "InitialInstanceCount": 1,
        "InstanceType": "local",
    }
    client.create_endpoint_config(EndpointConfigName="topics", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="topics", EndpointConfigName="topics")
    rows = "\n".join(",".join(f"{value:g}" for value in row) for row in np.asarray(documents))
    answer = session.sagemaker_runtime_client.invoke_endpoint(rows, "topics", "text/csv", "application/json")
    predictions = json.loads(answer["Body"].read())["predictions"]
    client.delete_endpoint("topics")
    return [prediction[key] for prediction in predictions]


if __name__ == "__main__":
    main()
