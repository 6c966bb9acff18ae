"""SageMaker's notebook on synthetic documents, cell by cell: notebook_bars.py IMAGE.

Reads bars.npz (documents, topic_mixtures); leaves what its last plot shows in plot.npz.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import boto3
import numpy as np
import pandas as pd
import sagemaker
import sagemaker.amazon.common as smac
from sagemaker import get_execution_role
from sagemaker.deserializers import JSONDeserializer
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer


def main() -> None:
    container = sys.argv[1]
    sess = LocalSession()
    bucket, prefix, role = sess.default_bucket(), "ntm_demo", get_execution_role()

    with np.load("bars.npz") as drawn:
        documents, topic_mixtures = drawn["documents"], drawn["topic_mixtures"]
    num_topics, vocabulary_size = topic_mixtures.shape[1], documents.shape[1]
    num_documents_training = int(0.8 * len(documents))
    documents_training, topic_mixtures_training = (
        documents[:num_documents_training],
        topic_mixtures[:num_documents_training],
    )

    buf = io.BytesIO()
    smac.write_numpy_to_dense_tensor(buf, documents_training.astype("float32"))
    buf.seek(0)
    key = "train.data"
    boto3.resource("s3").Bucket(bucket).Object(f"{prefix}/train/{key}").upload_fileobj(buf)
    s3_train_data = f"s3://{bucket}/{prefix}/train/{key}"

    ntm = sagemaker.estimator.Estimator(
        container,
        role,
        instance_count=1,
        instance_type="local",
        output_path=f"s3://{bucket}/{prefix}/output",
        sagemaker_session=sess,
    )
    ntm.set_hyperparameters(num_topics=num_topics, feature_dim=vocabulary_size)
    ntm.fit({"train": s3_train_data})

    ntm_predictor = ntm.deploy(initial_instance_count=1, instance_type="local")
    ntm_predictor.serializer = CSVSerializer()
    ntm_predictor.deserializer = JSONDeserializer()
    results = ntm_predictor.predict(documents_training[:10], initial_args={"ContentType": "text/csv"})
    first = np.array([prediction["topic_weights"] for prediction in results["predictions"]])
    predictions = predict_batches(ntm_predictor, documents_training)
    data = pd.DataFrame(
        np.concatenate([topic_mixtures_training, predictions], axis=1),
        columns=[f"actual_{i}" for i in range(num_topics)] + [f"predictions_{i}" for i in range(num_topics)],
    )
    np.savez("plot.npz", correlations=data.corr().to_numpy(), columns=list(data.columns), first=first, all=predictions)
    ntm_predictor.delete_endpoint()


def predict_batches(predictor: Any, documents: Any, rows: int = 1000) -> Any:
    predictions = []
    for array in np.array_split(documents, int(documents.shape[0] / float(rows) + 1)):
        results = predictor.predict(array, initial_args={"ContentType": "text/csv"})
        predictions += [result["topic_weights"] for result in results["predictions"]]
    return np.array(predictions)


if __name__ == "__main__":
    main()
