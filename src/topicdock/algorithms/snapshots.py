"""All that a fit needs to go on from where it stood, as plain arrays and facts, and who keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit between two steps.

    Attributes
    ----------
    arrays : mapping from str to array
        Copies: training goes on while they are written.
    facts : mapping from str to value
        Numbers, strings, lists and mappings of these, as JSON has them.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


class Keeper(Protocol):
    """Keeps snapshots, so that a fit that was interrupted goes on as if it had not been."""

    def restore(self) -> Snapshot | None:
        """Return the snapshot to go on from, if there is one."""

    def due(self) -> bool:
        """Return whether so much time has gone by that a snapshot is due before the epoch is over."""

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; those before it are needed no more."""


class NoKeeper:
    """Keeps nothing."""

    def restore(self) -> Snapshot | None:
        """Return None."""
        return None

    def due(self) -> bool:
        """Return False."""
        return False

    def keep(self, snapshot: Snapshot) -> None:
        """Do nothing."""
