"""The rules by which a text becomes words, as a value that can be written to a file and read again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from topicdock.errors import CustomerError

DEFAULT_PATTERN = r"(?u)\b\w\w+\b"
"""Two or more letters, digits or underscores: scikit-learn's default."""

LARGEST_NGRAM = 5


def _check_pattern(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if groups > 1:
        raise ValueError("at most one group may capture; write (?:...) for the others")
    return pattern


class TextRules(BaseModel):
    """How a text becomes words. The default is what scikit-learn's CountVectorizer does by default.

    The steps, in this order: Unicode normalisation, lower case, accents off, tokens by the pattern, lemmas, too short
    ones off, stop words off, phrases joined, n-grams made. A token goes if it, or its lemma, is a stop word.

    Attributes
    ----------
    token_pattern : str
        A regular expression; what it matches is a token, or what its one group captures.
    lowercase : bool
    normalization : str
        A Unicode normal form, ``NFC`` or ``NFKC``; empty leaves the text as it is.
    strip_accents : str
        ``unicode`` takes the accents from letters; ``ascii`` also drops whatever is not ASCII then; empty does nothing.
    language : str
        ISO 639-1 code of the language whose lemmas are meant: ``en``.
    lemmatizer : str
        ``simplemma``, ``nltk``, or empty for none.
    min_length : int
        Shorter tokens, in characters, are left out.
    stop_words : tuple of str
        Left out; written out, so that whoever counts needs no list of them.
    phrases : tuple of str
        Two words with a blank between that count as one, joined by an underscore: ``new york`` as ``new_york``.
    ngram_range : tuple of int
        Smallest and largest number of neighbouring words that are counted, joined by blanks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_pattern: Annotated[str, AfterValidator(_check_pattern)] = DEFAULT_PATTERN
    lowercase: bool = True
    normalization: Literal["", "NFC", "NFKC"] = ""
    strip_accents: Literal["", "unicode", "ascii"] = ""
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$")] = ""
    lemmatizer: Literal["", "simplemma", "nltk"] = ""
    min_length: Annotated[int, Field(ge=1, le=100)] = 1
    stop_words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    ngram_range: tuple[int, int] = (1, 1)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        smallest, largest = self.ngram_range
        if not 1 <= smallest <= largest <= LARGEST_NGRAM:
            raise ValueError(f"ngram_range must be two numbers from 1 to {LARGEST_NGRAM}, the smaller one first")
        if self.lemmatizer and not self.language:
            raise ValueError("a lemmatizer needs a language")
        if any(len(phrase.split(" ")) != 2 for phrase in self.phrases):
            raise ValueError("a phrase must be two words with a blank between")
        return self

    def to_mapping(self) -> dict[str, Any]:
        """Return the rules as JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Self:
        """Return the rules that :meth:`to_mapping` gave; what is missing takes its default.

        Raises
        ------
        CustomerError
            A rule is unknown or has a value that it cannot have.
        """
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise CustomerError(
                "the rules for text cannot be followed",
                where=name,
                got=repr(first["input"])[:60] if name else "",
                allowed=first["msg"].removeprefix("Value error, "),
                todo="write them with topicdock prepare of this version or an older one",
            ) from error
