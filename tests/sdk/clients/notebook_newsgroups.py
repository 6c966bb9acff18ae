"""SageMaker's notebook on 20 Newsgroups, cell by cell, in the names of SDK 1.x as far as 2.x knows them.

notebook_newsgroups.py IMAGE HOSTS reads texts/*.txt; leaves vocabulary.txt, plot.npz and model_algo-1.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import sagemaker
import sagemaker.amazon.common as smac
import scipy.sparse as sparse
from sagemaker import get_execution_role
from sagemaker.base_predictor import csv_serializer, json_deserializer
from sagemaker.local import LocalSession
from sagemaker.serializers import SimpleBaseSerializer
from sagemaker.session import s3_input
from sklearn.feature_extraction.text import CountVectorizer

VOCABULARY_SIZE = 2000
TOPICS = 20
SHORTEST = 25


def main() -> None:
    container, hosts = sys.argv[1], int(sys.argv[2])
    vectors, vocabulary = count()
    Path("vocabulary.txt").write_text("\n".join(vocabulary) + "\n")
    vectors = vectors[np.asarray(vectors.sum(axis=1) > SHORTEST).reshape(-1)]
    n_train = int(0.8 * vectors.shape[0])
    train_vectors, test_vectors = vectors[:n_train], vectors[n_train:]
    n_test = test_vectors.shape[0]
    val_vectors, test_vectors = test_vectors[: n_test // 2], test_vectors[n_test // 2 :]

    role = get_execution_role()
    sess = LocalSession()
    bucket, prefix = sess.default_bucket(), "20newsgroups"
    train_prefix, val_prefix = f"{prefix}/train", f"{prefix}/val"
    output_prefix = f"{prefix}/output"
    split_convert_upload(train_vectors, bucket, train_prefix, "train_part{}.pbr", 8)
    split_convert_upload(val_vectors, bucket, val_prefix, "val_part{}.pbr", 1)

    ntm = sagemaker.estimator.Estimator(
        container,
        role,
        train_instance_count=hosts,
        train_instance_type="local",
        output_path=f"s3://{bucket}/{output_prefix}",
        sagemaker_session=sess,
    )
    ntm.set_hyperparameters(
        num_topics=TOPICS, feature_dim=len(vocabulary), mini_batch_size=128, epochs=100, num_patience_epochs=5,
        tolerance=0.001,
    )  # fmt: skip
    # ShardedByS3Key, which the notebook asks for, is refused by local mode itself before any container starts.
    s3_train = s3_input(f"s3://{bucket}/{train_prefix}", distribution="FullyReplicated")
    ntm.fit({"train": s3_train, "validation": f"s3://{bucket}/{val_prefix}"})

    ntm_predictor = ntm.deploy(initial_instance_count=1, instance_type="local")
    ntm_predictor.content_type = "text/csv"
    ntm_predictor.serializer = csv_serializer
    ntm_predictor.deserializer = json_deserializer
    test_data = np.array(test_vectors.todense())
    results = ntm_predictor.predict(test_data[:5])
    predictions = np.array([prediction["topic_weights"] for prediction in results["predictions"]])
    ntm_predictor.content_type = "application/x-recordio-protobuf"
    ntm_predictor.serializer = SparseRecordSerializer()
    results = ntm_predictor.predict(test_vectors[:5])
    again = np.array([prediction["topic_weights"] for prediction in results["predictions"]])
    bars = pd.DataFrame(predictions.T)
    np.savez("plot.npz", bars=bars.to_numpy(), again=again)
    sparse.save_npz("asked.npz", test_vectors[:5])
    sess.delete_endpoint(ntm_predictor.endpoint)

    model_path = f"{output_prefix}/{ntm._current_job_name}/output/model.tar.gz"
    boto3.resource("s3").Bucket(bucket).download_file(model_path, "downloaded_model.tar.gz")
    with tarfile.open("downloaded_model.tar.gz") as archive:
        archive.extractall(filter="data")


def count() -> tuple[Any, list[str]]:
    data = [path.read_text(encoding="latin1") for path in sorted(Path("texts").iterdir())]
    token = re.compile(r"(?u)\b[a-z]\w+\b")
    vectorizer = CountVectorizer(
        input="content", analyzer="word", stop_words="english", tokenizer=token.findall, token_pattern=None,
        max_features=VOCABULARY_SIZE, max_df=0.95, min_df=2,
    )  # fmt: skip
    vectors = vectorizer.fit_transform(data)
    order = np.random.RandomState(0).permutation(vectors.shape[0])
    return sparse.csr_matrix(vectors[order], dtype=np.float32), list(vectorizer.get_feature_names_out())


def split_convert_upload(array: Any, bucket: str, prefix: str, template: str, n_parts: int) -> None:
    chunk_size = array.shape[0] // n_parts
    for part in range(n_parts):
        end = array.shape[0] if part + 1 == n_parts else (part + 1) * chunk_size
        buf = io.BytesIO()
        smac.write_spmatrix_to_sparse_tensor(array=array[part * chunk_size : end], file=buf, labels=None)
        buf.seek(0)
        name = f"{prefix}/{template.format(part)}"
        boto3.resource("s3").Bucket(bucket).Object(name).upload_fileobj(buf)


class SparseRecordSerializer(SimpleBaseSerializer):  # type: ignore[misc]
    """The notebook's function of the same purpose: SDK 2.x takes objects where 1.x took functions."""

    def __init__(self) -> None:
        super().__init__(content_type="application/x-recordio-protobuf")

    def serialize(self, data: Any) -> Any:
        buf = io.BytesIO()
        smac.write_spmatrix_to_sparse_tensor(array=data, file=buf, labels=None)
        buf.seek(0)
        return buf


if __name__ == "__main__":
    main()
