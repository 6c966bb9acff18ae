"""How many marked bytes lie before a place: one bit a byte, counted 64 at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Ranks:
    """Counts of the true entries of a mask before any place.

    Parameters
    ----------
    mask : (n,) bool
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        bits = np.packbits(mask, bitorder="little")
        # At least one word more than there are bits, so that `before(n)` has a word to look at.
        words = np.zeros(len(bits) // 8 + 1, dtype="<u8")
        words.view(np.uint8)[: len(bits)] = bits
        self._words = words
        self._before_word = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(np.bitwise_count(words), dtype=np.int64, out=self._before_word[1:])

    def before(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many true entries lie before each of the `places`, which may be 0 to n."""
        word = places >> 6
        below = (np.uint64(1) << (places & 63).astype(np.uint64)) - np.uint64(1)
        ranks: NDArray[np.int64] = self._before_word[word] + np.bitwise_count(self._words[word] & below)
        return ranks
