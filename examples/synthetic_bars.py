"""Synthetic documents whose topics are known: does the model find them? The story of the NTM synthetic notebook.

    python -m examples.synthetic_bars --output /tmp/bars

Each of the 25 words is a pixel of a 5 x 5 image and each of the five topics a column of it; a document is an image that
mixes a few. The model is trained, served, and asked about documents that it has not seen, as CSV, JSON and RecordIO.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from examples.here import deployed, train, write_channels
from topicdock.artifact import load_model
from topicdock.corpus import encode_counts, encode_csv, encode_json

SIDE = 5


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="a folder for data and model")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--epochs", default="auto", help="passes over the documents at most")
    arguments = parser.parse_args()

    beta, counts, theta = draw(arguments.documents)
    cut = int(0.8 * len(theta))
    data = write_channels(arguments.output / "data", train=counts[:cut], validation=counts[cut:])
    job = train(data, arguments.output / "job", num_topics=SIDE, feature_dim=SIDE * SIDE, epochs=arguments.epochs)

    found = load_model(job / "model").beta
    similarity = (found / np.linalg.norm(found, axis=1)[:, None]) @ (beta / np.linalg.norm(beta, axis=1)[:, None]).T
    rows, columns = linear_sum_assignment(-similarity)
    print("\nKnown topics, and beside them what was found:\n")
    for topic, known in zip(rows, columns, strict=True):
        draw_pair(beta[known], found[topic], similarity[topic, known])

    asked = counts[cut : cut + 3]
    with deployed(job) as endpoint:
        for body, content_type in (
            (encode_csv(asked), "text/csv"),
            (encode_json(asked), "application/json"),
            (encode_counts(asked), "application/x-recordio-protobuf"),
        ):
            weights = np.array([answer["topic_weights"] for answer in endpoint.predict(body, content_type)])
            print(f"\n{content_type}: the first document is, topic by known topic,")
            print("  known", np.round(theta[cut], 2), "\n  found", np.round(weights[0][rows[np.argsort(columns)]], 2))


def draw(documents: int, seed: int = 0) -> tuple[np.ndarray, csr_matrix, np.ndarray]:
    """Return topics, shape (5, 25), documents, shape (D, 25), and their true proportions, shape (D, 5)."""
    generator = np.random.default_rng(seed)
    beta = np.kron(np.ones((1, SIDE)), np.eye(SIDE)) / SIDE  # topic k: the pixels of column k
    theta = generator.dirichlet(np.full(SIDE, 0.2), documents)
    counts = generator.multinomial(generator.poisson(150, documents), theta @ beta)
    return beta, csr_matrix(counts.astype(np.float32)), theta


def draw_pair(known: np.ndarray, found: np.ndarray, similarity: float) -> None:
    """Print two topics as images side by side."""
    shades = " .:-=+*#%@"
    images = [
        (topic / topic.max() * (len(shades) - 1)).round().astype(int).reshape(SIDE, SIDE) for topic in (known, found)
    ]
    for row in range(SIDE):
        left, right = ("".join(shades[pixel] * 2 for pixel in image[row]) for image in images)
        print(f"  |{left}|   |{right}|" + (f"   cosine {similarity:.3f}" if row == 0 else ""))
    print()


if __name__ == "__main__":
    main()
