"""From a word to its dictionary form, by libraries that only those install who want it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

from topicdock.errors import CustomerError

Lemmatizer = Callable[[str], str]


def find_lemmatizer(name: str, language: str) -> Lemmatizer:
    """Return the function from a token to its lemma; with an empty `name`, the one that changes nothing.

    Raises
    ------
    CustomerError
        The library or its data are not installed, or it does not know the language.
    """
    if not name:
        return lambda token: token
    return _MAKERS[name](language)


def _make_simplemma(language: str) -> Lemmatizer:
    simplemma = _import("simplemma")
    try:
        simplemma.lemmatize("word", lang=language)
    except ValueError as error:
        raise CustomerError(
            "simplemma does not know the language", where="lemmatizer", got=repr(language), allowed=str(error)
        ) from error
    lemmatize: Callable[..., str] = simplemma.lemmatize
    # It gives nouns of some languages a capital: what was in lower case stays so.
    return lambda token: _as_cased(lemmatize(token, lang=language), token)


def _make_nltk(language: str) -> Lemmatizer:
    if language != "en":
        raise CustomerError(
            "nltk's WordNet lemmatizer knows English only", where="lemmatizer", got=repr(language),
            allowed="en", todo="use simplemma",
        )  # fmt: skip
    lemmatize: Lemmatizer = _import("nltk.stem").WordNetLemmatizer().lemmatize
    try:
        lemmatize("words")
    except (LookupError, OSError) as error:
        raise CustomerError(
            "nltk has no WordNet here", where="lemmatizer", todo="run python -m nltk.downloader wordnet"
        ) from error
    return lemmatize


_MAKERS: dict[str, Callable[[str], Lemmatizer]] = {"simplemma": _make_simplemma, "nltk": _make_nltk}


def _as_cased(lemma: str, token: str) -> str:
    return lemma.lower() if token.islower() else lemma


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise CustomerError(
            f"the package {package} is not installed, but the rules for text need it",
            where="lemmatizer",
            todo=f"pip install {package}, or prepare the text without a lemmatizer",
        ) from error
