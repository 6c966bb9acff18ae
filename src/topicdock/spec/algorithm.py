"""What the rest of the house needs to know about an algorithm without importing it."""

from __future__ import annotations

from dataclasses import dataclass

from topicdock.spec.hyperparameters import Hyperparameters


@dataclass(frozen=True)
class Channel:
    """An input channel: what may arrive in it."""

    name: str
    sentence: str
    required: bool = False
    content_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A figure that the training log carries."""

    name: str
    sentence: str
    objective: str = ""
    """``Minimize`` or ``Maximize`` if a tuner may choose by it, else empty."""


@dataclass(frozen=True)
class Specification:
    """One algorithm's declarations, and where the code that fits it stands."""

    name: str
    sentence: str
    log_name: str
    """How the built-in of the same name calls itself in ``#metrics`` lines."""
    hyperparameters: type[Hyperparameters]
    channels: tuple[Channel, ...]
    metrics: tuple[Metric, ...]
    module: str
    """The module with ``fit``, imported only by a process that trains."""
    takes_word_vectors: bool = False
    """Whether its ``fit`` has a parameter ``word_vectors``."""
    by_epochs: bool = True
    """Whether it is fitted epoch by epoch, each with a loss."""

    def channel_names(self) -> str:
        """Return the channels by name, for messages."""
        return ", ".join(channel.name for channel in self.channels)
