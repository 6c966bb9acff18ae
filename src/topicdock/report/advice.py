"""The warnings that a careful colleague would give before anybody builds on these topics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from topicdock.report.summary import Summary, Topic
from topicdock.text.stop_words import ENGLISH

_FEWEST_DOCUMENTS = 1000
_FEWEST_A_TOPIC = 20
_TWIN_DIVERGENCE = 0.1
"""In nats; ln 2 = 0.69 is topics without a common word."""
_TWIN_WORDS = 6
_HEAD = 10
_UNUSED = 0.1
"""Of the size that every topic would have if all were equally large."""
_INCOHERENT = 0.0
_STOP_WORDS = 4
_COLLAPSED = 0.02
_STILL_FALLING = 0.01
_OVERTRAINED = 0.02
_NAMED = 8


def advise(summary: Summary) -> list[str]:
    """Return a sentence for each thing that gives cause for doubt; an empty list if nothing does."""
    found = [
        *_about_documents(summary), *_about_collapse(summary), *_about_twins(summary), *_about_topics(summary),
        *_about_training(summary),
    ]  # fmt: skip
    if summary.model.metadata.vocabulary is None:
        found.append("The model has no vocabulary, so words are shown as their ids; train with the auxiliary channel.")
    return found


def _about_documents(summary: Summary) -> Iterator[str]:
    documents = summary.documents or summary.training.get("documents")
    if not isinstance(documents, int) or not documents:
        return
    needed = max(_FEWEST_DOCUMENTS, _FEWEST_A_TOPIC * len(summary.topics))
    if documents < needed:
        yield (
            f"There are only {documents:,} documents for {len(summary.topics)} topics; from about {needed:,} on, "
            "topics hold for more than these documents. Take fewer topics, or cut long documents into paragraphs."
        )


def _about_collapse(summary: Summary) -> Iterator[str]:
    if summary.theta is not None and len(summary.theta) > 1:
        spread = float(np.mean(np.abs(summary.theta - summary.theta.mean(axis=0)).sum(axis=1)) / 2)
        if spread < _COLLAPSED:
            yield (
                "All documents have nearly the same topic proportions: the model has collapsed and tells them apart by "
                "nothing. Train again with other settings; topicdock's own defaults are made against this."
            )


def _about_twins(summary: Summary) -> Iterator[str]:
    divergences = summary.divergences
    heads = [{word.text for word in topic.words[:_HEAD]} for topic in summary.topics]
    pairs = [
        f"{first} and {second}"
        for first in range(len(heads))
        for second in range(first + 1, len(heads))
        if divergences[first, second] < _TWIN_DIVERGENCE or len(heads[first] & heads[second]) >= _TWIN_WORDS
    ]
    if pairs:
        yield f"Topics that are nearly the same: {_name(pairs)}. Fewer topics would say as much."


def _about_topics(summary: Summary) -> Iterator[str]:
    fair = 1.0 / len(summary.topics)
    if summary.sizes_known:
        unused = [str(topic.number) for topic in summary.topics if topic.size < _UNUSED * fair]
        if unused:
            yield f"Topics that hardly a document is about: {_name(unused)}. Fewer topics may do."
    empty_words = [str(topic.number) for topic in summary.topics if _is_of_stop_words(topic, summary)]
    if empty_words:
        yield (
            f"Topics of words that say nothing by themselves: {_name(empty_words)}. Prepare the texts with stop words "
            "of their language, or a lower max-df."
        )
    vague = [
        str(topic.number) for topic in summary.topics if topic.coherence is not None and topic.coherence < _INCOHERENT
    ]
    if vague:
        yield (
            f"Topics whose words seldom stand in the same documents (NPMI below 0): {_name(vague)}. "
            "Do not read much in them."
        )


def _is_of_stop_words(topic: Topic, summary: Summary) -> bool:
    rules = summary.model.metadata.text_rules or {}
    stop_words = ENGLISH.union(rules.get("stop_words", ()))
    return sum(word.text.lower() in stop_words for word in topic.words[:_HEAD]) >= _STOP_WORDS


def _about_training(summary: Summary) -> Iterator[str]:
    curve = learning_curve(summary)
    if len(curve) < 4:
        return
    losses = [validation if validation is not None else train for _, train, validation in curve]
    before, last, best = losses[-max(2, len(losses) // 10) - 1], losses[-1], min(losses)
    if before - last > _STILL_FALLING * abs(last):
        yield "The loss was still falling when training ended; more epochs would help."
    if last - best > _OVERTRAINED * abs(best):
        yield (
            "The loss on held-out documents rose again after its best epoch. The best one was kept if early stopping "
            "was on; otherwise take fewer epochs."
        )


def learning_curve(summary: Summary) -> list[tuple[int, float, float | None]]:
    """Return epoch, loss on the training data, and on the validation data if there were any; in nats per word."""
    curve = summary.training.get("losses")
    if not isinstance(curve, list):
        return []
    return [
        (int(point[0]), float(point[1]), None if point[2] is None else float(point[2]))
        for point in curve
        if isinstance(point, list) and len(point) == 3 and isinstance(point[1], (int, float))
    ]


def _name(items: list[str]) -> str:
    return ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")
