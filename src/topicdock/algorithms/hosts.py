"""What the hosts of a training job do together, seen from the arithmetic: they add up arrays. No torch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


class Hosts(Protocol):
    """The hosts of a job, this one among them."""

    rank: int
    """This host's place among them, from 0."""

    size: int
    """How many there are."""

    def sum(self, array: Doubles) -> Doubles:
        """Return the sum of every host's `array`, the same bits on every host. All hosts must call it, in one order."""

    def leave(self) -> None:
        """Wait until every host is here, and part."""


class OneHost:
    """A job on one host: every sum is its own."""

    rank = 0
    size = 1

    def sum(self, array: Doubles) -> Doubles:
        """Return `array`."""
        return array

    def leave(self) -> None:
        """Do nothing."""
