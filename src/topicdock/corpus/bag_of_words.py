"""The one place where word counts are checked and put together as a sparse matrix.

Every decoder hands over its documents as *ragged rows*: the counts and the word ids of all documents end to end, and
how many of them each document has. What leaves this file is a CSR matrix (D, V) of float32 whose ids are sorted and
unique in each row and whose values are finite and above zero. No other room checks this again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from topicdock.errors import CustomerError

FLOAT32_MAX = float(np.finfo(np.float32).max)

LARGEST_COUNT = 1 << 24
"""The largest up to which float32 holds every integer; where nothing is learned from a count, it may be larger."""

MOST_DIMENSIONS = 64
"""So many dimensions of two and more are larger than any vocabulary."""

SHOWN_DIMENSIONS = 8

_FEW = 16
"""Documents that are put together without scipy's checks."""

LARGEST_IDS = 1 << 31
"""From here on a word id is a mistake, and not a large vocabulary."""


def assemble(
    values: NDArray[np.generic],
    ids: NDArray[np.integer],
    lengths: NDArray[np.integer],
    feature_dim: int,
    name_document: Callable[[int], str],
) -> csr_matrix:
    """Check ragged rows and return them as bag of words.

    Parameters
    ----------
    values : (N,) array of float32, float64 or an integer type
        The counts of all documents, end to end. Zeros are allowed and dropped.
    ids : (N,) integer array
        The word id of each count, in ``[0, feature_dim)``; in any order, repeated ids are summed.
    lengths : (D,) integer array
        How many of the N entries each document has; sums to N.
    feature_dim : int
        V, the size of the vocabulary.
    name_document : callable
        What the customer calls the document of an index: ``lambda i: f"record {i + 1}"``.

    Returns
    -------
    csr_matrix, (D, V) float32
        Sorted, without duplicates or explicit zeros.

    Raises
    ------
    CustomerError
        On an id outside the vocabulary or a count that is negative, not finite or too large for float32; the error
        names the first such document.
    """
    with np.errstate(over="ignore"):
        # What is converted is a copy, which lies in order and may be written to; to ask whether it does takes as long.
        is_converted = values.dtype != np.float32
        counts = values.astype(np.float32) if is_converted else np.require(values, np.float32, ["C", "W"])
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.add.accumulate(lengths, out=indptr[1:])
    if not _are_counts(counts) or not _are_ids(ids, feature_dim):
        _raise_for_first_bad_document(values, ids, indptr, feature_dim, name_document)
    index_type = np.int32 if max(len(counts), feature_dim) < 2**31 else np.int64
    bag = _put_together(
        counts, ids.astype(index_type, copy=False), indptr.astype(index_type), (len(lengths), feature_dim)
    )
    bag.sum_duplicates()  # sorts too; does nothing when the rows are in order already
    if np.count_nonzero(bag.data) != len(bag.data):
        bag.eliminate_zeros()
    if len(bag.data) != len(counts) and not _are_counts(bag.data):  # finite counts whose sum is not
        row = int(np.searchsorted(bag.indptr, np.flatnonzero(~np.isfinite(bag.data))[0], side="right")) - 1
        raise CustomerError(
            "the counts of one word in a document add up to more than a float32 holds",
            where=name_document(row),
            allowed=f"at most {FLOAT32_MAX:.4g}",
        )
    return bag


def check_exact(bag: csr_matrix, name_document: Callable[[int], str]) -> None:
    """Raise a CustomerError, which names the document, where a count (D, V) is larger than what is held exactly."""
    if bag.nnz and bag.data.max() > LARGEST_COUNT:
        place = int(np.argmax(bag.data))
        raise CustomerError(
            "a word count is too large to be exact",
            where=name_document(int(np.searchsorted(bag.indptr, place, "right")) - 1),
            got=f"{bag.data[place]:g}",
            allowed=f"counts up to {LARGEST_COUNT}",
            todo="send the number of times each word occurs in the document",
        )


def assemble_dense(rows: NDArray[np.generic], feature_dim: int, name_document: Callable[[int], str]) -> csr_matrix:
    """Check a dense block (D, V) of counts and return it as bag of words; raises as :func:`assemble` does."""
    nonzero = rows != 0  # NaN differs from zero, so that it stays to be complained about
    lengths = np.count_nonzero(nonzero, axis=1)
    places = np.flatnonzero(nonzero)
    ids = places - np.repeat(np.arange(len(rows)) * feature_dim, lengths)
    return assemble(rows.ravel()[places], ids, lengths, feature_dim, name_document)


def stack(blocks: Sequence[csr_matrix], feature_dim: int) -> csr_matrix:
    """Put bags of words below one another; no blocks give no documents, (0, V)."""
    filled = [block for block in blocks if block.shape[0]]
    if not filled:
        return csr_matrix((0, feature_dim), dtype=np.float32)
    return filled[0] if len(filled) == 1 else csr_matrix(vstack(filled, format="csr"))


def check_shape(shape: Sequence[int], feature_dim: int, where: str) -> None:
    """Raise unless the `shape` of a sparse document is that of one document of `feature_dim` words."""
    if not shape:
        raise CustomerError(
            "a sparse document needs its shape", where=where, got="keys without shape", allowed=f"shape [{feature_dim}]"
        )
    # Dimensions of 1 are harmless, but too many of the others would make an enormous product.
    larger = [size for size in shape if size != 1][:MOST_DIMENSIONS]
    if math.prod(larger) != feature_dim or min(shape) < 1:
        raise CustomerError(
            "the document's shape does not fit the vocabulary",
            where=where,
            got=f"shape {list(shape)}" if len(shape) <= SHOWN_DIMENSIONS else f"a shape of {len(shape)} dimensions",
            allowed=f"[{feature_dim}], as feature_dim = {feature_dim}",
            todo=f"write the documents over a vocabulary of {feature_dim} words, or set feature_dim to theirs",
        )


def check_dense_length(length: int, feature_dim: int, where: str) -> None:
    """Raise unless a dense document has one count for each word."""
    if length != feature_dim:
        raise CustomerError(
            "a dense document must have one count for each word of the vocabulary",
            where=where,
            got=f"{length} values",
            allowed=f"{feature_dim} values, as feature_dim = {feature_dim}",
            todo="write a 0 for each word that does not occur, or the document as keys, values and shape",
        )


def check_sparse_lengths(values: int, keys: int, where: str) -> None:
    """Raise unless a sparse document has as many values as keys."""
    if values != keys:
        raise CustomerError(
            "a sparse document must have as many values as keys",
            where=where,
            got=f"{values} values and {keys} keys",
            allowed="one value for each key",
        )


def _are_counts(counts: NDArray[np.float32]) -> bool:
    # A NaN anywhere makes the minimum NaN, and every comparison with it false.
    return not counts.size or bool(np.minimum.reduce(counts) >= 0 and np.maximum.reduce(counts) <= FLOAT32_MAX)


def _are_ids(ids: NDArray[np.integer], feature_dim: int) -> bool:
    return not ids.size or bool(np.minimum.reduce(ids) >= 0 and np.maximum.reduce(ids) < feature_dim)


def _raise_for_first_bad_document(
    values: NDArray[np.generic],
    ids: NDArray[np.integer],
    indptr: NDArray[np.int64],
    feature_dim: int,
    name_document: Callable[[int], str],
) -> None:
    exact = values.astype(np.float64)
    bad_ids = (ids < 0) | (ids >= feature_dim)
    first = int(np.flatnonzero(~(exact >= 0) | ~(exact <= FLOAT32_MAX) | bad_ids)[0])
    document = int(np.searchsorted(indptr, first, side="right")) - 1
    # The documents before have no bad entry, yet their sums may be too large: then one of those is the first bad one.
    before = indptr[document]
    assemble(values[:before], ids[:before], np.diff(indptr[: document + 1]), feature_dim, name_document)
    where = name_document(document)
    if bad_ids[first]:
        word = int(ids[first])
        larger = f", or set feature_dim to at least {word + 1}" if 0 <= word < LARGEST_IDS else ""
        raise CustomerError(
            "a word id is outside the vocabulary",
            where=where,
            got=str(word),
            allowed=f"0 to {feature_dim - 1}, as feature_dim = {feature_dim}",
            todo=f"number the words from 0{larger}",
        )
    todo = "give how often each word occurs, or a weight of zero or more such as TF-IDF; nothing centred, no logarithms"
    raise CustomerError(
        "a word count must be a finite number, zero or more, that a float32 holds",
        where=where,
        got=f"{exact[first]:g} for word id {ids[first]}",
        allowed=f"0 to {FLOAT32_MAX:.4g}",
        todo="write 0 where a word does not occur" if np.isnan(exact[first]) else todo,
    )


def with_counts(bag: csr_matrix, counts: NDArray[np.float32]) -> csr_matrix:
    """Return a bag of words with the words of another one, and these numbers for their counts."""
    return _put_together(counts, bag.indices, bag.indptr, bag.shape)


def _put_together(
    counts: NDArray[np.float32], ids: NDArray[np.integer], indptr: NDArray[np.integer], shape: tuple[int, int]
) -> csr_matrix:
    """Return the matrix of parts that are known to fit."""
    if shape[0] > _FEW:
        return csr_matrix((counts, ids, indptr), shape)
    # scipy's checks would take as long as all else that is done for a few documents.
    bag = copy(_blank_documents(shape))
    bag.data, bag.indices, bag.indptr = counts, ids, indptr
    return bag


@lru_cache(maxsize=64)
def _blank_documents(shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix(shape, dtype=np.float32)


def to_frequencies(counts: csr_matrix) -> csr_matrix:
    """Return counts divided by the length of their document, shape (D, V); an empty document stays empty."""
    lengths = np.repeat(np.asarray(counts.sum(axis=1), np.float32).ravel(), np.diff(counts.indptr))
    return with_counts(counts, counts.data / lengths)
