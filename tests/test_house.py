"""The invariants of the house that no other tool checks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "topicdock"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE = 330


def _trees() -> list[tuple[str, ast.Module]]:
    return [(str(path.relative_to(SOURCE)), ast.parse(path.read_text())) for path in FILES]


def test_opt_ml_is_spelled_in_one_file() -> None:
    code = [
        name
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/opt/ml")
    ]
    assert code == ["contract/layout.py"]


def test_the_environment_is_read_by_the_command_line_alone() -> None:
    readers = {
        name
        for name, tree in _trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and _is_os(node.value))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    }
    assert {name.split("/")[0] for name in readers} == {"cli"}


def test_torch_is_imported_in_the_algorithms_room_alone() -> None:
    importers = {name for name, tree in _trees() for module in _imports(tree) if module.split(".")[0] == "torch"}
    assert {name.split("/")[0] for name in importers} == {"algorithms"}


def test_the_contract_does_not_know_what_it_trains() -> None:
    words = re.compile(r"\btopics?\b", re.IGNORECASE)
    assert [str(path) for path in (SOURCE / "contract").glob("*.py") if words.search(path.read_text())] == []


@pytest.mark.parametrize("forbidden", ["pickle", "marshal", "shelve"])
def test_nothing_is_pickled(forbidden: str) -> None:
    assert [name for name, tree in _trees() if forbidden in {module.split(".")[0] for module in _imports(tree)}] == []


def test_nothing_is_evaluated_and_input_is_never_asserted() -> None:
    calls = [
        name
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    asserts = [name for name, tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert calls + asserts == []


def test_a_file_is_one_room_long() -> None:
    assert {str(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > LONGEST_FILE} == {}


def test_no_file_is_named_for_nothing() -> None:
    meaningless = {"utils", "util", "helpers", "common", "misc", "manager", "base"}
    assert [str(path) for path in FILES if path.stem in meaningless] == []


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def _imports(tree: ast.Module) -> list[str]:
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return modules + [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
