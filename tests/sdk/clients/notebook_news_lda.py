"""The notebook that fits LDA to New York Times articles, cell by cell: notebook_news_lda.py IMAGE.

Reads nyt_data.txt and nyt_vocab.dat; leaves model_algo-1 and answers.json.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker import get_execution_role
from sagemaker.base_predictor import csv_serializer, json_deserializer
from sagemaker.local import LocalSession
from sagemaker.serializers import numpy_to_record_serializer

TOPICS = 10


def main() -> None:
    container = sys.argv[1]
    word_counts = [line.strip() for line in Path("nyt_data.txt").read_text().splitlines()]
    word = np.array([line.strip().strip("'") for line in Path("nyt_vocab.dat").read_text().splitlines()])
    vocabulary_size = len(word)
    bags_of_words = np.zeros([len(word_counts), vocabulary_size])
    for row, line in enumerate(word_counts):
        for pair in line.split(","):
            identity, times = pair.split(":")
            bags_of_words[row, int(identity) - 1] = int(times)
    nbags_of_words_training = int(0.95 * len(bags_of_words))
    training, test = bags_of_words[:nbags_of_words_training], bags_of_words[nbags_of_words_training:]

    session = LocalSession()
    bucket, prefix, role = session.default_bucket(), "sagemaker/lda-model", get_execution_role()
    fbuffer = numpy_to_record_serializer().serialize(training)
    s3_object = f"{prefix}/train/lda.data"
    boto3.Session().resource("s3").Bucket(bucket).Object(s3_object).upload_fileobj(fbuffer)

    lda = sagemaker.estimator.Estimator(
        container,
        role,
        output_path=f"s3://{bucket}/{prefix}/output",
        train_instance_count=1,
        train_instance_type="local",
        sagemaker_session=session,
    )
    lda.set_hyperparameters(
        num_topics=TOPICS, feature_dim=vocabulary_size, mini_batch_size=nbags_of_words_training, alpha0=1.0
    )
    lda.fit({"train": f"s3://{bucket}/{s3_object}"})

    job_name = lda.latest_training_job.job_name
    model_object = f"{prefix}/output/{job_name}/output/model.tar.gz"
    boto3.Session().resource("s3").Bucket(bucket).Object(model_object).download_file("downloaded")
    with tarfile.open("downloaded") as tar:
        tar.extractall(filter="data")
    model_list = [path.name for path in Path().iterdir() if path.name.startswith("model_")]

    lda_inference = lda.deploy(initial_instance_count=1, instance_type="local")
    lda_inference.content_type = "text/csv"
    lda_inference.serializer = csv_serializer
    lda_inference.deserializer = json_deserializer
    first = lda_inference.predict(test[:3])
    results = lda_inference.predict(test)
    answers = {"model_list": model_list, "documents": len(test), "first": first, "all": results}
    Path("answers.json").write_text(json.dumps(answers))
    session.delete_endpoint(lda_inference.endpoint)


if __name__ == "__main__":
    main()
