"""MXNet's file format: the bytes that MXNet 1.9.1 wrote, and every way a file can be broken."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from topicdock.artifact.ndarray_file import decode_arrays, encode_arrays
from topicdock.errors import CustomerError

DICT_FILE = bytes.fromhex(
    "120100000000000000000000000000000200000000000000c9fa93f9000000000200000002000000000000000300000000000000010000000000000000"
    "000000000000000000803f0000004000004040000080400000a040c9fa93f9000000000100000001000000000000000100000000000000000000000000"
    "c03f0200000000000000150000000000000"
    "06172673a70726f6a656374696f6e5f77656967687413000000000000006172673a70726f6a656374696f6e5f62696173"
)
LIST_FILE = bytes.fromhex(
    "120100000000000000000000000000000200000000000000c9fa93f9000000000100000001000000000000000100000000000000000000000000c03f"
    "c9fa93f9000000000200000002000000000000000300000000000000010000000000000000000000000000000000803f000000400000404000008040"
    "0000a0400000000000000000"
)
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.array([1.5], np.float32)


def test_named_arrays_are_written_as_mxnet_writes_them() -> None:
    assert encode_arrays({"arg:projection_weight": WEIGHT, "arg:projection_bias": BIAS}) == DICT_FILE


def test_a_list_of_arrays_is_written_as_mxnet_writes_it() -> None:
    assert encode_arrays([BIAS, WEIGHT]) == LIST_FILE


def test_the_reference_files_are_read_back() -> None:
    named = decode_arrays(DICT_FILE)
    assert isinstance(named, dict)
    assert list(named) == ["arg:projection_weight", "arg:projection_bias"]
    np.testing.assert_array_equal(named["arg:projection_weight"], WEIGHT)
    listed = decode_arrays(LIST_FILE)
    assert isinstance(listed, list)
    np.testing.assert_array_equal(listed[1], WEIGHT)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        arrays_of.arrays(
            st.sampled_from(["float32", "float64", "float16", "uint8", "int32", "int8", "int64"]),
            arrays_of.array_shapes(max_dims=3, max_side=4),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_is_written_is_read_back(arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> None:
    decoded = decode_arrays(encode_arrays(arrays))
    assert isinstance(decoded, dict)
    assert list(decoded) == list(arrays)
    for name, array in arrays.items():
        assert decoded[name].dtype == array.dtype
        np.testing.assert_array_equal(decoded[name], array)


@pytest.mark.parametrize("length", range(len(DICT_FILE)))
def test_every_truncation_is_a_clear_error(length: int) -> None:
    with pytest.raises(CustomerError):
        decode_arrays(DICT_FILE[:length])


@given(st.binary(max_size=200), st.integers(0, len(DICT_FILE)))
def test_damage_is_never_anything_but_a_clear_error(noise: bytes, place: int) -> None:
    try:
        decode_arrays(DICT_FILE[:place] + noise + DICT_FILE[place + len(noise) :])
    except CustomerError as error:
        assert str(error)  # noqa: PT017 - a damaged file may also still be a file


def _file(first_word: bytes, rest: bytes) -> bytes:
    return struct.pack("<QQQ", 0x112, 0, 1) + first_word + rest + struct.pack("<Q", 0)


def test_the_older_layouts_are_read() -> None:
    data = WEIGHT.tobytes()
    version_1 = _file(struct.pack("<I", 0xF993FAC8), struct.pack("<iqqiii", 2, 2, 3, 1, 0, 0) + data)
    unversioned = _file(struct.pack("<I", 2), struct.pack("<IIiii", 2, 3, 2, 0, 0) + data)  # saved from a GPU
    for content in (version_1, unversioned):
        np.testing.assert_array_equal(decode_arrays(content)[0], WEIGHT)  # type: ignore[index]


def test_sparse_arrays_become_dense() -> None:
    stored = np.array([5.0, 7.0], np.float32)
    csr = _file(
        struct.pack("<Ii", 0xF993FAC9, 2),
        struct.pack("<iq", 1, 2) + struct.pack("<iqq", 2, 2, 3) + struct.pack("<iii", 1, 0, 0)
        + struct.pack("<iiq", 6, 1, 3) + struct.pack("<iiq", 6, 1, 2)
        + stored.tobytes() + np.array([0, 1, 2], "<i8").tobytes() + np.array([2, 0], "<i8").tobytes(),
    )  # fmt: skip
    np.testing.assert_array_equal(decode_arrays(csr)[0], [[0, 0, 5], [7, 0, 0]])  # type: ignore[index]
    rows = _file(
        struct.pack("<Ii", 0xF993FAC9, 1),
        struct.pack("<iqq", 2, 1, 2) + struct.pack("<iqq", 2, 3, 2) + struct.pack("<iii", 1, 0, 0)
        + struct.pack("<iiq", 6, 1, 1) + stored.tobytes() + np.array([2], "<i8").tobytes(),
    )  # fmt: skip
    np.testing.assert_array_equal(decode_arrays(rows)[0], [[0, 0], [0, 0], [5, 7]])  # type: ignore[index]


def _csr(indptr: list[int], indices: list[int], shape: tuple[int, int] = (2, 3)) -> bytes:
    return _file(
        struct.pack("<Ii", 0xF993FAC9, 2),
        struct.pack("<iq", 1, 2) + struct.pack("<iqq", 2, *shape) + struct.pack("<iii", 1, 0, 0)
        + struct.pack("<iiq", 6, 1, 3) + struct.pack("<iiq", 6, 1, 2)
        + bytes(8) + np.array(indptr, "<i8").tobytes() + np.array(indices, "<i8").tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        _csr([0, 1, 2], [1 << 40, 0]),
        _csr([0, 1, 2], [-7, 0]),
        _csr([0, 9, 2], [0, 1]),
        _csr([0, 1, 2], [0, 1], (2, 1 << 50)),
    ],
)
def test_a_sparse_array_that_points_outside_itself_is_a_clear_error(content: bytes) -> None:
    with pytest.raises(CustomerError, match="contradicts itself"):
        decode_arrays(content)


@pytest.mark.parametrize("shape", [(-1, -2), (0, -1), (1,) * 65])
def test_a_shape_that_cannot_be_is_a_clear_error(shape: tuple[int, ...]) -> None:
    sizes = struct.pack(f"<i{len(shape)}q", len(shape), *shape)
    content = _file(struct.pack("<I", 0xF993FAC8), sizes + struct.pack("<iii", 1, 0, 0) + bytes(8))
    with pytest.raises(CustomerError, match="no possible shape"):
        decode_arrays(content)


def test_a_dtype_without_a_flag_is_refused() -> None:
    with pytest.raises(ValueError, match="complex64"):
        encode_arrays([np.zeros(1, np.complex64)])
