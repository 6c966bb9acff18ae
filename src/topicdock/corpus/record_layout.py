"""Protobuf Records in the layout that everybody writes, thousands at a time.

The SageMaker SDKs (Python and Spark) and every protobuf library write the fields of a Record in the order of their
numbers and packed, so that the bytes of a record are::

    0a L  0a 06 "values"  12 L  T L  [0a L values]  [12 L keys]  [1a L shape]     then perhaps a label, 12 L ...

with T = 12 (float32), 1a (float64) or 3a (int32). Here numpy reads the first length of all records of a chunk, then
the second length of all of them, and so on. Nothing is assumed: every length must close exactly where the one around
it closes. A record that deviates is left to the protobuf library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.ranks import Ranks
from topicdock.corpus.recordio import cut
from topicdock.corpus.varints import decode_varints, encode_varint, read_varints_at

FEATURE_ENTRY, LABEL_ENTRY = 0x0A, 0x12
KEY_IS_VALUES = np.frombuffer(b"\x0a\x06values", dtype="<u8")[0]
VALUE_TAG = 0x12
FLOAT32, FLOAT64, INT32 = 0x12, 0x1A, 0x3A
VALUES_TAG, KEYS_TAG, SHAPE_TAG = 0x0A, 0x12, 0x1A
FLOAT_TYPES: dict[int, np.dtype[np.float32] | np.dtype[np.float64]] = {
    FLOAT32: np.dtype("<f4"),
    FLOAT64: np.dtype("<f8"),
}

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Where the parts of one map entry of each record lie in the body; all arrays (R,).

    `usual` says whether the entry has the usual layout; where it does not, the other arrays mean nothing.
    """

    usual: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    values: tuple[Places, Places]
    keys: tuple[Places, Places]
    shape: tuple[Places, Places]
    end: Places

    def are_sparse(self) -> NDArray[np.bool_]:
        """Which documents are sparse: those with keys, and those that have nothing but a shape."""
        has_values, has_keys, has_shape = (end > start for start, end in (self.values, self.keys, self.shape))
        return has_keys | (has_shape & ~has_values)

    def have_shape(self, data: NDArray[np.uint8], feature_dim: int) -> NDArray[np.bool_]:
        """Which documents say that their shape is ``[feature_dim]``, in so many bytes."""
        expected = np.frombuffer(encode_varint(feature_dim), dtype=np.uint8)
        start, end = self.shape
        found = data.take(start[:, None] + np.arange(len(expected)), mode="clip")
        fits: NDArray[np.bool_] = (end - start == len(expected)) & (found == expected).all(axis=1)
        return fits


def find_entries(data: NDArray[np.uint8], start: Places, limit: Places, tag: int) -> Entries:
    """Read the headers of the map entry that begins at `start` of each record and must end at `limit` or before."""
    usual = data.take(start, mode="clip") == tag
    length, at = read_varints_at(data, start + 1)
    end = at + length
    usual &= end <= limit
    key = data.take(at[:, None] + np.arange(8), mode="clip").view("<u8")[:, 0]
    usual &= key == KEY_IS_VALUES
    usual &= data.take(at + 8, mode="clip") == VALUE_TAG
    length, at = read_varints_at(data, at + 9)
    usual &= at + length == end
    kind = data.take(at, mode="clip")
    usual &= np.isin(kind, (FLOAT32, FLOAT64, INT32))
    length, at = read_varints_at(data, at + 1)
    usual &= at + length == end
    parts = []
    for part_tag in (VALUES_TAG, KEYS_TAG, SHAPE_TAG):
        present = (at < end) & (data.take(at, mode="clip") == part_tag)
        length, after = read_varints_at(data, at + 1)
        part_start = np.where(present, after, at)
        at = part_start + np.where(present, length, 0)
        parts.append((part_start, at))
    usual &= at == end
    return Entries(usual, kind, parts[0], parts[1], parts[2], end)


def find_documents(data: NDArray[np.uint8], start: Places, limit: Places, feature_dim: int) -> Entries:
    """Read the headers of records that begin at `start` and end at `limit`; `usual` excludes all that need judgement.

    That is, besides other layouts: features after the first, uid, metadata, a shape that is not ``[feature_dim]``.
    """
    entries = find_entries(data, start, limit, FEATURE_ENTRY)
    usual = entries.usual
    has_shape = entries.shape[1] > entries.shape[0]
    usual &= entries.have_shape(data, feature_dim) | ~(has_shape | entries.are_sparse())
    followed = np.flatnonzero(usual & (entries.end != limit))
    if followed.size:
        usual[followed] = _are_harmless_labels(data, entries.end[followed], limit[followed])
    return entries


def _are_harmless_labels(data: NDArray[np.uint8], start: Places, limit: Places) -> NDArray[np.bool_]:
    """Which records end with one label that the protobuf library would surely read; what it says does not matter."""
    label = find_entries(data, start, limit, LABEL_ENTRY)
    size = label.values[1] - label.values[0]
    whole = ((label.kind == FLOAT32) & (size % 4 == 0)) | ((label.kind == FLOAT64) & (size % 8 == 0))
    whole |= (label.kind == INT32) & (size == 1) & (data.take(label.values[0], mode="clip") < 0x80)
    alone = (label.keys[0] == label.keys[1]) & (label.shape[0] == label.shape[1])
    harmless: NDArray[np.bool_] = label.usual & (label.end == limit) & whole & alone
    return harmless


def decode_documents(
    body: bytes, entries: Entries, rows: Places, feature_dim: int, name_document: Callable[[int], str]
) -> csr_matrix | None:
    """Decode those `rows` of `entries`, all usual, of one kind, and either all sparse or all dense.

    Returns
    -------
    csr_matrix, (len(rows), feature_dim), or None if the contents of some record are not what its headers promise.

    Raises
    ------
    CustomerError
        On counts or word ids out of range, see :func:`topicdock.corpus.bag_of_words.assemble`.
    """
    kind = int(entries.kind[rows[0]])
    values: NDArray[np.generic]
    start, end = (side[rows] for side in entries.values)
    if kind == INT32:
        integers = _decode_integers(body, start, end)
        if integers is None:
            return None
        values, lengths = integers
    else:
        dtype = FLOAT_TYPES[kind]
        if ((end - start) % dtype.itemsize).any():
            return None
        values = np.frombuffer(bytearray().join(cut(body, start, end)), dtype=dtype)
        lengths = (end - start) // dtype.itemsize
    if not entries.are_sparse()[rows[0]]:
        if (lengths != feature_dim).any():
            return None
        return bag_of_words.assemble_dense(values.reshape(len(rows), feature_dim), feature_dim, name_document)
    keys = _decode_integers(body, entries.keys[0][rows], entries.keys[1][rows])
    if keys is None or not np.array_equal(keys[1], lengths):
        return None
    return bag_of_words.assemble(values, keys[0], lengths, feature_dim, name_document)


def _decode_integers(body: bytes, start: Places, end: Places) -> tuple[NDArray[np.int32], Places] | None:
    """Decode the packed varints of each record: the numbers end to end, and how many each record has."""
    data = np.frombuffer(b"".join(cut(body, start, end)), dtype=np.uint8)
    borders = np.cumsum(end - start)
    filled = borders[end > start]
    if filled.size and (data[filled - 1] >= 0x80).any():  # a number must not run over into the next record
        return None
    numbers = decode_varints(data)
    if numbers is None:
        return None
    return numbers, np.diff(Ranks(data < 0x80).before(borders), prepend=0)
