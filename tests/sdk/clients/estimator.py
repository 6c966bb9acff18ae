"""SDK 2.x, an Estimator with a custom image, from S3 to batch transform: estimator.py IMAGE ALGORITHM HOSTS.

Reads counts.npz; leaves model.tar.gz as it came from S3, and answers.json.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import numpy as np
import sagemaker.amazon.common as smac
from sagemaker import get_execution_role
from sagemaker.amazon.record_pb2 import Record
from sagemaker.deserializers import JSONDeserializer, JSONLinesDeserializer, RecordDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer, RecordSerializer
from scipy.sparse import csr_matrix, load_npz

KEYS = {"ntm": "topic_weights", "lda": "topic_mixture"}
ASKED = 5


def main() -> None:
    image, algorithm, hosts = sys.argv[1], sys.argv[2], int(sys.argv[3])
    counts = csr_matrix(load_npz("counts.npz"))
    session = LocalSession()
    bucket, s3 = session.default_bucket(), boto3.resource("s3")
    for part in range(4):
        buffer = io.BytesIO()
        smac.write_spmatrix_to_sparse_tensor(array=counts[part::4], file=buffer)
        buffer.seek(0)
        s3.Bucket(bucket).Object(f"corpus/train/part{part}.pbr").upload_fileobj(buffer)

    estimator = Estimator(
        image, get_execution_role(), instance_count=hosts, instance_type="local",
        output_path=f"s3://{bucket}/output", sagemaker_session=session,
    )  # fmt: skip
    estimator.set_hyperparameters(algorithm=algorithm, num_topics=4, feature_dim=counts.shape[1], mini_batch_size=64)
    if algorithm == "ntm":
        estimator.set_hyperparameters(epochs=3, encoder_layers="[8, 4]", batch_norm=False)
    estimator.fit({"train": TrainingInput(f"s3://{bucket}/corpus/train")})
    place = urlsplit(estimator.model_data)
    s3.Bucket(place.netloc).download_file(place.path.lstrip("/"), "model.tar.gz")

    answers: dict[str, Any] = {"job": estimator.latest_training_job.job_name, "place": estimator.model_data}
    predictor = estimator.deploy(initial_instance_count=1, instance_type="local", wait=False)
    answers |= ask(predictor, counts[:ASKED].toarray(), KEYS[algorithm])
    predictor.delete_model()
    predictor.delete_endpoint()
    answers["transform"] = transform_lines(estimator, session, bucket, counts[:ASKED].toarray(), KEYS[algorithm])
    answers["records"] = transform_records(estimator, session, bucket, counts[:ASKED], KEYS[algorithm])
    Path("answers.json").write_text(json.dumps(answers))


def ask(predictor: Any, documents: Any, key: str) -> dict[str, Any]:
    """Return the answers in each of the formats that the SDK can write and read."""
    answers = {}
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    answers["csv"] = [prediction[key] for prediction in predictor.predict(documents)["predictions"]]
    predictor.serializer = JSONSerializer()
    answers["json"] = [prediction[key] for prediction in predictor.predict(documents)["predictions"]]
    instances = {"instances": [{"features": row} for row in documents.tolist()]}
    answers["instances"] = [prediction[key] for prediction in predictor.predict(instances)["predictions"]]
    predictor.serializer, predictor.deserializer = JSONLinesSerializer(), JSONLinesDeserializer()
    lines = [{"features": row} for row in documents.tolist()]
    answers["jsonlines"] = [prediction[key] for prediction in predictor.predict(lines)]
    predictor.serializer, predictor.deserializer = RecordSerializer(), RecordDeserializer()
    records: list[Record] = predictor.predict(documents.astype(np.float32))
    answers["record"] = [list(record.label[key].float32_tensor.values) for record in records]
    return answers


def transform_lines(
    estimator: Estimator, session: LocalSession, bucket: str, documents: Any, key: str
) -> list[list[float]]:
    """Return what a batch transform job, line by line, answers to a file of documents."""
    rows = "\n".join(",".join(str(int(value)) for value in row) for row in documents)
    session.upload_string_as_file_body(rows, bucket=bucket, key="corpus/batch/rows.csv")
    job = estimator.transformer(
        1, "local", accept="application/jsonlines", assemble_with="Line", output_path=f"s3://{bucket}/batch"
    )
    job.transform(f"s3://{bucket}/corpus/batch", content_type="text/csv", split_type="Line", wait=False)
    # The service leaves it in output_path itself; local mode makes a folder with the name of the job there.
    answer = session.read_s3_file(bucket, f"batch/{job.latest_transform_job.name}/rows.csv.out")
    return [json.loads(line)[key] for line in answer.splitlines() if line]


def transform_records(
    estimator: Estimator, session: LocalSession, bucket: str, documents: Any, key: str
) -> list[list[float]]:
    """Return what a job answers that sends a record at a time, which the splitter has taken out of its frame."""
    buffer = io.BytesIO()
    smac.write_spmatrix_to_sparse_tensor(array=documents, file=buffer)
    buffer.seek(0)
    boto3.resource("s3").Bucket(bucket).Object("corpus/records/part.pbr").upload_fileobj(buffer)
    job = estimator.transformer(
        1, "local", strategy="SingleRecord", accept="application/jsonlines", assemble_with="Line",
        output_path=f"s3://{bucket}/batch",
    )  # fmt: skip
    place = f"s3://{bucket}/corpus/records"
    job.transform(place, content_type="application/x-recordio-protobuf", split_type="RecordIO", wait=False)
    answer = session.read_s3_file(bucket, f"batch/{job.latest_transform_job.name}/part.pbr.out")
    return [json.loads(line)[key] for line in answer.splitlines() if line]


if __name__ == "__main__":
    main()
