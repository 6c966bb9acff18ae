"""The page for people: what it tells, that it needs nothing else, and how it looks and works in a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from tests.browser import LOADED, OUTSIDE, OVERLAPS, Browser, browsing
from tests.models import random_model
from topicdock.artifact import save_model
from topicdock.model import TopicModel
from topicdock.serving.app import create_app
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings

from .asking import assert_plain_line
from .service import Service

NASTY = ("<script>alert(1)</script>", "</script><b>", "&amp;", "x" * 120, "köln")
WORDS = ("shuttle", "orbit", "goalie", "puck", "court", "law")


def page_model(num_topics: int = 6) -> TopicModel:
    """A model whose topics each love one of the words, with a nasty vocabulary beside."""
    vocabulary = (*WORDS, *NASTY, *(f"word{number}" for number in range(19)))
    model = random_model(num_topics=num_topics, vocabulary=vocabulary, layers=(30,))
    arrays = {name: np.zeros_like(array) for name, array in model.arrays.items()}
    arrays["encoder_0_weight"] = np.eye(30, dtype=np.float32)
    for topic in range(num_topics):
        arrays["mean_weight"][topic, topic % len(vocabulary)] = 3
        arrays["projection_weight"][topic % len(vocabulary), topic] = 5
    sizes = [{"size": (topic + 1) / sum(range(1, num_topics + 1))} for topic in range(num_topics)]
    return type(model)(arrays, replace(model.metadata, training={"topics": sizes}))


def client_of(model: TopicModel, settings: Settings) -> FlaskClient:
    return create_app(ServedModel(model), settings).test_client()


def test_the_page_tells_of_every_topic_and_lets_no_word_become_markup() -> None:
    response = client_of(page_model(), Settings(page=True)).get("/")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    for topic in range(6):
        assert f'id="topic-{topic}"' in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.text
    assert response.text.count("<script>") == 1
    assert not re.search(r"https?://|url\(|@import", response.text)


def test_a_browser_may_run_only_the_pages_own_script() -> None:
    policy = client_of(page_model(), Settings(page=True)).get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='; connect-src 'self'", policy)


def test_a_model_without_vocabulary_is_shown_without_a_box() -> None:
    response = client_of(random_model(), Settings(page=True)).get("/")
    assert response.status_code == 200
    assert "<textarea" not in response.text
    assert "<script" not in response.text
    assert "no vocabulary" in response.text


def test_there_is_no_page_unless_it_is_wanted() -> None:
    assert_plain_line(client_of(page_model(), Settings(page=False)).get("/"), 404)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    base = tmp_path_factory.mktemp("page")
    save_model(page_model(), base / "model")
    with Service(base) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


def ask(browser: Browser, text: str) -> str:
    browser.run("document.getElementById('text').value = arguments[0]; document.getElementById('send').click();", text)
    deadline = time.monotonic() + 30
    while browser.run("return document.getElementById('send').disabled;"):
        assert time.monotonic() < deadline
    return str(browser.run("return document.getElementById('answer').innerText;"))


def rows(browser: Browser) -> list[Any]:
    return list(browser.run("return [...document.querySelectorAll('.mixture li')].map(e => e.innerText);"))


@pytest.mark.browser
def test_a_pasted_text_shows_its_topics_and_the_words_they_are_due_to(served: Service, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{served.port}/")
    answer = ask(browser, "The shuttle, the shuttle reached the orbit; shuttle!")
    first, second, *_ = rows(browser)
    assert "Topic 0" in first
    assert "because of shuttle" in first
    assert "Topic 1" in second
    assert "because of orbit" in second
    assert "4 words are not known" in answer  # three times "the", and "reached"


@pytest.mark.browser
def test_a_text_without_known_words_and_a_nasty_one_are_shown_as_text(served: Service, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{served.port}/")
    assert "because" not in ask(browser, "")
    ask(browser, "<b>köln</b> <script>alert(1)</script> " + "x" * 120)
    assert browser.run("return document.querySelectorAll('#answer b, #answer script').length;") == 0


@pytest.mark.browser
def test_a_service_that_is_gone_is_said_to_be_gone(tmp_path: Path, browser: Browser) -> None:
    save_model(page_model(), tmp_path / "model")
    with Service(tmp_path) as service:
        browser.open(f"http://127.0.0.1:{service.port}/")
    assert "could not be reached" in ask(browser, "shuttle")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 800, 400])
def test_nothing_overlaps_or_sticks_out_and_nothing_else_is_loaded(
    served: Service, browser: Browser, width: int
) -> None:
    browser.open(f"http://127.0.0.1:{served.port}/", width)
    ask(browser, "shuttle orbit puck law " + "x" * 120)
    assert browser.run(OUTSIDE) == []
    assert browser.run(OVERLAPS, ".topics > li, h1, h2, .try, .percent, .mixture div, button, textarea") == []
    assert {str(name).rpartition("/")[2] for name in browser.run(LOADED)} == {"invocations"}


@pytest.mark.browser
def test_the_box_is_labelled_and_all_can_be_done_with_the_keyboard(served: Service, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{served.port}/")
    assert browser.run("return document.getElementById('text').labels[0].textContent;") == "What is a text about?"
    assert browser.run("return document.getElementById('answer').getAttribute('aria-live');") == "polite"
    browser.run(
        "const box = document.getElementById('text'); box.value = 'puck';"
        "box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', ctrlKey: true}));"
    )
    Service.wait_until(lambda: any("Topic 3" in row for row in rows(browser)))
    assert browser.run("return [...document.querySelectorAll('h1, h2, h3')].length;") == 8
