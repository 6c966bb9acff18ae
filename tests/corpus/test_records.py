from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import vstack

from tests.corpus.bags import assert_same, bag, bags, random_bag
from topicdock.corpus import bag_of_words, decode_records, encode_counts, encode_label_vectors, records
from topicdock.corpus.record_message import RecordMessage
from topicdock.corpus.recordio import frame_record, read_records, write_records
from topicdock.errors import CustomerError

# Written by the SageMaker SDK's own helpers (contract, section 2.2); the spaces part frame and record.
GOLDEN: list[tuple[list[list[float]], dict[str, Any], str]] = [
    ([[1, 0, 2]], {"dense": True}, "0a23d7ce1c000000 0a1a0a0676616c7565731210120e0a0c0000803f0000000000000040"),
    (
        [[1, 0, 2]],
        {"dense": True, "dtype": "float64"},
        "0a23d7ce28000000 0a260a0676616c756573121c1a1a0a18000000000000f03f00000000000000000000000000000040",
    ),
    (
        [[1, 0, 2]],
        {"dense": True, "dtype": "int32"},
        "0a23d7ce13000000 0a110a0676616c75657312073a050a03010002 00",
    ),
    (
        [[1, 0, 2], [0, 0, 0]],
        {},
        "0a23d7ce1f000000 0a1d0a0676616c756573121312110a080000803f00000040120200021a0103 00"
        "0a23d7ce11000000 0a0f0a0676616c756573120512031a0103 000000",
    ),
    (
        [[1, 0, 2]],
        {"dtype": "int32"},
        "0a23d7ce19000000 0a170a0676616c756573120d3a0b0a020102120200021a0103 000000",
    ),
]
LABELLED = (
    "0a23d7ce30000000 0a1a0a0676616c7565731210120e0a0c0000803f0000000000000040 12120a0676616c756573120812060a0400004040"
)
RESPONSE = "0a23d7ce1f000000 121d0a0d746f7069635f77656967687473120c120a0a080000803e0000403f 00"

TENSORS = st.sampled_from(["float32_tensor", "float64_tensor", "int32_tensor"])


@pytest.mark.parametrize(("rows", "options", "golden"), GOLDEN)
def test_encoding_gives_the_bytes_of_the_sagemaker_sdk(
    rows: list[list[float]], options: dict[str, Any], golden: str
) -> None:
    assert bytes.fromhex(golden).hex() == encode_counts(bag(rows), **options).hex()


@pytest.mark.parametrize(("rows", "options", "golden"), GOLDEN)
def test_the_bytes_of_the_sagemaker_sdk_are_read(rows: list[list[float]], options: dict[str, Any], golden: str) -> None:
    assert_same(bag(rows), decode_records(bytes.fromhex(golden), 3))
    assert_same(bag(rows), decode_records(memoryview(bytes.fromhex(golden)), 3))


def test_labels_are_ignored() -> None:
    assert_same(bag([[1, 0, 2]]), decode_records(bytes.fromhex(LABELLED), 3))


def test_label_vectors_are_the_bytes_of_the_built_in_answer() -> None:
    assert bytes.fromhex(RESPONSE) == encode_label_vectors("topic_weights", np.array([[0.25, 0.75]]))


@given(bags(whole=True), st.booleans(), st.sampled_from(["float32", "float64", "int32"]))
def test_whole_counts_survive_a_round_trip_in_every_tensor_type(counts: Any, dense: bool, dtype: str) -> None:
    assert_same(counts, decode_records(encode_counts(counts, dense=dense, dtype=dtype), counts.shape[1]))


@given(bags(), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_fractions_survive_a_round_trip(counts: Any, dense: bool, dtype: str) -> None:
    assert_same(counts, decode_records(encode_counts(counts, dense=dense, dtype=dtype), counts.shape[1]))


@pytest.mark.parametrize("window", [1, 64, 1000, 1 << 25])
def test_windows_of_any_size_give_the_same_documents(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "WINDOW", window)
    counts = random_bag(200, 20_000, 0.001, seed=1)
    assert_same(counts, decode_records(encode_counts(counts), 20_000))


@pytest.mark.parametrize("features", [127, 128, 16_384, 16_385, 1_000_000])
def test_the_last_word_of_a_vocabulary_of_any_size_is_read(features: int) -> None:
    counts = bag_of_words.assemble(np.array([1.0, 2.0]), np.array([0, features - 1]), np.array([2]), features, str)
    assert_same(counts, decode_records(encode_counts(counts), features))


def _message(kind: str, values: list[Any], keys: list[int], shape: list[int], **text: str) -> Any:
    message = RecordMessage(**text)
    tensor = getattr(message.features["values"], kind)
    tensor.SetInParent()
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    return message


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Draw Records over six words, good and bad, in many layouts."""
    kind = draw(TENSORS)
    number = st.integers(-2, 300) if kind == "int32_tensor" else st.sampled_from([0.0, 1.0, 2.5, -1.0, np.nan, np.inf])
    number = draw(st.sampled_from([st.integers(0, 300), number]))
    sparse = draw(st.booleans())
    size = draw(st.sampled_from([0, 1, 2, 3])) if sparse else draw(st.sampled_from([6, 6, 6, 5]))
    values = draw(st.lists(number, min_size=size, max_size=size))
    ids = st.integers(0, draw(st.sampled_from([5, 5, 5, 6, 2**35, 2**63])))
    keys = draw(st.lists(ids, min_size=size, max_size=size)) if sparse else []
    keys = keys[: draw(st.sampled_from([6, 6, 6, 1]))]
    shape = draw(st.sampled_from([[6], [6], [6], [1, 6], [7], []] if sparse else [[], [], [6], [5]]))
    message = _message(kind, values, keys, shape)
    if draw(st.booleans()):
        message.label["values"].float32_tensor.values.extend([3.0])
    if draw(st.integers(0, 5)) == 0:
        message.uid = "a document"
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def _outcome(decode: Any) -> Any:
    try:
        found = decode()
    except CustomerError as error:
        return str(error)
    return found.toarray().tolist()


@settings(max_examples=200)
@given(st.lists(payloads(), min_size=1, max_size=5))
def test_numpy_and_the_protobuf_library_agree_on_documents_and_on_mistakes(contents: list[bytes]) -> None:
    body = write_records(contents)
    expected = _outcome(lambda: records._decode_one_by_one(contents, 6, records._name_from(1)))
    assert expected == _outcome(lambda: decode_records(body, 6))


@given(bags(whole=True))
def test_the_usual_layout_never_needs_the_protobuf_library(counts: Any) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("read one by one")

    body = b"".join(
        encode_counts(counts, dense=dense, dtype=dtype) for dense in (False, True) for dtype in records.TENSOR_TAGS
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_decode_one_by_one", fail)
        decode_records(body, counts.shape[1])


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


def _features(tensor: bytes, kind: int = 2) -> bytes:
    return _field(1, _field(1, b"values") + _field(2, _field(kind, tensor)))


VALUES, KEYS, SHAPE = _field(1, struct.pack("<2f", 1, 2)), _field(2, b"\x00\x02"), _field(3, b"\x03")
UNPACKED = b"\x0d" + struct.pack("<f", 1) + b"\x0d" + struct.pack("<f", 2) + b"\x10\x00\x10\x02\x18\x03"


@pytest.mark.parametrize(
    "payload",
    [
        _features(UNPACKED),
        _features(SHAPE + KEYS + VALUES),
        _features(VALUES[:0] + _field(1, struct.pack("<f", 1)) + _field(1, struct.pack("<f", 2)) + KEYS + SHAPE),
        _field(1, _field(2, _field(2, VALUES + KEYS + SHAPE)) + _field(1, b"values")),
        _field(9, b"unknown") + _features(VALUES + KEYS + SHAPE) + _field(15, b"unknown"),
        _features(VALUES + KEYS + SHAPE) + _field(3, b"uid") + _field(4, b"{}") + _field(5, b"{}"),
        _field(1, _field(1, b"other") + _field(2, _field(9, b""))) + _features(VALUES + KEYS + SHAPE),
        _features(VALUES + KEYS + _field(3, b"\x01\x03")),
        _features(VALUES + _field(2, b"\x80\x00\x82\x00") + SHAPE),
        _features(_field(1, b"\x01\x02") + KEYS + SHAPE, kind=7),
        _features(_field(1, struct.pack("<3f", 1, 0.5, 1.5)) + _field(2, b"\x00\x02\x02") + _field(3, b"\x03"))
        + _field(2, _field(1, b"values") + _field(2, _field(7, _field(1, b"\xff\x01")))),
    ],
    ids=[
        "unpacked",
        "order",
        "in-pieces",
        "swapped",
        "unknown",
        "texts",
        "others",
        "shape-2d",
        "long-ids",
        "int",
        "int-label",
    ],
)
def test_every_layout_that_protobuf_allows_is_read(payload: bytes) -> None:
    usual = _features(VALUES + KEYS + SHAPE)
    found = decode_records(write_records([payload, usual, payload]), 3)
    assert_same(bag([[1, 0, 2]] * 3), found)


def test_repeated_ids_are_summed_and_unsorted_ones_sorted() -> None:
    payload = _message("float32_tensor", [1, 2, 4, 0], [2, 0, 2, 1], [3]).SerializeToString()
    assert_same(bag([[2, 0, 5]]), decode_records(frame_record(payload), 3))


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_a_single_record_without_frame_is_read(layout: str) -> None:
    body = encode_counts(bag([[1, 0, 2]]), dense=layout == "dense")
    assert_same(bag([[1, 0, 2]]), decode_records(next(read_records(body)), 3))


def test_no_bytes_are_no_documents() -> None:
    assert decode_records(b"", 3).shape == (0, 3)


MISTAKES: list[tuple[bytes, str]] = [
    (
        _message("float32_tensor", [1, 2], [0, 3], [3]).SerializeToString(),
        "word id is outside .* got: 3; allowed: 0 to 2",
    ),
    (_message("float32_tensor", [1, 2], [0, 2**63], [3]).SerializeToString(), "word id is outside"),
    (_message("float32_tensor", [1, -2], [0, 1], [3]).SerializeToString(), "got: -2 for word id 1; allowed: 0 to"),
    (_message("float32_tensor", [1, np.nan], [0, 1], [3]).SerializeToString(), "got: nan for word id 1"),
    (_message("float64_tensor", [1e300, 1], [0, 1], [3]).SerializeToString(), "got: 1e\\+300 for word id 0"),
    (_message("int32_tensor", [-7], [1], [3]).SerializeToString(), "got: -7 for word id 1"),
    (_message("float32_tensor", [3e38, 3e38], [1, 1], [3]).SerializeToString(), "add up to more"),
    (_message("float32_tensor", [1, 2], [0], [3]).SerializeToString(), "got: 2 values and 1 keys"),
    (_message("float32_tensor", [1], [0], [4]).SerializeToString(), r"got: shape \[4\]; allowed: \[3\]"),
    (_message("float32_tensor", [1], [0], []).SerializeToString(), "needs its shape"),
    (_message("float32_tensor", [], [], [0]).SerializeToString(), r"got: shape \[0\]"),
    (_message("float32_tensor", [1, 2], [], []).SerializeToString(), "got: 2 values; allowed: 3 values"),
    (_message("float32_tensor", [], [], []).SerializeToString(), "got: 0 values; allowed: 3 values"),
    (
        _field(1, _field(1, b"words") + _field(2, _field(2, VALUES))),
        "must have the feature 'values'; got: features 'words'",
    ),
    (_field(1, _field(1, b"values") + _field(2, _field(9, _field(1, b"x")))), "got: bytes; allowed: float32_tensor"),
    (_field(1, _field(1, b"values") + _field(2, b"")), "got: no tensor"),
    (b"", "got: no features"),
    (b"\x0a\x05", "not a protobuf Record; got: 2 bytes beginning 0a05"),
    (_features(_field(1, b"\x00" * 6)), "not a protobuf Record"),
]


@pytest.mark.parametrize(("payload", "message"), MISTAKES)
def test_a_mistake_names_its_record_and_what_is_allowed(payload: bytes, message: str) -> None:
    good = encode_counts(bag([[1, 0, 2], [0, 1, 0]]))
    with pytest.raises(CustomerError, match=f"^record 3: .*{message}"):
        decode_records(good + frame_record(payload) + good, 3)


@pytest.mark.parametrize("first", MISTAKES)
def test_the_first_of_two_mistakes_is_named(first: tuple[bytes, str]) -> None:
    for second, _ in MISTAKES:
        with pytest.raises(CustomerError, match=f"^record 1: .*{first[1]}"):
            decode_records(write_records([first[0], second]), 3)


def test_a_mistake_far_into_a_file_has_the_right_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "WINDOW", 100)
    good = encode_counts(random_bag(70, 3, 0.5, seed=3))
    with pytest.raises(CustomerError, match=r"^record 71: "):
        decode_records(good + frame_record(MISTAKES[0][0]), 3)


def test_fractions_are_not_written_as_integers() -> None:
    with pytest.raises(CustomerError, match="cannot be written as int32"):
        encode_counts(bag([[0.5]]), dtype="int32")


def test_every_truncation_gives_the_records_before_or_an_error() -> None:
    counts = bag([[1, 0, 2], [0, 0, 0], [0, 300, 0]])
    body = encode_counts(counts) + encode_counts(counts, dense=True)
    both = vstack([counts, counts], format="csr")
    for length in range(len(body)):
        try:
            found = decode_records(body[:length], 3)
        except CustomerError:
            continue
        assert_same(both[: found.shape[0]], found)


@settings(max_examples=120)
@given(st.binary(max_size=200), st.integers(1, 5))
def test_random_bytes_raise_nothing_but_a_customer_error(noise: bytes, features: int) -> None:
    for body in (noise, frame_record(noise), encode_counts(bag([[1, 2]])) + noise):
        _outcome(lambda body=body: decode_records(body, features))


@settings(max_examples=120)
@given(st.data())
def test_a_changed_byte_raises_nothing_but_a_customer_error(data: st.DataObject) -> None:
    counts = bag([[1, 0, 2], [0, 0, 0], [0, 300, 0]])
    body = bytearray(encode_counts(counts) + encode_counts(counts, dense=True, dtype="int32"))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _outcome(lambda: decode_records(bytes(body), 3))
