"""Every kind of source gives its documents, and what cannot be read is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets._twenty_newsgroups import (
    strip_newsgroup_footer,
    strip_newsgroup_header,
    strip_newsgroup_quoting,
)

from topicdock.errors import CustomerError
from topicdock.prepare import Sources, sources
from topicdock.prepare.batches import BINARY, FALLEN_BACK, Document, RowBatch
from topicdock.prepare.newsgroups import PARTS, strip_parts

ROWS = [
    {"id": "a", "title": "First", "text": 'one, "two"\nthree'},
    {"id": "b", "title": "Zweiter", "text": "für — 数学"},
    {"id": "c", "title": "", "text": ""},
]


def read(source: Sources, notes: Counter[str] | None = None) -> list[Document]:
    notes = Counter() if notes is None else notes
    batches = source.batches(source.list_files())
    return [document for batch in batches for document in batch.read(source.reading, notes)]


def write_table(path: Path) -> None:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
        return
    text = io.StringIO(newline="")
    if ".json" in path.suffixes:
        text.write(json.dumps(ROWS, indent=1))
    elif ".jsonl" in path.suffixes:
        text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    else:
        writer = csv.DictWriter(text, list(ROWS[0]), delimiter="\t" if ".tsv" in path.suffixes else ",")
        writer.writeheader()
        writer.writerows(ROWS)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    "name", ["d.csv", "d.csv.gz", "d.tsv", "d.json", "d.json.gz", "d.jsonl", "d.jsonl.gz", "d.parquet"]
)  # fmt: skip
def test_a_table_gives_its_texts_and_names(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name)
    source = Sources((tmp_path / name,), columns=("title", "text"), name_column="id")
    assert read(source) == [(row["id"], f"{row['title']}\n{row['text']}") for row in ROWS]


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name)
    with pytest.raises(CustomerError, match=r"no column 'body'.*'id', 'title', 'text'.*--text-column"):
        read(Sources((tmp_path / name,), columns=("body",)))


def test_a_folder_gives_a_document_for_each_text_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, content in {
        "b.txt": "plain", "a": "no suffix", "sub/c.md.gz": gzip.compress(b"packed"), ".hidden": "x", "empty": "",
        "mark.txt": b"\xef\xbb\xbfmark", "utf16.txt": "wide".encode("utf-16"), "old.txt": b"caf\xe9 \x81",
        "picture.png": b"\x89PNG\0\0",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else str(content).encode())
    notes: Counter[str] = Counter()
    found = {str(Path(name).relative_to(tmp_path)): text for name, text in read(Sources((tmp_path,)), notes)}
    assert found == {
        "a": "no suffix", "b.txt": "plain", "mark.txt": "mark", "old.txt": "café \N{REPLACEMENT CHARACTER}",
        "sub/c.md.gz": "packed", "utf16.txt": "wide",
    }  # fmt: skip
    assert notes == {BINARY: 1, FALLEN_BACK: 1}


def test_an_encoding_that_was_asked_for_is_held_to(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("caf\xe9".encode("latin-1"))
    assert read(Sources((tmp_path,), encoding="latin-1"))[0][1] == "café"
    with pytest.raises(CustomerError, match=r"a\.txt: the text is not UTF-8; got: byte 0xe9.*--encoding"):
        read(Sources((tmp_path,), encoding="utf-8"))


def test_lines_are_documents_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\r\nthree")
    path = tmp_path / "a.txt"
    assert read(Sources((path,), kind="lines")) == [
        (f"{path}, line 1", "one"), (f"{path}, line 3", "two\r"), (f"{path}, line 4", "three"),
    ]  # fmt: skip


@given(st.lists(st.integers(0, 40), max_size=30), st.booleans())
def test_a_file_of_lines_may_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], ended: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    texts = ["x" * size + str(number) for number, size in enumerate(sizes)]
    path.write_text("\n".join(map(json.dumps, texts)) + ("\n" if ended else ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BATCH_BYTES", 16)
        found = read(Sources((path,))) if path.stat().st_size else []
    assert found == [(f"{path}, line {number + 1}", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "line 2: the line is not JSON"),
        ("a.jsonl", b'{"text": "x"}\n\n[1]\n', "line 3: this is no JSON object"),
        ("a.jsonl", b'{"text": 7}\n', "line 1: the column 'text' does not hold text; got: 7"),
        ("a.json", b'{"text": "x"}\n{"text": "y"}', "not JSON.*--kind jsonlines"),
        ("a.json", b'{"text": "x"}', "no list of documents"),
        ("a.json", b'["x", 7]', "item 2: this is no JSON object"),
        ("a.csv", b"id,text\n1,x\n2,y,z\n", "row 3: the row has not as many fields"),
        ("a.csv", b'text\n"x\n', "after row 1: the row is not CSV"),
        ("a.csv", b"text\nx\n\xff\n", "the text is not UTF-8"),
        ("a.csv.gz", b"text\n", "cannot be read to its end"),
        ("a.jsonl.gz", b"\x1f\x8b\x08\x00", "cannot be read to its end"),
        ("a.txt.gz", b"text", "cannot be read"),
        ("a.parquet", b"PAR1", "not Parquet, or is damaged"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CustomerError, match=rf"{name}.*{says}"):
        read(Sources((tmp_path / name,)))


def test_nothing_to_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match="nothing to read"):
        Sources((tmp_path,)).list_files()
    with pytest.raises(CustomerError, match="no such file"):
        Sources((tmp_path / "nowhere",)).list_files()


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CustomerError, match="pip install pyarrow"):
        read(Sources((tmp_path / "a.parquet",)))


POST = st.lists(st.sampled_from(["From: me", "", "--", "> quoted", "he writes:", "text", " - ", "In article 7", "| q"]))


@given(POST.map("\n".join))
def test_posts_are_stripped_as_scikit_learn_does(post: str) -> None:
    assert strip_parts(post, PARTS) == strip_newsgroup_footer(strip_newsgroup_quoting(strip_newsgroup_header(post)))
    assert strip_parts(post, ()) == post


def test_a_copy_of_the_newsgroups_is_read_as_the_notebook_does(tmp_path: Path) -> None:
    (tmp_path / "sci.space").mkdir()
    post = "From: me\nSubject: orbit\n\nYou wrote:\n> old\nThe caf\xe9 in orbit\nturns.\n\n-- \nsignature\n"
    (tmp_path / "sci.space" / "60001").write_bytes(post.encode("latin-1"))
    assert [text for _, text in read(sources.newsgroups_in(tmp_path))] == ["The café in orbit\nturns.\n"]


def test_newsgroups_are_fetched_by_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    class Posts:
        target_names = ("sci.space", "rec.autos")
        target = (1, 0)
        data = ("H\n\ncars", "H\n\norbit")

    asked: list[object] = []

    def fetch(**options: object) -> Posts:
        asked.append(options)
        return Posts()

    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", fetch)
    (batch,) = sources.fetch_batches()
    assert asked == [{"subset": "all", "shuffle": False}]
    assert batch == RowBatch(15, (("rec.autos/0", "H\n\ncars"), ("sci.space/1", "H\n\norbit")))

    def offline(**_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", offline)
    with pytest.raises(CustomerError, match=r"could not be fetched; got: no route; to do: unpack .* --from"):
        sources.fetch_batches()
