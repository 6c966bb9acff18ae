"""Requests that are text, and answers that explain themselves."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.models import random_model
from topicdock.corpus import encode_csv
from topicdock.model import TopicModel
from topicdock.serving.app import create_app
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings
from topicdock.text import TextRules, count_texts

from .asking import assert_plain_line, post
from .malformed import CSV, JSON, LINES, RECORDIO
from .reading import READERS, read_json

VOCABULARY = ("the", "cat", "sat", "on", "mat", "köln", "new_york", *(f"word{number}" for number in range(23)))
RULES = TextRules(stop_words=("the", "on"), phrases=("new york",))
TEXTS = ["The cat sat, on the mat. CAT!", "", "Köln; New York and unknown things", "word1 word1 word22"]
UNKNOWN = [0, 0, 3, 0]
VERBOSE = "application/json; verbose=true"


@pytest.fixture(scope="module")
def model() -> TopicModel:
    return make_model(RULES.to_mapping())


def make_model(rules: Any) -> TopicModel:
    model = random_model(vocabulary=VOCABULARY)
    object.__setattr__(model.metadata, "text_rules", rules)
    return model


@pytest.fixture
def client(model: TopicModel) -> FlaskClient:
    return create_app(ServedModel(model), Settings()).test_client()


REQUESTS = {
    "plain": ("text/plain", "\n".join(TEXTS).encode()),
    "plain with a newline at the end": ("text/plain; charset=utf-8", ("\r\n".join(TEXTS) + "\r\n").encode()),
    "plain with a byte order mark": ("TEXT/PLAIN", "\n".join(TEXTS).encode("utf-8-sig")),
    "JSON": (JSON, json.dumps({"instances": [{"text": text} for text in TEXTS]}).encode()),
    "JSON list": (JSON, json.dumps([{"text": text, "id": 1} for text in TEXTS]).encode()),
    "JSON Lines": (LINES, "\n\n".join(json.dumps({"text": text}) for text in TEXTS).encode()),
}


def ask(client: FlaskClient, name: str, **headers: str) -> TestResponse:
    content_type, body = REQUESTS[name]
    return post(client, body, content_type, **headers)


@pytest.mark.parametrize("accept", list(READERS))
@pytest.mark.parametrize("name", list(REQUESTS))
def test_text_is_cut_as_the_training_text_was_and_every_document_has_its_answer(
    client: FlaskClient, model: TopicModel, name: str, accept: str
) -> None:
    content_type, body = REQUESTS[name]
    response = post(client, body, content_type, Accept=accept)
    assert (response.status_code, response.content_type) == (200, accept)
    counts, unknown = count_texts(TEXTS, VOCABULARY, RULES)
    assert unknown.tolist() == UNKNOWN
    np.testing.assert_allclose(READERS[accept](response.data), model.transform(counts), rtol=0, atol=1e-7)


def test_one_text_may_come_alone(client: FlaskClient, model: TopicModel) -> None:
    counts, _ = count_texts(TEXTS[:1], VOCABULARY, RULES)
    for content_type, body in (("text/plain", TEXTS[0].encode()), (JSON, json.dumps({"text": TEXTS[0]}).encode())):
        answer = read_json(post(client, body, content_type).data)
        np.testing.assert_allclose(answer, model.transform(counts), rtol=0, atol=1e-7)


def test_a_model_that_was_told_no_rules_takes_the_default_ones() -> None:
    model = make_model(None)
    counts, _ = count_texts(TEXTS, VOCABULARY, TextRules())
    answer = read_json(ask(create_app(ServedModel(model), Settings()).test_client(), "plain").data)
    np.testing.assert_allclose(answer, model.transform(counts), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", list(REQUESTS))
def test_a_model_without_vocabulary_says_what_to_do(name: str) -> None:
    client = create_app(ServedModel(random_model()), Settings()).test_client()
    line = assert_plain_line(ask(client, name), 400)
    assert "vocabulary" in line
    assert "vocab.txt" in line


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", b"good\nbad \xff", "line 2: the text is not UTF-8"),
        (JSON, b'{"instances": [{"text": "a"}, {"features": [1]}]}', "instance 2: this document is not text"),
        (JSON, b'{"instances": [{"text": "a"}, {"text": 5}]}', "instance 2: "),
        (LINES, b'{"text": "a"}\n\n{"text": null}', "line 3: "),
        (LINES, b'{"text": "a"}\n{"text": ', "line 1: "),
        (JSON, b'{"instances": [{"text": "a"]}', "not JSON"),
        (JSON, b'{"instances": [{"data": {"text": "a"}}]}', "instance 1: this is not a document"),
        (JSON, b'["text"]', "instance 1: this is not a document"),
        (JSON, b'"text"', "instance 1: this is not a document"),
    ],
)
def test_text_that_cannot_be_answered_is_400(
    client: FlaskClient, content_type: str, body: bytes, expected: str
) -> None:
    assert expected in assert_plain_line(post(client, body, content_type), 400)


def predictions(response: TestResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return list(json.loads(response.data)["predictions"])


def test_an_answer_explains_itself_when_it_is_asked_to(client: FlaskClient, model: TopicModel) -> None:
    answers = predictions(ask(client, "JSON", Accept=VERBOSE))
    assert [answer["unknown_words"] for answer in answers] == UNKNOWN
    words = [[VOCABULARY[word] for word in row] for row in model.top_words(10)]
    for answer in answers:
        weights = answer["topic_weights"]
        described = answer["topics"]
        assert [topic["weight"] for topic in described] == sorted(weights, reverse=True)[:5]
        for topic in described:
            assert topic["weight"] == weights[topic["topic"]]
            assert topic["words"] == words[topic["topic"]]
    assert [topic["document_words"] for topic in answers[1]["topics"]] == [[], [], [], []]
    for answer, expected in ((answers[0], {"cat", "sat", "mat"}), (answers[3], {"word1", "word22"})):
        shown = {word for topic in answer["topics"] for word in topic["document_words"]}
        assert shown
        assert shown <= expected


def test_a_documents_words_go_to_the_topic_they_are_most_likely_from() -> None:
    model = make_model(None)
    beta = model.beta
    counts, _ = count_texts(["word1 word1 word22 cat"], VOCABULARY, TextRules())
    theta = model.transform(counts)[0]
    client = create_app(ServedModel(model), Settings()).test_client()
    (answer,) = predictions(post(client, b"word1 word1 word22 cat", "text/plain", Accept=VERBOSE))
    for topic in answer["topics"]:
        expected = []
        for word, number in (("word1", 2), ("word22", 1), ("cat", 1)):
            joint = theta * beta[:, VOCABULARY.index(word)]
            expected.append((number * joint[topic["topic"]] / joint.sum(), word))
        assert topic["document_words"] == [word for share, word in sorted(expected, reverse=True) if share >= 0.5]


def test_word_counts_are_explained_too_and_json_lines_line_by_line(client: FlaskClient, model: TopicModel) -> None:
    counts, _ = count_texts(TEXTS, VOCABULARY, RULES)
    response = post(client, encode_csv(counts), CSV, Accept="application/jsonlines;verbose=true")
    lines = [json.loads(line) for line in response.data.split(b"\n")]
    assert len(lines) == len(TEXTS)
    assert {tuple(line) for line in lines} == {("topic_weights", "topics")}


@pytest.mark.parametrize("accept", ["application/json", "application/json; verbose=false", "text/csv; verbose=true"])
def test_an_answer_explains_nothing_unasked(client: FlaskClient, accept: str) -> None:
    assert {tuple(answer) for answer in predictions(ask(client, "plain", Accept=accept))} == {("topic_weights",)}


def test_a_record_has_no_place_for_an_explanation(client: FlaskClient) -> None:
    plain, asked = (ask(client, "plain", Accept=RECORDIO + suffix).data for suffix in ("", "; verbose=true"))
    assert plain == asked


def test_explanations_are_limited_as_they_are_larger(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.serving.invocation.LARGEST_ANSWER", 1_100)
    assert ask(client, "plain").status_code == 200
    line = assert_plain_line(ask(client, "plain", Accept=VERBOSE), 413)
    assert "at most 1" in line


def test_words_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.serving.served_model.FORGET", 10)
    served = ServedModel(make_model(RULES.to_mapping()))
    first = served.count_texts(["the cat"])[0].toarray()
    remembered = served._vocabulary
    np.testing.assert_array_equal(served.count_texts(["the cat"])[0].toarray(), first)
    assert served._vocabulary is not remembered
