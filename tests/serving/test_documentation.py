from __future__ import annotations

import ast
import re

from topicdock.corpus.media_types import DECODERS
from topicdock.serving.responses import RESPONSE_TYPES
from topicdock.serving.texts import PLAIN_TEXT

from .service import COMMAND, ROOT

TEXT = (ROOT / "docs" / "serving.md").read_text()


def test_every_variable_that_is_read_is_described_and_no_other() -> None:
    source = ast.parse((ROOT / "src" / "topicdock" / "serving" / "settings.py").read_text())
    strings = [n.value for n in ast.walk(source) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    read = {string for string in strings if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", string)}
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    exported = set(re.findall(r"^export ([A-Z_]+)=", COMMAND.read_text(), re.MULTILINE))
    assert described == read | exported | {"SAGEMAKER_BASE_DIR"}


def test_every_request_and_response_type_is_described() -> None:
    described = re.findall(r"^\| `([a-z]+/[a-z-]+)`", TEXT, re.MULTILINE)
    assert sorted(described) == sorted([*DECODERS, PLAIN_TEXT, *RESPONSE_TYPES])
