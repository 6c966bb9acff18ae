"""A corpus whose topics are known, and how well they are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demo import show
from demo.bars import Bars, correlate, draw_bars, match
from demo.job import lay_out
from demo.screen import say, say_step
from demo.steps import post, run_service, run_training
from topicdock.artifact import load_model
from topicdock.contract.layout import Layout
from topicdock.corpus.csv_rows import encode_csv
from topicdock.model import TopicModel

_VALIDATION_SHARE = 0.1
_PICTURES_SHOWN = 6


def tour_bars(base: Path, num_topics: int, documents: int) -> Layout:
    """Find the bars again.

    Parameters
    ----------
    base : Path
        An empty folder, which takes the place of /opt/ml.
    num_topics : {5, 10}
    documents : int
    """
    say_step("Documents with known topics: bars in 5 x 5 images (Griffiths and Steyvers 2004)")
    corpus = draw_bars(documents, num_topics, seed=0)
    cut = max(1, int(_VALIDATION_SHARE * documents))
    say(f"   {documents:,} documents of about 150 words, of a vocabulary of 25; the first of them, as images:")
    say(_indent(show.put_side_by_side([
        show.frame(show.draw_picture(row)) for row in corpus.counts[:_PICTURES_SHOWN].toarray()
    ])))  # fmt: skip
    layout = lay_out(base, corpus.counts[cut:], corpus.counts[:cut], None, num_topics=num_topics)
    run_training(layout)
    with run_service(layout) as endpoint:
        found = post(endpoint, encode_csv(corpus.counts[:cut]), "text/csv").theta
    _show_result(corpus, load_model(layout.model), correlate(corpus.theta[:cut], found))
    return layout


def _show_result(
    corpus: Bars, model: TopicModel, correlations: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> None:
    partner = match(correlations)
    say_step(f"The {model.num_topics} topics, known and found")
    for start in range(0, model.num_topics, 5):
        numbers = range(start, min(start + 5, model.num_topics))
        say(" " * 11 + "".join(f"{number + 1:^14}" for number in numbers))
        for title, beta in (("known", corpus.beta), ("found", model.beta[partner])):
            pictures = show.put_side_by_side([show.frame(show.draw_picture(beta[number])) for number in numbers])
            titles = [title if line == len(pictures) // 2 else "" for line in range(len(pictures))]
            say(f"   {name:<8}{line}" for name, line in zip(titles, pictures, strict=True))
    say_step("How the documents' known and found topic proportions correlate")
    matched = correlations[:, partner]
    say(_indent(show.show_correlations(matched)))
    distance = np.abs(corpus.beta - model.beta[partner]).sum(axis=1).mean() / 2
    say()
    say(f"   matched topics: mean correlation {matched.diagonal().mean():.3f}, smallest {matched.diagonal().min():.3f}")
    say(f"   topic-word distributions: mean total variation distance {distance:.3f} (0 the same, 1 nothing in common)")


def _indent(lines: list[str]) -> list[str]:
    return [f"   {line}" for line in lines]
