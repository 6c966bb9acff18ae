"""``topicdock prepare`` from the shell: options reach the preparation, and mistakes are one sentence."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.prepare.test_preparation import make_texts
from topicdock.cli import main

TOPICDOCK = [sys.executable, "-m", "topicdock"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])


def manifest(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "auxiliary" / "manifest.json").read_text())
    return content


def test_a_folder_becomes_channels_and_the_next_command_is_named(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    result = run(tmp_path / "texts", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "120 documents read" in result.output
    assert f"topicdock train --data {tmp_path / 'out'}" in result.output
    assert manifest(tmp_path / "out")["text_rules"]["language"] == "en"
    assert "the" in manifest(tmp_path / "out")["text_rules"]["stop_words"]


def test_options_are_recorded(tmp_path: Path) -> None:
    make_texts(tmp_path / "texts")
    (tmp_path / "stop.txt").write_text("kabo\nmi'bo\n")
    result = run(
        tmp_path / "texts", "-o", tmp_path / "out", "--language", "de", "--stop-words",
        tmp_path / "stop.txt", "--ngrams", 2, "--min-length", 3,
        "--keep-case", "--strip-accents", "--vocabulary-size", 7, "--min-df", 2, "--max-df", 0.9,
        "--min-words", 1, "--split", "0.5,0.5,0", "--seed", 3, "--parts", 2, "--format", "csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = manifest(tmp_path / "out")
    assert found["text_rules"]["stop_words"] == ["bo", "kabo", "mi", "mi'bo"]
    assert (found["feature_dim"], found["shares"], found["content_type"]) == (7, [0.5, 0.5, 0.0], "text/csv")
    assert (found["vocabulary"]["min_df"], found["vocabulary"]["max_df"]) == (2, 0.9)
    assert (tmp_path / "out" / "validation" / "part-00001.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "no such file or folder"),
        (["texts", "--split", "a"], "three numbers"),
        (["texts", "--split", "1,1,1"], "add up to 1"),
        (["texts", "--from", "texts"], "--from goes with"),
        (["texts", "--encoding", "klingon"], "no encoding 'klingon'"),
        (["texts", "--token-pattern", "("], "not a regular expression"),
        (["texts", "--language", "xx"], "no list of stop words"),
        (["texts", "--min-df", "1.5"], "neither a number of documents nor"),
        (["texts", "--stop-words", "nowhere"], "the words cannot be read"),
        (
            ["texts", "--lemmatizer", "simplemma", "--language", "qq", "--stop-words", "none"],
            "does not know the language",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_texts(tmp_path / "texts")
    result = run(*arguments, "-o", "out")
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_bug_is_no_traceback_unless_one_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("topicdock.cli.prepare.prepare", fail)
    result = run(tmp_path, "-o", tmp_path / "out")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert "ZeroDivisionError: surprise" in result.output
    traced = CliRunner().invoke(main, ["--traceback", "prepare", str(tmp_path), "-o", str(tmp_path / "out")])
    assert isinstance(traced.exception, ZeroDivisionError)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_preparation_leaves_nothing_under_the_outputs_name(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(40):  # 40 batches, some of which are counted when the signal comes
        (folder / f"{number}.jsonl").write_text(
            "".join(f'"{number} ' + " ".join(f"w{line % 97}x{k}" for k in range(60)) + '"\n' for line in range(2000))
        )
    command = [*TOPICDOCK, "prepare", str(folder), "-o", str(tmp_path / "out"), "--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out-*/spool/chunk-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode in (143, -how)
    assert not (tmp_path / "out").exists()
    if how == signal.SIGTERM:
        assert [path.name for path in tmp_path.iterdir()] == ["texts"]
    deadline = time.monotonic() + 30
    while any(map(_runs, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, children))


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""  # empty: it has ended, and nobody has asked how
    except OSError:
        return False
