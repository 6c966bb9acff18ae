"""Real text that is on every machine: the docstrings of the Python packages installed beside topicdock.

Files are parsed, never imported. What is installed decides the corpus, so two machines with the same pinned packages
and the same Python see the same documents in the same order.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

PACKAGES = (
    "numpy", "scipy", "sklearn", "torch", "networkx", "sympy", "gensim", "joblib", "pydantic", "hypothesis", "click",
    "flask", "werkzeug", "jinja2", "gunicorn", "boto3", "s3transfer", "fsspec", "setuptools", "rich",
)  # fmt: skip
"""The packages with the most to say; those that are not installed are passed over."""

SHORTEST = 50
"""Documents of fewer words say too little to have topics."""

_UNREAD_FOLDERS = {
    "test", "tests", "testing", "_vendor", "externals", "site-packages", "idlelib", "lib2to3", "encodings",
    "_inductor", "_dynamo", "torchgen",
}  # fmt: skip
"""Copies, tests, and long sources with few docstrings: parsing them is what takes time."""

_QUOTES = re.compile(r'"""|' + "'''")


@dataclass(frozen=True)
class Docstring:
    """One document.

    Attributes
    ----------
    name : str
        Where it was found: ``scipy.stats.norm``.
    text : str
    """

    name: str
    text: str

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]

    @property
    def headline(self) -> str:
        """Its first paragraph on one line."""
        return " ".join(self.text.strip().split("\n\n")[0].split())


def list_sources(packages: Iterable[str] = PACKAGES) -> list[tuple[Path, str]]:
    """List the source files of installed packages and of the standard library, each with its module's name."""
    installed = Path(sysconfig.get_path("purelib"))
    roots = [(installed / package, f"{package}.") for package in packages]
    roots.append((Path(sysconfig.get_path("stdlib")), ""))
    return [source for root, prefix in roots for source in _list_modules(root, prefix)]


def _list_modules(root: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _UNREAD_FOLDERS.isdisjoint(parts):
            yield path, (prefix + ".".join(parts)).removesuffix(".__init__")


def gather(
    sources: Iterable[tuple[Path, str]],
    *,
    shortest: int = SHORTEST,
    apply: Callable[..., Iterable[list[Docstring]]] = map,
    on_file: Callable[[], object] = lambda: None,
) -> list[Docstring]:
    """Collect the docstrings of source files, each text once, in the order of the files.

    Parameters
    ----------
    sources : iterable of (path, module name)
    shortest : int
        Docstrings of fewer words are left out.
    apply : callable
        Stands in for :func:`map`, to read with several processes.
    on_file : callable
        Called after every file.
    """
    paths, modules = zip(*sources, strict=True)
    found: dict[str, Docstring] = {}
    for documents in apply(read_docstrings, paths, modules, repeat(shortest)):
        on_file()
        for document in documents:
            found.setdefault(" ".join(document.text.split()), document)
    return list(found.values())


def read_docstrings(path: Path, module: str, shortest: int = SHORTEST) -> list[Docstring]:
    """Return the docstrings of one source file; none if it is not Python that this interpreter can parse."""
    try:
        source = path.read_text(encoding="utf-8")
        if not _QUOTES.search(source):  # parsing is the slow part
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escape sequences
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return []
    documents = (Docstring(name, ast.get_docstring(node) or "") for node, name in _definitions(tree, module))
    return [document for document in documents if len(document.text.split()) >= shortest]


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(node: _Documented, name: str) -> Iterator[tuple[_Documented, str]]:
    yield node, name
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return  # what is defined inside a function is its own business
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _definitions(child, f"{name}.{child.name}")
