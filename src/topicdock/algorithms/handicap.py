"""By how much rare words are put back where NTM's weights rank the words of a topic.

The weights W say how much a topic raises a word above the background b, and the words that it raises most are taken
for the topic's. The rarer a word, the more of that is chance: what is told of it by f documents is uncertain by
1 / sqrt(f), the standard error of the log of a count f. Among thousands of words that a few documents hold, the
luckiest lead.

Topic proportions theta sum to 1, so that for any numbers c_v

    softmax(W theta + b) = softmax((W - c 1') theta + b + c)

and c can be chosen for the ranking alone: nothing that is predicted changes. It is, with D documents and K topics,

    c_v = strength * min(1, spread) * (sqrt(D / K) / f_v)^(1/2)

f = sqrt(D / K) is where two words of one topic begin to meet: if each stands in f of the topic's D / K documents, and
they know nothing else of each other, both stand in f^2 / (D / K) of these. Words much rarer than that are said to
belong together by no document. The spread is that of the weights, their root mean square over topics and documents'
words: where few documents say little of any word, c would outweigh them all, and rank the same words in each topic.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Handicap:
    """What goes from W to the bias.

    Parameters
    ----------
    holders : array, shape (V,)
        How many documents hold each word; words that none holds count as held by one.
    documents : int
        D, at least 1.
    num_topics : int
        K.
    strength : float
        As the hyperparameter ``rare_word_handicap``; 0 is no handicap.
    """

    def __init__(self, holders: NDArray[np.float64], documents: int, num_topics: int, strength: float) -> None:
        meeting = np.sqrt(documents / num_topics)
        whole = strength * np.sqrt(meeting / np.maximum(holders, 1.0))
        self._whole = torch.from_numpy(whole.astype(np.float32))
        self._shares = torch.from_numpy((holders / max(holders.sum(), 1.0)).astype(np.float32))

    def move(self, device: torch.device) -> None:
        """Go over to a device."""
        self._whole, self._shares = self._whole.to(device), self._shares.to(device)

    def of(self, weight: Tensor) -> Tensor:
        """Return c, shape (V,), at least 0, in logits, for W transposed, shape (K, V)."""
        spread = (weight.square().mean(0) @ self._shares).sqrt()
        return self._whole * spread.clamp(max=1.0)
