"""Pairs of words that belong together: *new york*, *machine learning*."""

from __future__ import annotations

import math

from topicdock.text.statistics import WordStatistics

LEAST_OCCURRENCES = 10
LEAST_NPMI = 0.5
MOST_PHRASES = 2000


def choose_phrases(
    statistics: WordStatistics,
    *,
    least_occurrences: int = LEAST_OCCURRENCES,
    least_npmi: float = LEAST_NPMI,
    most: int = MOST_PHRASES,
) -> tuple[str, ...]:
    """Choose the pairs of neighbours that are phrases, in alphabetical order.

    Parameters
    ----------
    statistics : WordStatistics
        Of single words and of pairs, the two words of a pair joined by a blank.
    least_occurrences : int
        A pair must occur so often.
    least_npmi : float
        Its normalised pointwise mutual information, from -1 to 1: 0 is chance; 1, neither stands without the other.
    most : int
        At most so many are kept, those of the highest NPMI.

    References
    ----------
    Bouma, "Normalized (Pointwise) Mutual Information in Collocation Extraction", GSCL 2009.
    """
    words = statistics.words()
    tokens = sum(statistics.occurrences(word) for word in words if " " not in word)
    scored = []
    for pair in words:
        first, blank, second = pair.partition(" ")
        often = statistics.occurrences(pair)
        if not blank or often < least_occurrences or often >= tokens:
            continue
        apart = statistics.occurrences(first) * statistics.occurrences(second)
        if not apart:  # a word forgotten while its pair was kept
            continue
        npmi = math.log(often * tokens / apart) / math.log(tokens / often)
        if npmi >= least_npmi:
            scored.append((-npmi, pair))
    return tuple(sorted(pair for _, pair in sorted(scored)[:most]))
