"""The report as one HTML page: no script, no link, nothing that is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jinja2 import Environment, StrictUndefined, Template

from topicdock import __version__
from topicdock.report.advice import advise, learning_curve
from topicdock.report.curve import draw_curve
from topicdock.report.intertopic_map import place_circles
from topicdock.report.summary import Summary, Topic

_WORDS_IN_TABLE = 12
_SMALLEST, _LARGEST = 0.8, 1.9  # of the words of a cloud, in rem
_HUES = 360.0
_GOLDEN_TURN = 137.508  # degrees: neighbours in the list never look alike


@dataclass(frozen=True)
class Circle:
    """A topic on the map."""

    topic: Topic
    x: float
    y: float
    radius: float
    hue: float

    @property
    def font_size(self) -> float:
        """So that the number fits in."""
        return min(18.0, self.radius * 1.6 / max(len(str(self.topic.number)), 1.6))


def render_report(summary: Summary, title: str = "Topics") -> str:
    """Return the page.

    Parameters
    ----------
    title : str
        Its heading.
    """
    circles = place_circles(summary.divergences, np.array([topic.size for topic in summary.topics]))
    placed = [
        Circle(topic, float(x), float(y), float(radius), hue(topic.number))
        for topic, (x, y), radius in zip(summary.topics, circles.centres, circles.radii, strict=True)
    ]
    return _template().render(
        title=title,
        summary=summary,
        facts=_facts(summary),
        warnings=advise(summary),
        circles=placed,
        map=circles,
        curve=draw_curve(learning_curve(summary)),
        hue=hue,
        cloud=cloud,
        words_in_table=_WORDS_IN_TABLE,
        version=__version__,
    )


def hue(number: int) -> float:
    """Return the colour of a topic, an angle."""
    return (210.0 + number * _GOLDEN_TURN) % _HUES


def cloud(topic: Topic) -> list[tuple[str, float]]:
    """Return a topic's words in alphabetical order, each with its size in rem: the square root of its probability."""
    weights = [math.sqrt(max(word.probability, 0.0)) for word in topic.words]
    low, high = min(weights, default=0.0), max(weights, default=0.0)
    span = high - low or 1.0
    sizes = [_SMALLEST + (weight - low) / span * (_LARGEST - _SMALLEST) for weight in weights]
    return sorted(zip((word.text for word in topic.words), sizes, strict=True), key=lambda item: item[0].casefold())


def _facts(summary: Summary) -> list[tuple[str, str]]:
    model, training = summary.model, summary.training
    documents = summary.documents or training.get("documents")
    loss = training.get("validation_total_loss")
    perplexity = training.get("perplexity")
    facts = [
        ("algorithm", model.algorithm.upper()),
        ("topics", str(model.num_topics)),
        ("words in the vocabulary", f"{model.feature_dim:,}"),
        ("documents", f"{documents:,}" if isinstance(documents, int) else ""),
        ("coherence (NPMI)", "" if summary.coherence is None else f"{summary.coherence:.3f}"),
        ("topic uniqueness", f"{summary.uniqueness:.2f}"),
        ("topic diversity", f"{summary.diversity:.2f}"),
        ("validation loss, nats a word", f"{loss:.3f}" if isinstance(loss, float) else ""),
        ("perplexity", f"{perplexity:,.0f}" if isinstance(perplexity, float) else ""),
        ("best epoch", str(training.get("best_epoch") or "")),
    ]
    return [(name, value) for name, value in facts if value]


@cache
def _template() -> Template:
    text = (files("topicdock.report") / "page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)
