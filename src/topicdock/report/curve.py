"""The training curve as lines in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 640.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 12.0, 12.0, 34.0

_LARGEST_PLAIN = 1000.0

Point = tuple[int, float, float | None]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is, and what stands there."""

    place: float
    text: str


@dataclass(frozen=True)
class Curve:
    """Lines as SVG points, and the axes' marks."""

    train: str
    validation: str
    across: list[Tick]
    up: list[Tick]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = HEIGHT - _BOTTOM


def draw_curve(points: Sequence[Point]) -> Curve | None:
    """Return the losses of epochs as a drawing; None if there are fewer than two.

    Parameters
    ----------
    points : sequence of (epoch, training loss, validation loss or None)
    """
    if len(points) < 2:
        return None
    values = [value for _, train, validation in points for value in (train, validation) if value is not None]
    # Some epochs, the first ones mostly, are so far off that the others would be one flat line: they leave the box.
    low, most = min(values), float(np.percentile(values, 90))
    high = max(min(max(values), most + (most - low)), low + 1e-9)
    first, last = points[0][0], points[-1][0]

    def across(epoch: float) -> float:
        return _LEFT + (epoch - first) / (last - first) * (WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return HEIGHT - _BOTTOM - (min(value, high) - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def line(which: int) -> str:
        return " ".join(
            f"{across(point[0]):.1f},{up(value):.1f}" for point in points if (value := point[which]) is not None
        )

    epochs = np.unique(np.linspace(first, last, 5).round().astype(int))
    return Curve(
        line(1),
        line(2),
        [Tick(across(int(epoch)), str(epoch)) for epoch in epochs],
        [Tick(up(value), _say(value)) for value in np.linspace(low, high, 4).tolist()],
    )


def _say(value: float) -> str:
    return f"{value:.3f}" if abs(value) < _LARGEST_PLAIN else f"{value:.2g}"
