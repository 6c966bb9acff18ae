"""``topicdock report`` and ``topicdock topics``, from whatever names a model."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.models import random_counts, random_model
from tests.prepare.test_preparation import ALL, make_texts
from topicdock.artifact import save_model
from topicdock.cli import main
from topicdock.corpus import CSV, RECORDIO, parse_media_type, write_counts
from topicdock.prepare import Sources, prepare


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Return a job's folder with a model and its training channel."""
    folder = tmp_path / "job"
    save_model(random_model(vocabulary=tuple(f"word{number}" for number in range(30))), folder / "model")
    channel = folder / "input" / "data" / "train"
    channel.mkdir(parents=True)
    write_counts(channel / "part.pbr", random_counts(40), parse_media_type(RECORDIO))
    return folder


def test_a_model_may_be_named_in_any_way(job: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(job / "model" / "model_algo-1", "model_algo-1")
    listed = [
        run("topics", name) for name in (job / "model", job / "model" / "model_algo-1", tmp_path / "model.tar.gz")
    ]
    assert {result.exit_code for result in listed} == {0}
    assert len({result.output for result in listed}) == 1
    lines = listed[0].output.splitlines()
    assert len(lines) == 5
    assert lines[1].split()[1:3] == ["-", "-"]


def test_a_jobs_folder_brings_its_documents(job: Path) -> None:
    lines = run("topics", job, "--words", 3).output.splitlines()
    sizes = [float(line.split()[1].rstrip("%")) for line in lines[1:]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == pytest.approx(100, abs=0.5)
    assert all(len(line.split()) == 7 for line in lines[1:])


def test_a_report_is_written_whole_with_the_documents_of_a_channel(job: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows"
    data.mkdir()
    write_counts(data / "rows.csv", random_counts(25), parse_media_type(CSV))
    result = run("report", job / "model", "--data", data, "-o", tmp_path / "sub" / "page.html", "--title", "Mine")
    assert result.exit_code == 0, result.output
    assert "4 topics, 25 documents" in result.output
    assert "<h1>Mine</h1>" in (tmp_path / "sub" / "page.html").read_text()
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["page.html"]


def test_documents_of_prepared_texts_are_shown_by_name_and_beginning(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    prepared = prepare(Sources((tmp_path / "texts",)), tmp_path / "data", ALL)
    save_model(random_model(len(prepared.vocabulary), vocabulary=prepared.vocabulary), tmp_path / "model")
    result = run("report", tmp_path / "model", "--data", tmp_path / "data", "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text()
    assert str(tmp_path / "texts" / "00") in page
    assert "document 1<" not in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["topics", "nowhere"], "no such file or folder"),
        (["topics", "empty"], "no model"),
        (["topics", "junk.tar.gz"], "cannot be unpacked"),
        (["report", "job", "--data", "nowhere"], "no such folder"),
        (["report", "job", "--data", "wrong"], "39"),
        (["report", "job", "-o", "job/model/model_algo-1/page.html"], "could not be written"),
    ],
)
def test_a_mistake_is_one_sentence(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong").mkdir()
    write_counts(tmp_path / "wrong" / "a.pbr", random_counts(5, 39), parse_media_type(RECORDIO))
    (tmp_path / "junk.tar.gz").write_bytes(b"junk")
    result = run(*arguments)
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
