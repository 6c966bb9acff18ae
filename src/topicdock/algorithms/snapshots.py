"""All that a fit needs to go on from where it stood, as plain arrays and facts, and who keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit between two steps.

    Attributes
    ----------
    arrays : mapping from str to array
        Training leaves them as they are: it goes on while they are written.
    facts : mapping from str to value
        Numbers, strings, lists and mappings of these, as JSON has them.
    dealt_anew : bool
        The hosts have the same documents together as when it was made, but not each of them its own.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    dealt_anew: bool = False


def begin_epoch_again(trainer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts of a trainer that stands within an epoch as of one that stands before it."""
    return {**trainer, "epoch": trainer["epoch"] - 1, "batch": 0} if trainer["batch"] else trainer


class Keeper(Protocol):
    """Keeps snapshots, so that a fit that was interrupted goes on as if it had not been."""

    def restore(self) -> Snapshot | None:
        """Return the snapshot to go on from, if there is one."""

    def due(self) -> bool:
        """Return whether so much time has gone by that a snapshot is due before the epoch is over."""

    def keep(self, make: Callable[[], Snapshot], *, wait: bool) -> bool:
        """Keep the snapshot that `make` makes, of which those before it are needed no more; return whether it was.

        It is not made where it is not kept: because nobody wants it, or, unless it is worth to `wait`, because the one
        before it is not yet written.
        """


class NoKeeper:
    """Keeps nothing."""

    def restore(self) -> Snapshot | None:
        """Return None."""
        return None

    def due(self) -> bool:
        """Return False."""
        return False

    def keep(self, make: Callable[[], Snapshot], *, wait: bool) -> bool:
        """Return False."""
        return False
