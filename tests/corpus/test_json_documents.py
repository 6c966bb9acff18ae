from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.bags import assert_same, bag, bags
from topicdock.corpus import decode_json, decode_jsonlines, encode_json, encode_jsonlines
from topicdock.corpus.json_pieces import cut_instances
from topicdock.errors import CustomerError

DENSE = bag([[1.5, 0, 2]])
FEATURES = {"keys": [2, 0], "shape": [3], "values": [2, 1.5]}
DOCUMENTS: list[Any] = [
    [1.5, 0, 2],
    {"features": [1.5, 0.0, 2]},
    {"data": [1.5, 0, 2]},
    {"data": {"features": [1.5, 0, 2]}},
    {"data": {"features": {"values": [1.5, 0, 2]}}},
    {"data": {"features": {"values": [1.5, 0, 2], "shape": [3]}}},
    {"data": {"features": FEATURES}, "configuration": {"any": 1}},
    {"features": FEATURES},
    {"data": {"features": {"keys": [0, 2, 0], "shape": 3, "values": [1, 2, 0.5]}}},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_shape_of_a_document_is_read(document: Any) -> None:
    text = json.dumps(document).encode()
    assert_same(DENSE, decode_json(text, 3))
    assert_same(DENSE, decode_json(b"\xef\xbb\xbf" + text, 3))
    assert_same(DENSE, decode_json(b"[" + text + b"]", 3))
    assert_same(DENSE, decode_json(b'{"instances": [' + text + b"]}", 3))
    assert_same(DENSE, decode_jsonlines(text, 3))


def test_shapes_may_be_mixed_in_one_body() -> None:
    expected = bag([[1.5, 0, 2]] * len(DOCUMENTS))
    assert_same(expected, decode_json(json.dumps({"instances": DOCUMENTS}).encode(), 3))
    assert_same(expected, decode_json(memoryview(json.dumps(DOCUMENTS).encode()), 3))
    assert_same(expected, decode_jsonlines("\r\n\n".join(map(json.dumps, DOCUMENTS)).encode(), 3))


def test_an_empty_sparse_document_is_a_row_of_zeros() -> None:
    text = b'{"data": {"features": {"keys": [], "shape": [3], "values": []}}}'
    assert_same(bag([[0, 0, 0]]), decode_json(text, 3))


def test_no_instances_are_no_documents() -> None:
    for text in (b'{"instances": []}', b"[]"):
        assert decode_json(text, 3).shape == (0, 3)
    for text in (b"", b"\n \n"):
        assert decode_jsonlines(text, 3).shape == (0, 3)


@given(bags(), st.booleans())
def test_counts_survive_a_round_trip(counts: Any, dense: bool) -> None:
    assert_same(counts, decode_json(encode_json(counts, dense=dense), counts.shape[1]))
    assert_same(counts, decode_jsonlines(encode_jsonlines(counts, dense=dense), counts.shape[1]))


def _sparse(**parts: Any) -> Any:
    return {"data": {"features": {**FEATURES, **parts}}}


MISTAKES: list[tuple[Any, str]] = [
    ([1, 0], "one count for each word .*got: 2 values; allowed: 3 values"),
    ([1, "0", 2], 'must be a number; got: "0"'),
    ([1, None, 2], "must be a number; got: null"),
    ([1, "", 2], 'must be a number; got: ""'),
    ([1, [2], 2], r"must be a number; got: \[2\]"),
    ([1, 0, -2], "got: -2 for word id 2; allowed: 0 to"),
    ([1, 0, 1e39], r"got: 1e\+39 for word id 2"),
    (_sparse(keys=[0, 3]), "outside the vocabulary; got: 3; allowed: 0 to 2, .*to do: .*feature_dim to at least 4"),
    (_sparse(keys=[0, 2**64 - 1]), "outside the vocabulary"),
    (_sparse(keys=[0, -1]), "outside the vocabulary; got: -1"),
    (_sparse(keys=[0, 1.5]), '"keys" must hold whole numbers; got: 1.5'),
    (_sparse(keys=[0]), "got: 2 values and 1 keys"),
    (_sparse(shape=[4]), r"got: shape \[4\]"),
    (_sparse(shape=None), "needs its shape"),
    (_sparse(shape=["3"]), '"shape" must hold whole numbers; got: "3"'),
    (_sparse(values="12"), '"values" must be a list of numbers; got: "12"'),
    ({"data": {}}, 'not a document; got: {"data":{}}; allowed: '),
    ({"text": "hello"}, 'not a document; got: {"text":"hello"}'),
    ("hello", "not a document"),
    (None, "not a document; got: null"),
    (7, "not a document; got: 7"),
]


@pytest.mark.parametrize(("document", "message"), MISTAKES)
def test_a_mistake_names_the_instance_or_line_and_what_is_allowed(document: Any, message: str) -> None:
    documents = [DOCUMENTS[0], DOCUMENTS[6], document, [0, 0, -9]]
    with pytest.raises(CustomerError, match=f"^instance 3: .*{message}"):
        decode_json(json.dumps({"instances": documents}).encode(), 3)
    with pytest.raises(CustomerError, match=f"^line 3: .*{message}"):
        decode_jsonlines("\n".join(map(json.dumps, documents)).encode(), 3)


def test_a_broken_line_is_named_with_blank_lines_counted() -> None:
    with pytest.raises(CustomerError, match=r"^line 3: the text is not JSON; got: "):
        decode_jsonlines(b"[1,0,2]\n\n[1,0,\n", 3)


@pytest.mark.parametrize("text", [b"", b"{", b"1,0,2", b"\xff", b"[NaN, 0, 1]", b"[" * 5000])
def test_what_is_not_json_is_called_so(text: bytes) -> None:
    with pytest.raises(CustomerError, match="the text is not JSON"):
        decode_json(text, 3)


def test_instances_must_be_a_list() -> None:
    with pytest.raises(CustomerError, match='"instances" must be a list of documents; got: 7'):
        decode_json(b'{"instances": 7}', 3)


def test_a_long_mistake_is_quoted_in_part() -> None:
    with pytest.raises(CustomerError) as caught:
        decode_json(json.dumps({"text": "x" * 10_000}).encode(), 3)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("depth", [2, 260, 1000])
@pytest.mark.parametrize(
    "form", ["[1, %s, 2]", '{"instances": {"a": %s}}', '{"data": %s}', '{"values": %s, "keys": 1}']
)
def test_lists_within_lists_are_a_mistake_however_deep(form: str, depth: int) -> None:
    text = (form % ("[" * depth + "]" * depth)).encode()
    for decode in (decode_json, decode_jsonlines):
        with pytest.raises(CustomerError, match=r"got: |not JSON"):
            decode(text, 3)


@pytest.mark.timeout(20)
def test_a_shape_of_very_many_dimensions_is_refused_at_once() -> None:
    with pytest.raises(CustomerError, match="shape does not fit the vocabulary") as caught:
        decode_json(json.dumps(_sparse(shape=[2**63] * 200_000)).encode(), 3)
    assert len(str(caught.value)) < 400


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**65) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "data", "features", "keys", "values", "shape"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(JSON_VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_any_json_and_any_bytes_raise_nothing_but_a_customer_error(text: bytes) -> None:
    for decode in (decode_json, decode_jsonlines):
        try:
            decode(text, 3)
        except CustomerError:
            continue


def test_every_truncation_gives_documents_or_an_error() -> None:
    text = encode_jsonlines(bag([[1, 0, 2], [0, 3, 0]]))
    for length in range(len(text)):
        for decode in (decode_json, decode_jsonlines):
            try:
                decode(text[:length], 3)
            except CustomerError:
                continue


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.corpus.json_pieces.PIECE", 60)
    monkeypatch.setattr("topicdock.corpus.json_documents.WORTH_IT", 0)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("head", ["", '{"instances": '])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_long_list_is_read_in_pieces_as_it_is_read_whole(head: str, indent: int | None) -> None:
    documents = [*DOCUMENTS, {"id": "a}, {b", "data": {"features": FEATURES}}] * 9
    content = documents if not head else {"instances": documents}
    text = json.dumps(content, indent=indent).encode()
    assert len(list(cut_instances(text, 3))) > 3
    assert_same(bag([[1.5, 0, 2]] * len(documents)), decode_json(text, 3))


@pytest.mark.usefixtures("small_pieces")
def test_a_mistake_in_a_later_piece_is_named_by_its_place_in_the_whole() -> None:
    documents = [{"data": {"features": FEATURES}}] * 30
    wrong = {"data": {"features": {"keys": [3], "shape": [3], "values": [1]}}}
    with pytest.raises(CustomerError, match=r"^instance 31: a word id is outside the vocabulary; got: 3"):
        decode_json(json.dumps({"instances": [*documents, wrong, {}]}).encode(), 3)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "wrap",
    [
        '{"instances": [%s,]}', '{"instances": [%s],}', '{"instances": [%s]', '{"instances": [,%s]}', '[%s]]', '[%s',
        '{"instances": [%s, ,%s]}', '{"instances": [%s],[%s]}', '{"instances": [%s]} x', '["a}, {b, %s]',
    ],
)  # fmt: skip
def test_what_is_not_json_as_a_whole_is_not_json_in_pieces(wrap: str) -> None:
    documents = ", ".join([json.dumps({"data": {"features": FEATURES}})] * 9)
    with pytest.raises(CustomerError, match="not JSON"):
        decode_json(wrap.replace("%s", documents).encode(), 3)


@pytest.mark.usefixtures("small_pieces")
def test_only_the_last_of_two_lists_counts_as_in_any_json_object() -> None:
    one, two = ([{"data": {"features": FEATURES}}] * number for number in (9, 8))
    text = b'{"instances": ' + json.dumps(one).encode() + b', "instances": ' + json.dumps(two).encode() + b"}"
    assert decode_json(text, 3).shape == (8, 3)


ODD = [[True], [1.0], ["1"], [None], [10**30], [-1], [[1]], {}, "", "1", 1, None, [5e-324], [1e39]]


@pytest.mark.parametrize("part", ["keys", "values", "shape"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_sparse_documents_together_mean_what_they_mean_one_by_one(part: str, odd: Any) -> None:
    usual = {"keys": [1], "shape": [3], "values": [2]}
    odd_one = {"data": {"features": {**usual, part: odd}}}
    dense = [1.5, 0, 2]  # keeps the documents from being read together
    outcomes = []
    for extra in ([], [dense]):
        text = json.dumps([{"data": {"features": usual}}, odd_one, *extra]).encode()
        try:
            outcomes.append(decode_json(text, 3)[:2].toarray().tolist())
        except CustomerError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.usefixtures("small_pieces")
def test_a_mistake_in_a_later_line_is_named_by_its_place_in_the_whole() -> None:
    lines = [json.dumps({"data": {"features": FEATURES}}), ""] * 9
    assert decode_jsonlines("\n".join(lines).encode(), 3).shape == (9, 3)
    for wrong in ("{", "5", '{"data": {"features": {"keys": [3], "shape": [3], "values": [1]}}}'):
        with pytest.raises(CustomerError, match=r"^line 19: "):
            decode_jsonlines("\n".join([*lines, wrong, "{"]).encode(), 3)
