"""Word vectors as word2vec and GloVe write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from topicdock.corpus.word_vectors import read_word_vectors
from topicdock.errors import CustomerError

VOCABULARY = ("cat", "dog", "naïve", "unknown")
GLOVE = "the 9 9 9\ndog 4 5 6.5\ncat 1 2 -3e-1\nnaïve 7 8 9\n"
EXPECTED = np.array([[1, 2, -0.3], [4, 5, 6.5], [7, 8, 9], [0, 0, 0]], np.float32)


@pytest.mark.parametrize("text", [GLOVE, "4 3\n" + GLOVE, GLOVE.replace("\n", "\r\n"), GLOVE.rstrip(), GLOVE + "\n"])
def test_both_formats_give_the_vocabularys_vectors(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(text.encode())
    found = read_word_vectors(path, VOCABULARY)
    np.testing.assert_array_equal(found.vectors, EXPECTED)
    assert found.known.tolist() == [True, True, True, False]


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(GLOVE.encode()))
    np.testing.assert_array_equal(read_word_vectors(path, VOCABULARY).vectors, EXPECTED)


@pytest.mark.parametrize("line", ["cat 1 2", "cat 1 2 3 4", "cat 1 x 3", "cat 1 2 nan"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("dog 1 2 3\n" + line)
    with pytest.raises(CustomerError, match=r"vectors.txt, line 2: the line is not a word and its vector; got: cat 1"):
        read_word_vectors(path, VOCABULARY)


NO_VECTORS = [
    b"",
    b"\n",
    b"word\n",
    b"4 3\n",
    b"cat\t17\ndog\t4\n",
    b"cat 0.5\ndog 0.25\n",
    b"word count share\ncat 17 0.5\n",
    b"# About these words\n\ncat and dog\n",
    b"cat,1,2,3\n",
]


@pytest.mark.parametrize("content", NO_VECTORS)
def test_a_file_without_vectors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(CustomerError, match=r"^vectors\.txt.*holds no word vectors.*at least 2 finite numbers.*to do"):
        read_word_vectors(path, VOCABULARY)


def test_vectors_of_other_words_only_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("Katze 1 2\nHund 3 4\n")
    with pytest.raises(CustomerError, match=r"^vectors\.txt: .*got: 0 of 4 words known; .*to do: "):
        read_word_vectors(path, VOCABULARY)


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_float32_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    for text in ("cat 1e39 2\n", "dog 1 2\ncat 1e39 2\n"):
        path.write_text(text)
        with pytest.raises(CustomerError, match="finite numbers"):
            read_word_vectors(path, VOCABULARY)


def test_a_packed_file_with_any_byte_spoilt_raises_nothing_but_a_customer_error(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt.gz"
    whole = gzip.compress(GLOVE.encode())
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_word_vectors(path, VOCABULARY)
        except CustomerError:
            continue


def test_a_torn_packed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(GLOVE.encode() * 100)[:-20])
    with pytest.raises(CustomerError, match="cannot be unpacked"):
        read_word_vectors(path, VOCABULARY)
