"""RecordIO-framed protobuf Records: from and to bag of words, and the response form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words, record_layout
from topicdock.corpus.pieces import gather, mark_last
from topicdock.corpus.record_message import FEATURE_NAME, decode_message
from topicdock.corpus.recordio import MAGIC_BYTES, Frames, find_frames, frame_record, join_parts
from topicdock.corpus.varints import encode_varint, encode_varints
from topicdock.errors import CustomerError

WINDOW = 1 << 22
"""Bytes of frames decoded at a time; temporary arrays take about three times as much."""

LONGEST_BARE = 1 << 26
"""Bytes of a Record without a frame at most; what is longer is of another format."""

DENSE_BLOCK = 1 << 22
"""Numbers of a dense block encoded at a time."""

TENSOR_TAGS = {"float32": record_layout.FLOAT32, "float64": record_layout.FLOAT64, "int32": record_layout.INT32}


def decode_records(body: bytes | memoryview, feature_dim: int) -> csr_matrix:
    """Decode RecordIO-framed protobuf Records, or a single Record without frame.

    Parameters
    ----------
    body : bytes or memoryview
        Framed records; or, when it does not begin with RecordIO's magic word, the bytes of one Record, as batch
        transform sends it in local mode. Labels, uid, metadata and configuration are ignored.
    feature_dim : int
        V, the size of the vocabulary.

    Returns
    -------
    csr_matrix, (D, V) float32
        One row for each record, in order.

    Raises
    ------
    CustomerError
        Naming the first bad record, counted from 1.
    """
    return bag_of_words.stack(list(decode_record_pieces([bytes(body)], feature_dim)), feature_dim)


def decode_record_pieces(pieces: Iterable[bytes], feature_dim: int) -> Iterator[csr_matrix]:
    """Decode what :func:`decode_records` does, from pieces that may be cut anywhere; yields some records at a time."""
    rest, number, before = b"", 1, 0
    for piece, more in mark_last(gather(pieces, len(MAGIC_BYTES))):
        rest += piece
        if not before and not rest.startswith(MAGIC_BYTES):  # one Record without a frame
            if not more:
                yield _decode_one_by_one([rest], feature_dim, _name_from(1))
            elif len(rest) > LONGEST_BARE:
                raise CustomerError(
                    "this is not the beginning of a RecordIO record",
                    where="record 1 at byte 0",
                    got=rest[:4].hex(),
                    allowed=MAGIC_BYTES.hex(),
                    todo="check that the content type is that of the data",
                )
            continue
        offset = 0
        while offset < len(rest):
            frames = find_frames(rest, offset, number, WINDOW, before=before, more=more)
            if not len(frames.starts):
                break
            block = decode_frames(rest, frames, feature_dim, number)
            yield block
            offset, number = frames.end, number + block.shape[0]
        before, rest = before + offset, rest[offset:]


def decode_frames(body: bytes, frames: Frames, feature_dim: int, number: int) -> csr_matrix:
    """Decode the records of `frames`, of which the first is called record `number`."""
    block = None
    if not frames.flags.any():
        try:
            block = _decode_together(body, frames, feature_dim, number)
        except CustomerError:
            # There may be an earlier mistake of another kind, so the record to name is found one by one below.
            block = None
    if block is None:
        block = _decode_one_by_one(join_parts(body, frames), feature_dim, _name_from(number))
    return block


def _decode_together(body: bytes, frames: Frames, feature_dim: int, number: int) -> csr_matrix | None:
    """Decode whole records with numpy, the unusual ones among them with protobuf; None if there are surprises."""
    data = np.frombuffer(body, dtype=np.uint8)
    ends = frames.starts + frames.lengths
    entries = record_layout.find_documents(data, frames.starts, ends, feature_dim)
    # Documents of one kind are decoded together; 0 stands for those that have to be read one by one.
    kinds = np.where(entries.usual, entries.kind.astype(np.int64) * 2 + entries.are_sparse(), 0)
    blocks, order = [], []
    for kind in np.unique(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        names = _name_from(number, rows)
        if kind:
            block = record_layout.decode_documents(body, entries, rows, feature_dim, names)
        else:
            payloads = [body[start:end] for start, end in zip(frames.starts[rows], ends[rows], strict=True)]
            block = _decode_one_by_one(payloads, feature_dim, names)
        if block is None:
            return None
        blocks.append(block)
        order.append(rows)
    if len(blocks) == 1:
        return blocks[0]
    return bag_of_words.stack(blocks, feature_dim)[np.argsort(np.concatenate(order))]


def _decode_one_by_one(payloads: list[bytes], feature_dim: int, names: Callable[[int], str]) -> csr_matrix:
    """Decode records with the protobuf library, so that the first bad one is named."""
    values, ids = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    lengths: list[int] = []
    mistake = None
    for index, payload in enumerate(payloads):
        try:
            document = decode_message(payload, feature_dim, names(index))
        except CustomerError as error:
            mistake = error
            break
        filled = np.flatnonzero(document[0])
        values.append(document[0][filled].astype(np.float64))
        ids.append(np.minimum(document[1][filled], np.int64(2**62)).astype(np.int64))
        lengths.append(len(filled))
    # An earlier record may have counts out of range: that one is to be named then, so it is assembled first.
    block = bag_of_words.assemble(
        np.concatenate(values), np.concatenate(ids), np.array(lengths, dtype=np.int64), feature_dim, names
    )
    if mistake is not None:
        raise mistake
    return block


def _name_from(number: int, rows: NDArray[np.int64] | None = None) -> Callable[[int], str]:
    return lambda index: f"record {number + (index if rows is None else int(rows[index]))}"


def encode_counts(counts: csr_matrix, *, dense: bool = False, dtype: str = "float32") -> bytes:
    """Encode documents as framed Records, byte for byte as the SageMaker SDK does.

    Parameters
    ----------
    counts : csr_matrix, (D, V)
    dense : bool
        Write all V values of a document instead of its keys, values and shape.
    dtype : {"float32", "float64", "int32"}
        The tensor type.

    Raises
    ------
    CustomerError
        If counts with a fraction, or above 2**31 - 1, are to be written as int32.
    """
    if dtype not in TENSOR_TAGS:
        raise ValueError(f"no tensor type {dtype!r}: {', '.join(TENSOR_TAGS)}")
    documents = _encode_dense(counts, dtype) if dense else _encode_sparse(counts, dtype)
    return b"".join(frame_record(_entry(1, FEATURE_NAME, TENSOR_TAGS[dtype], tensor)) for tensor in documents)


def encode_label_vectors(name: str, rows: NDArray[np.floating]) -> bytes:
    """Encode vectors as the built-in algorithms answer: one framed Record each, ``label[name].float32_tensor.values``.

    Parameters
    ----------
    name : str
        ``topic_weights`` or ``topic_mixture``.
    rows : (D, K) floating
    """
    vectors = np.ascontiguousarray(rows, dtype="<f4")
    return b"".join(frame_record(_entry(2, name, record_layout.FLOAT32, _field(1, row.tobytes()))) for row in vectors)


def _encode_sparse(counts: csr_matrix, dtype: str) -> Iterator[bytes]:
    values, value_ends = _encode_numbers(counts.data, dtype)
    keys, key_ends = encode_varints(counts.indices)
    shape = _field(3, encode_varint(counts.shape[1]))
    key_bytes = keys.tobytes()
    borders = counts.indptr.tolist()
    for start, end in pairwise(borders):
        document_values = _field(1, values[value_ends[start] : value_ends[end]])
        yield document_values + _field(2, key_bytes[key_ends[start] : key_ends[end]]) + shape


def _encode_dense(counts: csr_matrix, dtype: str) -> Iterator[bytes]:
    documents, features = counts.shape
    step = max(1, DENSE_BLOCK // max(1, features))
    for first in range(0, documents, step):
        block = counts[first : first + step].toarray()
        values, ends = _encode_numbers(block.ravel(), dtype)
        for row in range(len(block)):
            yield _field(1, values[ends[row * features] : ends[(row + 1) * features]])


def _encode_numbers(numbers: NDArray[np.generic], dtype: str) -> tuple[bytes, NDArray[np.int64]]:
    """Encode numbers for a packed field: the bytes, and where each number begins and the last one ends."""
    if dtype != "int32":
        width = np.dtype(dtype).itemsize
        return numbers.astype(f"<f{width}").tobytes(), np.arange(len(numbers) + 1) * width
    whole = numbers.astype(np.int64)
    if not np.array_equal(whole, numbers) or whole.max(initial=0) >= 2**31 or whole.min(initial=0) < 0:
        raise CustomerError(
            "counts with a fraction or beyond 2**31 - 1 cannot be written as int32",
            todo="write them as float32 or float64",
        )
    data, ends = encode_varints(whole)
    return data.tobytes(), ends


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field; nothing if it is empty, as an empty repeated field is not written."""
    return bytes((number << 3 | 2,)) + encode_varint(len(content)) + content if content else b""


def _entry(number: int, key: str, tensor_tag: int, tensor: bytes) -> bytes:
    """Return an entry of the map `number` (1 features, 2 label) with a tensor as its value."""
    value = bytes((tensor_tag,)) + encode_varint(len(tensor)) + tensor
    return _field(number, _field(1, key.encode()) + _field(2, value))
