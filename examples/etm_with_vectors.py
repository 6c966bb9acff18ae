"""ETM on word vectors that were fitted before: topics in the space of the words' meanings.

    python -m examples.etm_with_vectors --texts reviews/ --output /tmp/etm
    python -m examples.etm_with_vectors --texts reviews/ --output /tmp/etm --vectors glove.6B.300d.txt

Without a file of vectors (word2vec's or GloVe's text format) they are fitted to the texts themselves: positive
pointwise mutual information of words in the same document, and its singular vectors (Levy, Goldberg, NIPS 2014).
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import svds

import topicdock
from examples.here import run
from topicdock.corpus import parse_media_type, read_counts


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True, help="what topicdock prepare reads")
    parser.add_argument("--output", type=Path, required=True, help="a folder for data and model")
    parser.add_argument("--vectors", type=Path, help="a file of word vectors")
    parser.add_argument("--num-topics", type=int, default=20)
    parser.add_argument("--size", type=int, default=100, help="of vectors fitted here")
    parser.add_argument("--epochs", default="auto")
    arguments = parser.parse_args()

    data = arguments.output / "data"
    run("prepare", arguments.texts, "-o", data, "--overwrite")
    words = (data / "auxiliary" / "vocab.txt").read_text(encoding="utf-8").split()
    recordio = parse_media_type("application/x-recordio-protobuf")
    counts = read_counts(data / "train", recordio, len(words))
    vectors = arguments.vectors if arguments.vectors is not None else fit_vectors(counts, arguments.size)

    etm = topicdock.ETM(num_topics=arguments.num_topics, epochs=arguments.epochs)
    etm.fit(counts, vocabulary=words, embeddings=vectors)
    etm.save(arguments.output / "model")
    for number, topic in enumerate(etm.topics(top=10)):
        print(f"{number:>3}  {' '.join(topic)}")
    run("report", arguments.output / "model", "--data", data, "-o", arguments.output / "report.html", "--title", "ETM")


def fit_vectors(counts: csr_matrix, size: int) -> np.ndarray:
    """Return a vector for each word, shape (V, E): singular vectors of the words' positive PMI within documents."""
    present = (counts > 0).astype(np.float64)
    together = (present.T @ present).tocoo()
    alone = together.diagonal() if hasattr(together, "diagonal") else np.asarray(present.sum(axis=0)).ravel()
    pmi = np.log(together.data * counts.shape[0] / np.maximum(alone[together.row] * alone[together.col], 1.0))
    keep = (pmi > 0) & (together.row != together.col)
    matrix = csr_matrix((pmi[keep], (together.row[keep], together.col[keep])), shape=together.shape)
    left, values, _ = svds(matrix, k=min(size, counts.shape[1] - 2), random_state=0)
    return np.asarray(left @ diags(np.sqrt(values)), np.float32)


if __name__ == "__main__":
    main()
