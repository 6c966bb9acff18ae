"""How large a training corpus is: what is known of it when ``auto`` is replaced."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusSize:
    """The sizes of a training corpus, all hosts' documents together.

    Attributes
    ----------
    documents : int
    words : float
        Occurrences of words in all documents: the sum of all counts.
    """

    documents: int
    words: float
