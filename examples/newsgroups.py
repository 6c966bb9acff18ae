"""20 Newsgroups from posts to an endpoint: the story of the NTM newsgroups notebook.

    python -m examples.newsgroups --output /tmp/news                        scikit-learn fetches the posts
    python -m examples.newsgroups --output /tmp/news --from 20_newsgroups/  an unpacked copy of the collection

Headers, quotes and footers are stripped, the 2,000 most frequent words kept, documents of 25 words and fewer left out,
80 % of the rest trained on. Then topics are listed, a report written, and the endpoint asked about held-out posts.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from examples.here import deployed, run, train
from topicdock.artifact import load_model
from topicdock.corpus import encode_counts, parse_media_type, read_counts


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="a folder for data and model")
    parser.add_argument("--from", dest="copy", help="an unpacked copy of the collection")
    parser.add_argument("--num-topics", type=int, default=20)
    parser.add_argument("--epochs", default="auto")
    parser.add_argument("--vocabulary-size", type=int, default=2000)
    parser.add_argument("--lemmatizer", help="simplemma or nltk, as the notebook has it")
    arguments = parser.parse_args()

    data, job = arguments.output / "data", arguments.output / "job"
    options = ["--from", arguments.copy] if arguments.copy else []
    options += ["--lemmatizer", arguments.lemmatizer] if arguments.lemmatizer else []
    run(
        "prepare", "20newsgroups", *options, "-o", data, "--overwrite", "--parts", 2,
        "--vocabulary-size", arguments.vocabulary_size, "--min-df", 2, "--max-df", 0.95, "--min-words", 26,
    )  # fmt: skip
    train(data, job, num_topics=arguments.num_topics, epochs=arguments.epochs)
    run("topics", job)
    run("report", job, "-o", arguments.output / "report.html", "--title", "20 Newsgroups")

    model = load_model(job / "model")
    asked = read_counts(data / "test", parse_media_type("application/x-recordio-protobuf"), model.feature_dim)[:3]
    lines = (data / "documents" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:3]
    with deployed(job) as endpoint:
        answers = endpoint.predict(encode_counts(asked), "application/x-recordio-protobuf")
    for line, answer in zip(lines, answers, strict=True):
        weights = np.array(answer["topic_weights"])
        topic = int(weights.argmax())
        words = " ".join(model.word(word) for word in model.top_words(6)[topic])
        print(f"\n{json.loads(line)['text'][:150]}...\n  {100 * weights[topic]:.0f} % topic {topic}: {words}")


if __name__ == "__main__":
    main()
