from __future__ import annotations

import json

import numpy as np
import orjson
import pytest

from topicdock.serving.responses import ENCODERS, choose_response_type

JSON, LINES, RECORDIO = "application/json", "application/jsonlines", "application/x-recordio-protobuf"
THETA = np.array([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0], [1e-12, 0.33333334, 0.6666667]], dtype=np.float32)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        (" , ;q=1,", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (LINES, LINES),
        (RECORDIO, RECORDIO),
        ("Application/JSONLines; charset=utf-8", LINES),
        ("application/jsonl", LINES),
        ("application/json;q=0.5, application/jsonlines", LINES),
        ("application/jsonlines;q=0.5, application/json;q=0.4", LINES),
        ("application/jsonlines, application/json", LINES),
        ("*/*, application/jsonlines", LINES),
        ("application/json;q=0, */*", LINES),
        ("text/csv, */*;q=0.1", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("application/jsonlines;q=garbage", LINES),
        ("application/jsonlines;q=nan, application/json;q=0.5", LINES),
        ("text/csv", None),
        ("text/*", None),
        ("json/application", None),
        ("*/*;q=0", None),
        ("application/json;q=0", None),
    ],
)
def test_the_accept_header_chooses_the_response_type(accept: str | None, chosen: str | None) -> None:
    assert choose_response_type(accept, JSON) == chosen


@pytest.mark.parametrize("accept", [None, "*/*", "application/*", "text/csv, */*"])
def test_the_default_type_decides_what_the_client_leaves_open(accept: str | None) -> None:
    assert choose_response_type(accept, RECORDIO) == RECORDIO


def test_json_holds_one_prediction_for_each_document_in_order() -> None:
    answer = json.loads(ENCODERS[JSON]("topic_mixture", THETA))
    assert list(answer) == ["predictions"]
    assert [list(prediction) for prediction in answer["predictions"]] == [["topic_mixture"]] * 3
    np.testing.assert_array_equal(np.array([p["topic_mixture"] for p in answer["predictions"]], np.float32), THETA)


def test_json_numbers_keep_exact_zeros_and_ones() -> None:
    assert ENCODERS[JSON]("t", THETA[1:2]) == b'{"predictions":[{"t":[0.0,1.0,0.0]}]}'


@pytest.mark.parametrize("key", ["topic_weights", '"[]{}'])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1, 3), (50, 20)])
def test_json_is_byte_for_byte_what_is_written_of_the_same_objects(key: str, shape: tuple[int, int]) -> None:
    theta = np.random.default_rng(0).random(shape, np.float32) ** 20
    objects = {"predictions": [{key: row} for row in theta]}
    assert ENCODERS[JSON](key, theta) == orjson.dumps(objects, option=orjson.OPT_SERIALIZE_NUMPY)


def test_json_lines_have_one_line_for_each_document_and_no_newline_at_the_end() -> None:
    body = ENCODERS[LINES]("topic_weights", THETA)
    assert not body.endswith(b"\n")
    rows = [json.loads(line)["topic_weights"] for line in body.split(b"\n")]
    np.testing.assert_array_equal(np.array(rows, np.float32), THETA)


def test_recordio_frames_a_label_for_each_document() -> None:
    # magic, 16 bytes, no features, label {key "t", value {float32_tensor {values [1.0]}}}
    golden = bytes.fromhex("0a23d7ce0f000000" + "120d0a0174" + "1208" + "1206" + "0a040000803f" + "00")
    assert ENCODERS[RECORDIO]("t", np.ones((1, 1), np.float32)) == golden


@pytest.mark.parametrize("media_type", [JSON, LINES, RECORDIO])
def test_columns_of_a_larger_array_are_written_as_they_are(media_type: str) -> None:
    wide = np.asfortranarray(np.hstack([THETA, THETA]))
    assert ENCODERS[media_type]("t", wide[:, :3]) == ENCODERS[media_type]("t", THETA)


@pytest.mark.parametrize(("media_type", "empty"), [(JSON, b'{"predictions":[]}'), (LINES, b""), (RECORDIO, b"")])
def test_no_documents_give_no_predictions(media_type: str, empty: bytes) -> None:
    assert ENCODERS[media_type]("t", THETA[:0]) == empty
