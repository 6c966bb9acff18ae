"""A text's words, by rules."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain

from topicdock.text.lemmatizers import find_lemmatizer
from topicdock.text.rules import TextRules

_MOST_FORMS = 1 << 20
"""Different tokens whose forms are remembered."""


class Tokenizer:
    """Cuts texts into words.

    Parameters
    ----------
    rules : TextRules

    Raises
    ------
    CustomerError
        The rules name a lemmatizer that is not installed, or has no such language.
    """

    def __init__(self, rules: TextRules) -> None:
        self.rules = rules
        self._find: Callable[[str], list[str]] = re.compile(rules.token_pattern).findall
        self._pairs = frozenset(tuple(phrase.split(" ")) for phrase in rules.phrases)
        self._words_stand_alone = not rules.phrases and rules.ngram_range == (1, 1)
        every_token_counts = not rules.stop_words and not rules.lemmatizer and rules.min_length == 1
        self._forms = None if every_token_counts else _Forms(rules)

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text` in order, n-grams after single words."""
        found = self._find(self._clean(text))
        forms = self._forms
        words = found if forms is None else [form for token in found if (form := forms[token])]
        if self._pairs:
            words = self._join_phrases(words)
        return words if self.rules.ngram_range == (1, 1) else self._make_ngrams(words)

    def find_tokens(self, text: str) -> list[str]:
        """Return the tokens of `text` from which :meth:`form_of` makes words; with phrases or n-grams, the words.

        For many texts at once: a token that occurs in all of them needs its form only once.
        """
        return self._find(self._clean(text)) if self._words_stand_alone else self(text)

    def form_of(self, token: str) -> str:
        """Return what a token of :meth:`find_tokens` counts as; empty if it does not count."""
        return token if self._forms is None or not self._words_stand_alone else self._forms[token]

    def count(self, text: str) -> Mapping[str, int]:
        """Return how often each word occurs in `text`."""
        if not self._words_stand_alone:
            return Counter(self(text))
        counts = Counter(self._find(self._clean(text)))
        forms = self._forms
        if forms is None:
            return counts
        # Far fewer different tokens than tokens: each is looked up once.
        words: dict[str, int] = {}
        for token, number in counts.items():
            form = forms[token]
            if form:
                words[form] = words.get(form, 0) + number
        return words

    def _clean(self, text: str) -> str:
        rules = self.rules
        if rules.normalization and not text.isascii():
            text = unicodedata.normalize(rules.normalization, text)
        if rules.lowercase:
            text = text.lower()
        if rules.strip_accents and not text.isascii():
            text = strip_accents(text, ascii_only=rules.strip_accents == "ascii")
        return text

    def _join_phrases(self, words: list[str]) -> list[str]:
        joined = []
        place, end = 0, len(words)
        while place < end:
            if place + 1 < end and (words[place], words[place + 1]) in self._pairs:
                joined.append(f"{words[place]}_{words[place + 1]}")
                place += 2
            else:
                joined.append(words[place])
                place += 1
        return joined

    def _make_ngrams(self, words: list[str]) -> list[str]:
        smallest, largest = self.rules.ngram_range
        sizes = range(smallest, min(largest, len(words)) + 1)
        return list(
            chain.from_iterable(
                map(" ".join, zip(*(words[start:] for start in range(size)), strict=False)) for size in sizes
            )
        )


class _Forms(dict[str, str]):
    """What a token counts as, worked out when it is first asked for; empty if it does not count."""

    def __init__(self, rules: TextRules) -> None:
        super().__init__()
        self._stop_words = frozenset(rules.stop_words)
        self._min_length = rules.min_length
        self._lemmatize = find_lemmatizer(rules.lemmatizer, rules.language)

    def __missing__(self, token: str) -> str:
        lemma = self._lemmatize(token)
        counts = len(lemma) >= self._min_length and token not in self._stop_words and lemma not in self._stop_words
        if len(self) >= _MOST_FORMS:
            self.clear()
        self[token] = form = lemma if counts else ""
        return form


def strip_accents(text: str, *, ascii_only: bool = False) -> str:
    """Return `text` without the accents of its letters, as scikit-learn takes them off."""
    decomposed = unicodedata.normalize("NFKD", text)
    if ascii_only:
        return decomposed.encode("ascii", "ignore").decode("ascii")
    return "".join(character for character in decomposed if not unicodedata.combining(character))
