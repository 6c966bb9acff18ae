"""What the demo shows, as lines of text that fit a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.evaluation import npmi, topic_uniqueness
from topicdock.model import TopicModel

WIDTH = 100
"""Columns at most."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_SHADES = " ░▒▓█"
_LISTED_WORDS = 8
_NAMING_WORDS = 3
_JUDGED_WORDS = 10

Matrix = NDArray[np.floating]


def draw_bar(share: float, width: int) -> str:
    """Draw a horizontal bar of `share` (0 to 1) of `width` columns, to an eighth of a column, padded to `width`."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return (_EIGHTHS[8] * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")).ljust(width)


def draw_picture(weights: Matrix, side: int = 5) -> list[str]:
    """Draw `side` x `side` weights as shades, the largest one full, two columns a pixel."""
    shades = np.rint(weights / max(float(weights.max()), 1e-12) * (len(_SHADES) - 1)).astype(int)
    return ["".join(_SHADES[shade] * 2 for shade in row) for row in shades.reshape(side, side)]


def frame(picture: Iterable[str]) -> list[str]:
    """Put a border round lines of equal width."""
    lines = list(picture)
    edge = "─" * len(lines[0])
    return [f"┌{edge}┐", *(f"│{line}│" for line in lines), f"└{edge}┘"]


def likeliest_words(model: TopicModel, number: int) -> NDArray[np.intp]:
    """Return the ids of each topic's `number` likeliest words, shape (K, number).

    Not :meth:`TopicModel.top_words`, which the log lists: those set a topic apart from the others, and are often rarer.
    """
    return np.argsort(-model.beta, axis=1, kind="stable")[:, :number]


def name_topic(model: TopicModel, topic: int) -> str:
    """Name a topic by its likeliest words."""
    return " · ".join(model.word(int(word)) for word in likeliest_words(model, _NAMING_WORDS)[topic])


def list_topics(model: TopicModel, counts: csr_matrix, theta: Matrix) -> list[str]:
    """List the topics, the most common first.

    Parameters
    ----------
    counts : csr_matrix, (D, V)
        Training documents: the corpus by which coherence is judged.
    theta : array, (D', K)
        Topic proportions of documents, which say how common each topic is.
    """
    shares = theta.mean(axis=0)
    top_words = likeliest_words(model, _JUDGED_WORDS)
    coherence, uniqueness = npmi(counts, top_words), topic_uniqueness(top_words)
    lines = ["topic  share                npmi  unique  likeliest words"]
    for topic in np.argsort(-shares, kind="stable"):
        words = " ".join(model.word(int(word)) for word in top_words[topic, :_LISTED_WORDS])
        lines.append(
            f"{topic:>5}  {shares[topic]:>5.1%} {draw_bar(shares[topic] / shares.max(), 10)} "
            f"{coherence[topic]:>6.2f} {uniqueness[topic]:>7.2f}  "
            + textwrap.shorten(words, WIDTH - 42, placeholder="")
        )
    lines.append(f" mean  {' ' * 16} {coherence.mean():>6.2f} {uniqueness.mean():>7.2f}")
    return lines


def describe_document(model: TopicModel, name: str, headline: str, theta: Matrix, most: int = 3) -> list[str]:
    """Describe a document: where it is from, its first words, and its largest topics of at least 5 %."""
    large = [topic for topic in np.argsort(-theta, kind="stable")[:most] if theta[topic] >= 0.05]
    return [
        name,
        "  “" + textwrap.shorten(headline, WIDTH - 4, placeholder=" …") + "”",
        *(
            f"  {theta[topic]:>5.0%} {draw_bar(theta[topic], 20)} {topic:>3}  {name_topic(model, topic)}"
            for topic in large
        ),
    ]


def put_side_by_side(blocks: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Join blocks of equal height line by line."""
    return [gap.join(parts) for parts in zip(*blocks, strict=True)]


def show_correlations(correlations: Matrix) -> list[str]:
    """Lay out a square matrix of correlations, rows the known topics, columns the found ones that match them."""
    numbers = range(1, len(correlations) + 1)
    lines = ["known \\ found  " + " ".join(f"{number:>5}" for number in numbers)]
    for number, row in zip(numbers, correlations, strict=True):
        lines.append(f"{number:>13}  " + " ".join(f"{value:>5.2f}" for value in row))
    return lines


def abbreviate(text: str, width: int) -> str:
    """Cut the middle out of `text` where it is longer than `width`."""
    if len(text) <= width:
        return text
    tail = width // 4
    return f"{text[: width - tail - 3]} … {text[-tail:]}"
