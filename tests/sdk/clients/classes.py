"""SDK 2.x's own classes for the built-in algorithms, which know no other image than Amazon's: classes.py ALGORITHM.

The image stands under Amazon's name on this machine. Reads counts.npz; leaves model.tar.gz and answers.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import numpy as np
import sagemaker
from sagemaker import get_execution_role
from sagemaker.amazon.amazon_estimator import RecordSet
from sagemaker.local import LocalSession
from scipy.sparse import load_npz


def main() -> None:
    algorithm = sys.argv[1]
    counts = load_npz("counts.npz").toarray().astype(np.float32)
    session = LocalSession()
    estimator, key = make(algorithm, session)
    estimator.fit(upload(estimator, counts), mini_batch_size=64 if algorithm == "ntm" else len(counts))
    place = urlsplit(estimator.model_data)
    boto3.resource("s3").Bucket(place.netloc).download_file(place.path.lstrip("/"), "model.tar.gz")

    predictor = estimator.deploy(initial_instance_count=1, instance_type="local", wait=False)
    answers = {
        "image": estimator.training_image_uri(),
        "record": [list(record.label[key].float32_tensor.values) for record in predictor.predict(counts[:5])],
    }
    predictor.delete_model()
    predictor.delete_endpoint()
    Path("answers.json").write_text(json.dumps(answers))


def upload(estimator: Any, counts: Any) -> RecordSet:
    """Upload with the SDK's ``record_set``, and name the folder where it names the manifest in it.

    Local mode refuses its default distribution, ShardedByS3Key, and would download the manifest alone; a channel that
    is the folder holds both.
    """
    records = estimator.record_set(counts, distribution="FullyReplicated")
    folder = records.s3_data.rpartition("/")[0] + "/"
    return RecordSet(folder, records.num_records, records.feature_dim, "S3Prefix", "train", "FullyReplicated")


def make(algorithm: str, session: LocalSession) -> tuple[Any, str]:
    """Return the SDK's object for an algorithm, and the name of its answers' label."""
    if algorithm == "lda":
        lda = sagemaker.LDA(
            get_execution_role(), "local", num_topics=4, alpha0=0.5, max_restarts=2, max_iterations=100, tol=1e-6,
            sagemaker_session=session,
        )  # fmt: skip
        return lda, "topic_mixture"
    ntm = sagemaker.NTM(
        get_execution_role(), 1, "local", num_topics=4, encoder_layers=[8, 4], epochs=3, batch_norm=False,
        optimizer="adam", learning_rate=0.01, sagemaker_session=session,
    )  # fmt: skip
    return ntm, "topic_weights"


if __name__ == "__main__":
    main()
