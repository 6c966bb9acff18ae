"""Documents and embeddings as a caller of the Python interface hands them over, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from topicdock.corpus.bag_of_words import assemble, check_exact
from topicdock.corpus.vector_files import read_vector_file
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import CustomerError

Floats = NDArray[np.float32]
Embeddings = WordVectors | Mapping[str, Sequence[float]] | NDArray[Any] | str | Path


def documents_from(given: Any, name: str, feature_dim: int | None = None) -> csr_matrix:
    """Return documents, a matrix or what numpy makes one of, as checked word counts, shape (D, V).

    Raises
    ------
    CustomerError
        They are no counts, or not of `feature_dim` words.
    """
    try:
        matrix = csr_matrix(given) if issparse(given) else csr_matrix(np.atleast_2d(np.asarray(given, np.float64)))
    except (TypeError, ValueError) as error:
        raise CustomerError("documents must be a matrix of word counts", where=name, got=str(error)[:100]) from error
    if feature_dim is not None and matrix.shape[1] != feature_dim:
        raise CustomerError(
            "the documents have another vocabulary than the model",
            where=name,
            got=f"{matrix.shape[1]} columns",
            allowed=f"{feature_dim} columns",
        )
    lengths = np.diff(matrix.indptr)
    return assemble(matrix.data, matrix.indices, lengths, matrix.shape[1], lambda row: f"{name}, row {row}")


def exact_documents_from(given: Any, name: str, feature_dim: int | None = None) -> csr_matrix:
    """Return documents as :func:`documents_from` does, whose counts are as exact as learning and dividing need them."""
    documents = documents_from(given, name, feature_dim)
    check_exact(documents, lambda row: f"{name}, row {row}")
    return documents


def check_has_words(documents: csr_matrix, name: str) -> None:
    """Raise a CustomerError unless some document has a word."""
    if not documents.nnz:
        raise CustomerError("there is not a single word", where=name, got=f"{documents.shape[0]} empty documents")


def vectors_from(given: Embeddings | None, words: Sequence[str] | None, feature_dim: int) -> WordVectors | None:
    """Return word embeddings as checked vectors of the vocabulary's words; None for none.

    Raises
    ------
    CustomerError
        They do not fit the documents, or are no finite numbers.
    """
    if given is None or isinstance(given, WordVectors):
        vectors = given
    elif isinstance(given, str | Path):
        vectors = read_vector_file(Path(given), words, feature_dim)
    elif isinstance(given, Mapping):
        if words is None:
            raise CustomerError("embeddings by word need the vocabulary", where="embeddings", todo="pass vocabulary=")
        known = np.array([word in given for word in words])
        size = next((len(given[word]) for word in words if word in given), 0)
        rows = [given.get(word, np.zeros(size)) for word in words]
        if any(len(row) != size for row in rows):
            raise CustomerError("all vectors must be of one length", where="embeddings")
        vectors = WordVectors(_as_floats(rows), known)
    else:
        vectors = WordVectors(_as_floats(given), np.ones(len(given), bool))
    if vectors is None:
        return None
    shape = vectors.vectors.shape
    if len(shape) != 2 or shape[0] != feature_dim or shape[1] < 1 or not vectors.known.any():
        raise CustomerError(
            "the embeddings do not fit the documents",
            where="embeddings",
            got=f"shape {shape}, {int(vectors.known.sum())} words known",
            allowed=f"a vector for each of {feature_dim} words, some of them at least known",
        )
    if not np.isfinite(vectors.vectors[vectors.known]).all():
        raise CustomerError("the embeddings hold numbers that are not finite", where="embeddings")
    return vectors


def _as_floats(rows: Any) -> Floats:
    try:
        with np.errstate(over="ignore"):  # what overflows is found by the check that all is finite
            return np.asarray(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise CustomerError("embeddings must be numbers", where="embeddings", got=str(error)[:100]) from error
