"""The page for people: a model's topics, and a box to see what it makes of a text."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from topicdock import __version__
from topicdock.model import TopicModel
from topicdock.report import summarize
from topicdock.report.page import hue

_WORDS = 12


@dataclass(frozen=True)
class Page:
    """An HTML page and the policy under which a browser is to show it: no more than its own style and script."""

    content: str
    policy: str


def render_page(model: TopicModel) -> Page:
    """Return the page of a model."""
    script = _read("page.js")
    content = _template().render(
        model=model,
        summary=summarize(model),
        takes_text=model.metadata.vocabulary is not None,
        words=_WORDS,
        hue=hue,
        script=script,
        version=__version__,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return Page(content, policy)


def _read(name: str) -> str:
    return (files("topicdock.serving") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_read("page.html"))
