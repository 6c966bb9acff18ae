"""Word vectors in every format: the same words get the same numbers, and damage is named."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from safetensors.numpy import save_file

from topicdock.corpus.vector_files import read_vector_file
from topicdock.errors import CustomerError

VOCABULARY = ("cat", "dog", "naïve", "unknown")
WORDS = ["the", "dog", "naïve", "cat"]
ROWS = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
EXPECTED = np.stack([ROWS[3], ROWS[1], ROWS[2], np.zeros(7, np.float32)])


def write(folder: Path, form: str) -> Path:
    """Write WORDS and ROWS in a format, by another library where there is one."""
    vectors = KeyedVectors(7)
    vectors.add_vectors(WORDS, ROWS)
    path = folder / f"vectors.{form}"
    if form.endswith("txt"):
        vectors.save_word2vec_format(str(folder / "plain"), binary=False)
    elif form.removesuffix(".gz") in ("bin", "model"):
        vectors.save_word2vec_format(str(folder / "plain"), binary=True)
    else:
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
        if form == "npy":
            np.save(path, ROWS)
        else:
            save_file({"vectors": ROWS, "bias": ROWS[0].copy()}, path)
        return path
    content = (folder / "plain").read_bytes()
    path.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("form", ["txt", "bin", "bin.gz", "model", "npy", "safetensors"])
def test_every_format_gives_each_word_its_vector(tmp_path: Path, form: str) -> None:
    found = read_vector_file(write(tmp_path, form), VOCABULARY, 4)
    np.testing.assert_allclose(found.vectors, EXPECTED, rtol=1e-6)
    assert found.known.tolist() == [True, True, True, False]


def test_the_binary_format_may_end_each_vector_with_a_newline(tmp_path: Path) -> None:
    records = b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(WORDS, ROWS, strict=True))
    (tmp_path / "v.bin").write_bytes(b"4 7\n" + records)
    np.testing.assert_array_equal(read_vector_file(tmp_path / "v.bin", VOCABULARY, 4).vectors, EXPECTED)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, None])
def test_rows_without_words_are_those_of_the_corpus(tmp_path: Path, vocabulary: tuple[str, ...] | None) -> None:
    np.save(tmp_path / "v.npy", ROWS.astype(np.float64))
    found = read_vector_file(tmp_path / "v.npy", vocabulary, 4)
    np.testing.assert_array_equal(found.vectors, ROWS)
    assert found.known.all()


def test_as_many_rows_as_words_are_needed_where_nothing_names_them(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    with pytest.raises(CustomerError, match=r"^v\.npy: .*got: 4 vectors; allowed: 5 vectors, as feature_dim = 5"):
        read_vector_file(tmp_path / "v.npy", None, 5)


def test_words_beside_the_vectors_must_be_as_many(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "vocab.txt").write_text("cat\ndog\n")
    with pytest.raises(CustomerError, match="got: 4 vectors and 2 words"):
        read_vector_file(tmp_path / "v.npy", VOCABULARY, 4)


def test_vectors_of_words_need_the_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match=r"need the words of the corpus.*vocab\.txt"):
        read_vector_file(write(tmp_path, "txt"), None, 4)


@pytest.mark.parametrize(
    "array",
    [
        ROWS[0],
        ROWS[None],
        ROWS[:, :1],
        ROWS.astype(complex),
        np.array([["a", "b"]] * 4),
        np.zeros((4, 70_000), np.int8),
    ],
    ids=["one row", "three dimensions", "one number", "complex", "text", "too long"],
)
def test_an_array_that_is_no_word_vectors_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(CustomerError, match=r"^v\.npy: the file holds no word vectors; got: an array of .* of shape"):
        read_vector_file(tmp_path / "v.npy", VOCABULARY, 4)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CustomerError, match="cannot be read"):
        read_vector_file(tmp_path / "v.npy", VOCABULARY, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused_by_word_where_they_are_needed(tmp_path: Path, bad: float) -> None:
    rows = ROWS.astype(np.float64)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    rows[0, 2] = bad  # of a word that the corpus lacks
    np.save(tmp_path / "v.npy", rows)
    assert read_vector_file(tmp_path / "v.npy", VOCABULARY, 4).known.sum() == 3
    rows[1, 2] = bad
    np.save(tmp_path / "v.npy", rows)
    with pytest.raises(CustomerError, match="got: 1 such words, the first of them 'dog'"):
        read_vector_file(tmp_path / "v.npy", VOCABULARY, 4)


def test_a_safetensors_file_must_hold_one_matrix(tmp_path: Path) -> None:
    save_file({"a": ROWS, "b": ROWS}, tmp_path / "v.safetensors")
    with pytest.raises(CustomerError, match="one matrix of word vectors; got: the tensors a, b"):
        read_vector_file(tmp_path / "v.safetensors", VOCABULARY, 4)


def test_vectors_of_other_words_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match="got: 0 of 2 words known"):
        read_vector_file(write(tmp_path, "bin"), ("Katze", "Hund"), 2)


@pytest.mark.parametrize("form", ["bin", "bin.gz", "npy", "safetensors"])
def test_a_file_cut_short_anywhere_raises_nothing_but_a_customer_error(tmp_path: Path, form: str) -> None:
    path = write(tmp_path, form)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(CustomerError):
            read_vector_file(path, VOCABULARY, 4)


@pytest.mark.parametrize(
    "header", [b"", b"4\n", b"0 7\n", b"4 1\n", b"4 99999999\n", b"99999999999 7\n", b"\xff\xfe 3\n"]
)
def test_a_binary_file_with_a_wrong_first_line_is_refused(tmp_path: Path, header: bytes) -> None:
    stream = io.BytesIO(write(tmp_path, "bin").read_bytes())
    stream.readline()
    (tmp_path / "v.bin").write_bytes(header + stream.read())
    with pytest.raises(CustomerError, match=r"^v\.bin: the file of word vectors cannot be read"):
        read_vector_file(tmp_path / "v.bin", VOCABULARY, 4)
