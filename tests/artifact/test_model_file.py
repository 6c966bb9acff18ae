"""The model directory: what is saved is served again, and what cannot be served is explained."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models import random_counts, random_model
from topicdock.artifact import decode_model, encode_model, load_model, save_model
from topicdock.artifact.ndarray_file import encode_arrays
from topicdock.errors import CustomerError, PlatformError
from topicdock.model import TopicModel

MODEL = random_model(vocabulary=tuple(f"word-{i}" for i in range(30)))


def test_a_saved_model_answers_as_before(tmp_path: Path) -> None:
    save_model(MODEL, tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.transform(random_counts()), MODEL.transform(random_counts()))
    assert loaded.metadata == MODEL.metadata


def test_a_saved_model_knows_how_its_texts_were_cut(tmp_path: Path) -> None:
    model = random_model()
    model.metadata = replace(model.metadata, text_rules={"min_length": 3})
    save_model(model, tmp_path)
    assert load_model(tmp_path).metadata.text_rules == {"min_length": 3}
    assert MODEL.metadata.text_rules is None


def test_the_same_model_is_the_same_file() -> None:
    assert encode_model(MODEL) == encode_model(random_model(vocabulary=MODEL.metadata.vocabulary))


def test_the_archive_has_the_built_ins_entries_uncompressed() -> None:
    archive = zipfile.ZipFile(io.BytesIO(encode_model(MODEL)))
    assert [(i.filename, i.compress_type) for i in archive.infolist()] == [
        ("meta.json", zipfile.ZIP_STORED), ("symbol.json", zipfile.ZIP_STORED), ("params", zipfile.ZIP_STORED),
    ]  # fmt: skip
    assert json.loads(archive.read("meta.json"))["algorithm"] == "ntm"


def test_nothing_is_left_beside_the_model(tmp_path: Path) -> None:
    save_model(MODEL, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model_algo-1"]


def test_the_lowest_number_is_served_and_strangers_are_passed_over(tmp_path: Path) -> None:
    for number in (10, 2):
        (tmp_path / f"model_algo-{number}").write_bytes(encode_model(random_model(seed=number)))
    (tmp_path / "model.tar.gz").write_bytes(b"stray")
    (tmp_path / "model_algo-x").write_bytes(b"stray")
    expected = random_model(seed=2).transform(random_counts())
    np.testing.assert_array_equal(load_model(tmp_path).transform(random_counts()), expected)


def test_a_folder_without_a_model_is_listed(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"stray")
    with pytest.raises(
        CustomerError, match=r"there is no model to serve; got: model.tar.gz; allowed: a file model_algo-1"
    ):
        load_model(tmp_path)
    with pytest.raises(CustomerError, match="no such folder"):
        load_model(tmp_path / "nowhere")


def test_a_model_that_cannot_be_read_is_the_platforms_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PlatformError, match="could not be read: Permission denied"):
        load_model(tmp_path)


def test_a_folder_that_cannot_be_written_is_the_platforms_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlatformError, match="could not be written"):
        save_model(MODEL, tmp_path / "file")


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_nothing_is_left_of_a_model_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(PlatformError, match=r"could not be written to .*: No space left on device"):
        save_model(MODEL, tmp_path)
    assert list(tmp_path.iterdir()) == []


CONTENT = encode_model(MODEL)


@pytest.mark.parametrize("length", sorted({0, 1, 3, 30, 100, *range(200, len(CONTENT), 97), len(CONTENT) - 1}))
def test_a_torn_model_is_a_clear_error(length: int) -> None:
    with pytest.raises(CustomerError, match=r"damaged|lacks"):
        decode_model(CONTENT[:length])


def _rewritten(**entries: bytes) -> bytes:
    source, buffer = zipfile.ZipFile(io.BytesIO(CONTENT)), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            key = name.removesuffix(".json")
            if entries.get(key, b"x"):
                target.writestr(name, entries.get(key, source.read(name)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_rewritten(params=b""), "lacks an entry"),
        (_rewritten(params=b"not arrays at all, I am afraid"), "not an MXNet NDArray file"),
        (_rewritten(meta=b"{"), "metadata is not JSON"),
        (_rewritten(meta=b"[]"), "format that is not known"),
        (_rewritten(meta=b'{"format_version": 99}'), "format that is not known"),
        (_rewritten(meta=b'{"format_version": 1, "algorithm": "x"}'), "cannot be served here"),
        (_rewritten(meta=b'{"format_version": 1, "algorithm": "ntm", "vocabulary": ["a"]}'), "vocabulary does not fit"),
    ],
)
def test_a_model_that_cannot_be_served_is_explained(content: bytes, said: str) -> None:
    with pytest.raises(CustomerError, match=said):
        decode_model(content)


META = json.loads(zipfile.ZipFile(io.BytesIO(CONTENT)).read("meta.json"))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("format_version", True, "format_version True"),
        ("format_version", "1", "format that is not known"),
        ("algorithm", ["ntm"], "cannot be served here"),
        ("algorithm", {}, "cannot be served here"),
        ("hyperparameters", [1], "hyperparameters: .* wrong type"),
        ("hyperparameters", {"encoder_layers_activation": ["relu"]}, "activation"),
        ("vocabulary", 5, "vocabulary: .* wrong type"),
        ("vocabulary", "abc", "vocabulary: .* wrong type"),
        ("training", 3, "training: .* wrong type"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(field: str, value: object, said: str) -> None:
    with pytest.raises(CustomerError, match=said):
        decode_model(_rewritten(meta=json.dumps({**META, field: value}).encode()))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mean_weight", "projection_bias"])
def test_an_array_that_is_not_finite_is_named(name: str, value: float) -> None:
    arrays = {f"arg:{key}": array.copy() for key, array in MODEL.arrays.items()}
    arrays[f"arg:{name}"].flat[-1] = value
    with pytest.raises(CustomerError, match=f"array {name} holds numbers that are not finite"):
        decode_model(_rewritten(params=encode_arrays(arrays)))


SMALL = random_model(3, 2, layers=(2,), vocabulary=("a", "b", "c"))


def _decodes_or_explains(content: bytes) -> None:
    try:
        assert isinstance(decode_model(content), TopicModel)
    except CustomerError as error:
        assert str(error)  # noqa: PT017 - a damaged file may also still be a model


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_no_flipped_byte_of_a_model_is_more_than_a_clear_error(mask: int) -> None:
    whole = encode_model(SMALL)
    for place in range(len(whole)):
        _decodes_or_explains(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])


@pytest.mark.parametrize("entry", ["meta", "params"])
def test_no_flipped_byte_of_an_entry_is_more_than_a_clear_error(entry: str) -> None:
    archive = zipfile.ZipFile(io.BytesIO(encode_model(SMALL)))
    whole = archive.read("meta.json" if entry == "meta" else "params")
    entries = {"meta": archive.read("meta.json"), "params": archive.read("params")}
    for place in range(len(whole)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :]
            _decodes_or_explains(_rewritten(**{**entries, entry: damaged}))
