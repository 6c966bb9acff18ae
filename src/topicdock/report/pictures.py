"""The report's drawings as PNG files, for notebooks and slides; needs matplotlib."""

from __future__ import annotations

import colorsys
import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from topicdock.errors import CustomerError
from topicdock.report.advice import learning_curve
from topicdock.report.intertopic_map import place_circles
from topicdock.report.page import hue
from topicdock.report.summary import Summary

_RESOLUTION = 150
_COLUMNS = 4
_BARS = 10
_MOST_TOPICS = 40


def draw_pictures(summary: Summary, folder: Path) -> list[Path]:
    """Draw ``map.png``, ``topics.png`` (the largest forty) and, where epochs are known, ``training.png``.

    Raises
    ------
    CustomerError
        matplotlib is not installed.
    """
    try:
        # Not pyplot: it keeps every figure, and looks for a display.
        figure_of = importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise CustomerError(
            "the package matplotlib is not installed, which draws pictures", todo="pip install matplotlib"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {"map.png": _draw_map(figure_of, summary), "topics.png": _draw_topics(figure_of, summary)}
    if len(learning_curve(summary)) > 1:
        drawings["training.png"] = _draw_training(figure_of, summary)
    paths = []
    for name, figure in drawings.items():
        figure.savefig(folder / name, dpi=_RESOLUTION)
        paths.append(folder / name)
    return paths


def _draw_map(figure_of: Any, summary: Summary) -> Any:
    circles = place_circles(summary.divergences, np.array([topic.size for topic in summary.topics]))
    figure = figure_of(figsize=(circles.width / 80, circles.height / 80), layout="constrained")
    axes = figure.add_subplot()
    patch = importlib.import_module("matplotlib.patches").Circle
    for topic, (x, y), radius in zip(summary.topics, circles.centres, circles.radii, strict=True):
        axes.add_patch(patch((x, y), radius, color=_colour(topic.number), alpha=0.88))
        size = min(14.0, radius * 0.9 / max(len(str(topic.number)), 1.6))
        axes.text(x, y, str(topic.number), color="white", ha="center", va="center", fontsize=size, weight="bold")
    axes.set(xlim=(0, circles.width), ylim=(circles.height, 0), aspect="equal")
    axes.axis("off")
    return figure


def _draw_topics(figure_of: Any, summary: Summary) -> Any:
    topics = summary.by_size[:_MOST_TOPICS]
    rows = math.ceil(len(topics) / _COLUMNS)
    figure = figure_of(figsize=(3.2 * _COLUMNS, 2.6 * rows), layout="constrained")
    grid = np.atleast_2d(figure.subplots(rows, _COLUMNS)).ravel()
    for axes in grid[len(topics) :]:
        axes.axis("off")
    for axes, topic in zip(grid, topics, strict=False):
        words = topic.words[:_BARS]
        # By place: two words that look alike must not share a bar. A dollar sign would begin a formula.
        axes.barh(range(len(words)), [word.probability for word in words], color=_colour(topic.number))
        axes.set_yticks(range(len(words)), [word.text.replace("$", r"\$")[:24] for word in words], fontsize=8)
        axes.invert_yaxis()
        axes.tick_params(axis="x", labelsize=7)
        axes.locator_params(axis="x", nbins=3)
        axes.set_title(
            f"topic {topic.number}" + (f", {100 * topic.size:.1f} %" if summary.sizes_known else ""), fontsize=10
        )
    return figure


def _draw_training(figure_of: Any, summary: Summary) -> Any:
    curve = learning_curve(summary)
    figure = figure_of(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([epoch for epoch, _, _ in curve], [train for _, train, _ in curve], label="training data")
    held_out = [(epoch, value) for epoch, _, value in curve if value is not None]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="validation data")
    axes.set(xlabel="epoch", ylabel="loss, nats per word")
    axes.legend()
    return figure


def _colour(number: int) -> tuple[float, float, float]:
    return colorsys.hls_to_rgb(hue(number) / 360, 0.42, 0.55)
