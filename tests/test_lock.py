"""container/requirements.txt, which the image installs, says what constraints.txt and pyproject.toml say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENTRY = re.compile(r"^(\S+)==(\S+) \\$")


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock() -> dict[str, str]:
    lines = (ROOT / "container" / "requirements.txt").read_text().splitlines()
    return {normalize(found[1]): found[2] for line in lines if (found := ENTRY.match(line))}


def test_every_version_is_the_one_that_the_tests_run_with() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normalize(name): version for name, _, version in (line.partition("==") for line in lines)}
    lock = read_lock()
    assert lock == {name: pinned[name] for name in lock}


def test_what_topicdock_needs_is_there_but_for_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {normalize(re.split(r"[<>=\[]", requirement)[0]) for requirement in project["dependencies"]}
    assert needed - set(read_lock()) == {"torch"}


def test_every_package_has_hashes() -> None:
    text = (ROOT / "container" / "requirements.txt").read_text()
    entries = re.findall(r"^\S+==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(entries) == len(read_lock()) > 20
