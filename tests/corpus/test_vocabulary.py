from __future__ import annotations

import logging
from pathlib import Path

import pytest

from topicdock.corpus import read_vocabulary, write_vocabulary
from topicdock.errors import CustomerError


@pytest.mark.parametrize(
    "text", ["a\nb b\nç\n", "a\nb b\nç", "a\r\nb b\r\nç\r\n", "\ufeffa\nb b\nç\n", " a \nb b\t\nç\n\n\n", "a\rb b\rç"]
)
def test_words_are_read_however_the_lines_end(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "vocab.txt").write_bytes(text.encode())
    assert read_vocabulary(tmp_path / "vocab.txt", 3) == ("a", "b b", "ç")
    assert not caplog.messages


def test_characters_that_only_look_like_line_ends_stay_in_their_word(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "vocab.txt", ["a\u2028b", "c\x0bd"])
    assert read_vocabulary(tmp_path / "vocab.txt", 2) == ("a\u2028b", "c\x0bd")


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("a\nb\nc\nd\n", ("a", "b", "c"), "vocab.txt has 4 words while feature_dim is 3: the last ones are left out."),
        ("a\n", ("a", "1", "2"), "has 1 words while feature_dim is 3: the missing ones are shown as their ids."),
        ("", ("0", "1", "2"), "has 0 words"),
    ],
)
def test_a_wrong_number_of_words_is_mended_with_a_warning(
    tmp_path: Path, text: str, words: tuple[str, ...], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vocab.txt").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert words == read_vocabulary(tmp_path / "vocab.txt", 3)
    assert message in caplog.text


def test_a_blank_line_is_shown_as_its_id(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\n\nc\n")
    assert read_vocabulary(tmp_path / "vocab.txt", 3) == ("a", "1", "c")


def test_bytes_that_are_no_text_are_a_customer_error(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"a\nb\xff\n")
    with pytest.raises(CustomerError, match=r"^vocab\.txt, line 2: .*not UTF-8 text; got: byte 0xff"):
        read_vocabulary(tmp_path / "vocab.txt", 2)
