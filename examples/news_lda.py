"""LDA of news articles, from word counts to an endpoint: the story of the LDA notebook.

    python -m examples.news_lda --counts nyt_data.txt --vocabulary nyt_vocab.dat --output /tmp/lda

The counts are as the notebook has them: a document a line, ``word:count`` pairs with commas between, words
numbered from 1. The first 95 % of the documents are learned from; the model's two arrays, alpha and beta, are
read from its file; the endpoint is asked about the others, as CSV.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from examples.here import deployed, run, train, write_channels
from topicdock.artifact import load_model
from topicdock.corpus import encode_csv


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=Path, required=True, help="a document a line: word:count,word:count")
    parser.add_argument("--vocabulary", type=Path, required=True, help="a word a line")
    parser.add_argument("--output", type=Path, required=True, help="a folder for data and model")
    parser.add_argument("--num-topics", type=int, default=10)
    arguments = parser.parse_args()

    words = [line.strip().strip("'") for line in arguments.vocabulary.read_text(encoding="utf-8").splitlines()]
    counts = read_pairs(arguments.counts, len(words))
    cut = int(0.95 * counts.shape[0])
    print(f"{cut} documents to learn from, {counts.shape[0] - cut} to ask about, {len(words)} words")
    data = write_channels(arguments.output / "data", words, train=counts[:cut])
    job = train(
        data,
        arguments.output / "job",
        algorithm="lda",
        num_topics=arguments.num_topics,
        mini_batch_size=cut,
        alpha0=1.0,
    )

    arrays = load_model(job / "model").arrays
    alpha, beta = arrays["alpha"], arrays["beta"]
    print("\nalpha", np.round(alpha, 3), "\nbeta", beta.shape)
    for topic, row in enumerate(beta):
        print(f"{topic:>3}  {' '.join(words[word] for word in np.argsort(-row)[:10])}")
    run("report", job, "-o", arguments.output / "report.html", "--title", "News")

    asked = counts[cut : cut + 3]
    with deployed(job) as endpoint:
        for number, answer in enumerate(endpoint.predict(encode_csv(asked), "text/csv")):
            print(f"document {cut + number}: {np.round(answer['topic_mixture'], 2)}")


def read_pairs(path: Path, vocabulary_size: int) -> csr_matrix:
    """Return the counts of a file of ``word:count`` pairs, shape (D, V)."""
    ids: list[int] = []
    numbers: list[float] = []
    borders = [0]
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            for pair in filter(None, line.strip().split(",")):
                word, _, number = pair.partition(":")
                ids.append(int(word) - 1)
                numbers.append(float(number))
            borders.append(len(ids))
    return csr_matrix((np.array(numbers, np.float32), ids, borders), shape=(len(borders) - 1, vocabulary_size))


if __name__ == "__main__":
    main()
