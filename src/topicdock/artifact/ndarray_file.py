"""MXNet's NDArray file format, both ways, without MXNet.

Users of the built-in algorithms read topics with ``mxnet.nd.load``; the files written here are byte-identical to those
of MXNet 1.9.1's ``mxnet.nd.save`` for dense arrays. Reading also knows the older layouts and sparse storage.

References
----------
apache/mxnet 1.9.1, ``src/ndarray/ndarray.cc``: ``NDArray::Save`` and ``NDArray::Load``; ``include/mxnet/tuple.h``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.errors import CustomerError

LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE, _ROW_SPARSE, _CSR = 0, 1, 2
_CPU = 1
_TYPES = {0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64", 7: "bool"}
_FLAGS = {name: flag for flag, name in _TYPES.items()}
_BFLOAT16 = 12
_MOST_DIMENSIONS = 32

Array = NDArray[Any]
Floats = NDArray[np.float32]


def encode_arrays(arrays: Mapping[str, Array] | Sequence[Array]) -> bytes:
    """Return the file of a mapping (named arrays, in its order) or of a sequence (arrays without names).

    Raises
    ------
    ValueError
        An array's dtype is none that the format knows.
    """
    names = list(arrays) if isinstance(arrays, Mapping) else []
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    parts = [struct.pack("<QQQ", LIST_MAGIC, 0, len(values)), *map(_encode_array, values)]
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        encoded = name.encode()
        parts.append(struct.pack("<Q", len(encoded)) + encoded)
    return b"".join(parts)


def _encode_array(array: Array) -> bytes:
    if array.dtype.name not in _FLAGS:
        raise ValueError(f"dtype {array.dtype.name} has no place in an NDArray file; allowed: {', '.join(_FLAGS)}")
    header = struct.pack("<Iii", _V2, _DENSE, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    context = struct.pack("<iii", _CPU, 0, _FLAGS[array.dtype.name])
    return header + context + np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def decode_arrays(data: bytes) -> dict[str, Array] | list[Array]:
    """Return the arrays of an NDArray file: a dict when the file names them, else a list. Sparse ones become dense.

    Raises
    ------
    CustomerError
        The bytes are not such a file, or the file is cut short.
    """
    reader = _Reader(data)
    magic, _reserved, count = reader.take("<QQQ")
    if magic != LIST_MAGIC:
        raise CustomerError(
            "this is not an MXNet NDArray file", got=f"first word {magic:#x}", allowed=f"{LIST_MAGIC:#x}"
        )
    arrays = [_decode_array(reader) for _ in range(reader.plausible(count, 4))]
    (names_count,) = reader.take("<Q")
    if names_count == 0:
        return arrays
    if names_count != count:
        raise CustomerError(
            "the NDArray file names fewer or more arrays than it holds", got=f"{names_count} names", allowed=f"{count}"
        )
    names = [reader.bytes(reader.take("<Q")[0]).decode("utf-8", "replace") for _ in range(names_count)]
    return dict(zip(names, arrays, strict=True))


def decode_finite_arrays(data: bytes, prefix: str = "") -> dict[str, Floats] | list[Floats]:
    """Return the arrays of a file as float32, `prefix` taken off their names.

    Raises
    ------
    CustomerError
        As :func:`decode_arrays`, or an array holds numbers that are not finite.
    """
    arrays = decode_arrays(data)
    with np.errstate(all="ignore"):  # what overflows shows in the result, which is checked
        if isinstance(arrays, dict):
            names = {name: name.removeprefix(prefix) for name in arrays}
            return {names[name]: _to_finite(array, names[name]) for name, array in arrays.items()}
        return [_to_finite(array, f"number {number}") for number, array in enumerate(arrays)]


def _to_finite(array: Array, name: str) -> Floats:
    converted = np.asarray(array, np.float32)
    if not np.isfinite(converted).all():
        raise CustomerError(
            f"the model's array {name} holds numbers that are not finite",
            got=f"{np.count_nonzero(~np.isfinite(converted))} of {converted.size}",
            todo="copy the model file again, whole, or train again",
        )
    return converted


class _Reader:
    """A cursor over the file that turns every reading past its end into one clear error."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def bytes(self, length: int) -> bytes:
        if length < 0 or self._position + length > len(self._data):
            raise CustomerError(
                "the NDArray file is cut short or damaged",
                where=f"byte {self._position}",
                got=f"{len(self._data) - self._position} bytes left",
                allowed=f"{length} bytes",
                todo="copy the model file again, whole",
            )
        start, self._position = self._position, self._position + length
        return self._data[start : self._position]

    def take(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def plausible(self, count: int, least_size: int) -> int:
        """Return `count`, having made sure that so many items can still be in the file."""
        if count * least_size > len(self._data):
            self.bytes(count * least_size)
        return count

    def shape(self) -> tuple[int, ...]:
        (dimensions,) = self.take("<i")
        return self.take(f"<{self.plausible(dimensions, 8)}q") if dimensions > 0 else ()

    def values(self, flag: int, shape: tuple[int, ...]) -> Array:
        if flag not in (*_TYPES, _BFLOAT16):
            raise CustomerError("the NDArray file holds a type that is not known", got=f"type flag {flag}")
        if min(shape, default=0) < 0 or len(shape) > _MOST_DIMENSIONS:
            raise CustomerError("an array of the NDArray file has no possible shape", got=f"shape {shape[:9]}")
        if flag == _BFLOAT16:
            halves = np.frombuffer(self.bytes(2 * math.prod(shape)), "<u2").astype(np.uint32)
            return (halves << 16).view(np.float32).reshape(shape)
        dtype = np.dtype(_TYPES[flag])
        stored = np.frombuffer(self.bytes(dtype.itemsize * math.prod(shape)), dtype.newbyteorder("<"))
        return stored.astype(dtype).reshape(shape)


def _decode_array(reader: _Reader) -> Array:
    (first_word,) = reader.take("<I")
    storage = _DENSE
    stored_shape: tuple[int, ...] = ()
    if first_word in (_V2, _V3):
        (storage,) = reader.take("<i")
        if storage not in (_DENSE, _ROW_SPARSE, _CSR):
            raise CustomerError("the NDArray file holds a storage type that is not known", got=str(storage))
        stored_shape = reader.shape() if storage != _DENSE else ()
        shape = reader.shape()
    elif first_word == _V1:
        shape = reader.shape()
    else:  # before versions existed the first word was the number of dimensions, which were 32 bits wide
        shape = reader.take(f"<{reader.plausible(first_word, 4)}I")
    if not shape:
        return np.zeros(0, np.float32)
    _device, _device_id, flag = reader.take("<iii")
    if storage == _DENSE:
        return reader.values(flag, shape)
    auxiliary = [(reader.take("<i")[0], reader.shape()) for _ in range(storage)]  # row_sparse: 1 array, csr: 2
    stored = reader.values(flag, stored_shape)
    extra = [reader.values(*kind) for kind in auxiliary]
    return _densify(storage, shape, stored, extra)


def _densify(storage: int, shape: tuple[int, ...], stored: Array, extra: list[Array]) -> Array:
    try:
        if storage == _CSR:
            indptr, indices = extra
            matrix = csr_matrix((stored, indices, indptr), shape=shape)
            matrix.check_format(full_check=True)  # toarray writes wherever the indices say
            whole: Array = matrix.toarray()
            return whole
        dense = np.zeros(shape, stored.dtype)
        dense[extra[0]] = stored
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise CustomerError("a sparse array of the NDArray file contradicts itself", got=str(error)) from error
    return dense
