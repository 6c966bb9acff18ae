"""The page stands alone, tells of every topic, and lets no text of a corpus become markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.browser import LOADED, OUTSIDE, OVERLAPS, browsing
from tests.models import random_counts, random_model
from topicdock.model import NeuralTopicModel
from topicdock.report import Documents, render_report, summarize

NASTY = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&amp;", "x" * 200, "数学", "\N{PILE OF POO}")


def nasty_model(num_topics: int = 4) -> NeuralTopicModel:
    vocabulary = tuple(NASTY[number] if number < len(NASTY) else f"word{number}" for number in range(30))
    model = random_model(num_topics=num_topics, vocabulary=vocabulary)
    losses = [[epoch, 8.0 - epoch / 10, 2e7 if epoch < 3 else 8.5 - epoch / 10] for epoch in range(1, 30)]
    model.metadata = replace(
        model.metadata, training={"losses": losses, "best_epoch": 29, "validation_total_loss": 7.1}
    )
    return model


def page(num_topics: int = 4) -> str:
    counts = random_counts(40)
    texts = [f"{NASTY[number % len(NASTY)]} and more" for number in range(40)]
    documents = Documents(counts, [NASTY[0]] * 40, texts)
    return render_report(summarize(nasty_model(num_topics), documents), "Topics of <b>")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def tags(content: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(content)
    return parser.found


def test_nothing_is_loaded_and_nothing_is_run() -> None:
    found = tags(page())
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in found}
    for _, attributes in found:
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import", page())


def test_every_link_leads_to_a_topic() -> None:
    found = tags(page())
    ends = {attributes["id"] for _, attributes in found if "id" in attributes}
    assert ends == {f"topic-{number}" for number in range(4)}
    assert {(attributes["href"] or "")[1:] for _, attributes in found if "href" in attributes} == ends


def test_the_same_model_gives_the_same_page() -> None:
    assert page() == page()


@pytest.mark.browser
def test_nothing_overlaps_sticks_out_or_is_loaded_at_any_width(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with browsing() as browser:
        for num_topics in (2, 20, 60):
            path.write_text(page(num_topics), encoding="utf-8")
            for width in (1280, 800, 400):
                browser.open(path.as_uri(), width)
                assert browser.run("return document.documentElement.clientWidth") == width
                assert browser.run("return document.querySelectorAll('section.topic').length") == num_topics
                assert browser.run(OVERLAPS, "svg text, td, th, h1, h2, h3, h4, p, li, dt, dd, .sight > *") == []
                assert browser.run(OUTSIDE) == []
                assert browser.run(LOADED) == []
        browser.screenshot(tmp_path / "report.png")
        browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.png").stat().st_size > 20_000
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.browser
def test_the_browser_sees_what_overlaps(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    path = tmp_path / "bad.html"
    path.write_text("<p>one</p><p style='margin-top:-30px'>two</p><div style='width:3000px'>wide</div>")
    with browsing() as browser:
        browser.open(path.as_uri(), 400)
        found = {"over": browser.run(OVERLAPS, "p"), "outside": browser.run(OUTSIDE)}
    assert found == {"over": ["one | two"], "outside": ["DIV wide"]}
