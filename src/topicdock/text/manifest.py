"""The rules for text as ``topicdock prepare`` hands them to training, in the file beside the vocabulary."""

from __future__ import annotations

from pathlib import Path

import orjson

from topicdock.errors import CustomerError
from topicdock.text.rules import TextRules

MANIFEST = "manifest.json"
TEXT_RULES = "text_rules"


def read_text_rules(path: Path) -> TextRules | None:
    """Read the rules from a manifest; None where there is no such file.

    Raises
    ------
    CustomerError
        It is no JSON object with rules that can be followed.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise CustomerError(
            "the file is not JSON", where=path.name, got=str(error), todo="copy it again as topicdock prepare wrote it"
        ) from error
    rules = content.get(TEXT_RULES) if isinstance(content, dict) else None
    if not isinstance(rules, dict):
        raise CustomerError(
            f"the file holds no {TEXT_RULES}",
            where=path.name,
            allowed="the manifest that topicdock prepare writes",
            todo="copy it again as topicdock prepare wrote it, or remove it if it is something else",
        )
    try:
        return TextRules.from_mapping(rules)
    except CustomerError as error:
        raise error.inside(path.name) from error
