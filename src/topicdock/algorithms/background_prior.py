"""What holds a decoder's bias to the frequencies of words, where documents do not.

No document speaks for a word that a small corpus hardly has, or not at all: Adam, for which any gradient is large
beside none, takes its bias down by as much a step as it would for a good reason, until documents that have the word are
impossible. The prior is as if some more words had been drawn from the smoothed frequencies of the corpus, and by the
bias alone. A large corpus outvotes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

_WORDS = 10.0
"""How many more, for each word of the vocabulary."""


def hold_background(bias: Tensor, gradient: Tensor, frequencies: Tensor, documents: float) -> None:
    """Add the prior's gradient, in nats a document, to that of the documents; all tensors have shape (V,).

    Parameters
    ----------
    bias : Tensor
        Logits of the words in a document of no topic.
    gradient : Tensor
        Of the loss, for `bias`; it is added to.
    frequencies : Tensor
        See :func:`topicdock.algorithms.smoothing.word_frequencies`; they sum to 1.
    documents : float
        How many all hosts have.
    """
    surplus = torch.softmax(bias, 0) - frequencies
    gradient.add_(surplus, alpha=_WORDS * len(bias) / documents)
