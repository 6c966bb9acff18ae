from pathlib import Path

from demo.docstrings import Docstring, gather, list_sources, read_docstrings

SOURCE = '''
"""A module about fishing."""
class Boat:
    """A boat floats on water."""
    def row(self):
        """Row the boat to the other shore."""
        def inner():
            """Not read."""
    async def sink(self): pass
def row():
    """Row the boat to the other shore."""
'''


def write(folder: Path, name: str, text: str) -> tuple[Path, str]:
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path, name


def test_docstrings_of_modules_classes_and_functions_are_found_in_order(tmp_path: Path) -> None:
    documents = read_docstrings(*write(tmp_path, "sea", SOURCE), shortest=1)
    assert [document.name for document in documents] == ["sea", "sea.Boat", "sea.Boat.row", "sea.row"]
    assert documents[1].text == "A boat floats on water."


def test_the_same_text_is_kept_once_under_its_first_name(tmp_path: Path) -> None:
    sources = [write(tmp_path, "sea", SOURCE), write(tmp_path, "lake", SOURCE)]
    assert [document.name for document in gather(sources, shortest=1)] == ["sea", "sea.Boat", "sea.Boat.row"]


def test_short_docstrings_are_left_out(tmp_path: Path) -> None:
    documents = gather([write(tmp_path, "sea", SOURCE)], shortest=6)
    assert [document.name for document in documents] == ["sea.Boat.row"]


def test_files_that_do_not_parse_are_passed_over(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken", '"""Unfinished""" (')
    assert gather([broken, write(tmp_path, "sea", SOURCE)], shortest=6)[0].name == "sea.Boat.row"


def test_other_peoples_invalid_escapes_do_not_warn(tmp_path: Path) -> None:
    assert read_docstrings(*write(tmp_path, "tex", '"""One \\d two."""'), shortest=1)[0].text == "One \\d two."


def test_every_file_is_counted(tmp_path: Path) -> None:
    seen: list[int] = []
    gather([write(tmp_path, "sea", SOURCE)] * 3, on_file=lambda: seen.append(1))
    assert len(seen) == 3


def test_sources_are_named_as_modules_without_tests_in_one_order() -> None:
    sources = list_sources(["numpy"])
    names = [name for _, name in sources]
    assert {"numpy", "numpy.linalg", "json.decoder"} <= set(names)
    assert not any("tests" in name.split(".") for name in names)
    assert sources == list_sources(["numpy"])


def test_packages_that_are_not_installed_are_passed_over() -> None:
    assert list_sources(["no_such_package"]) == list_sources([])


def test_a_headline_is_the_first_paragraph_on_one_line() -> None:
    document = Docstring("scipy.stats.norm", "A normal\n  distribution.\n\nMore.")
    assert document.headline == "A normal distribution."
    assert document.package == "scipy"
