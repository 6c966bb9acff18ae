"""The model directory, both ways: ``model_algo-1`` as users of the built-in NTM unpack and read it.

``model_algo-1`` is a ZIP of stored entries: ``params`` (MXNet's NDArray format, names prefixed ``arg:``),
``symbol.json`` (an MXNet graph from counts to topic weights) and ``meta.json`` (everything that is not an array).
"""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from topicdock import __version__
from topicdock.artifact.ndarray_file import decode_arrays, encode_arrays
from topicdock.artifact.symbol import encode_symbol
from topicdock.errors import CustomerError, PlatformError
from topicdock.model import MODELS, Metadata, TopicModel
from topicdock.model.topic_model import Floats

FORMAT_VERSION = 1
MODEL_NAME = "model_algo-1"
_MODEL_PATTERN = re.compile(r"model_algo-(\d+)")
_PREFIX = "arg:"
# What zipfile lets through of a damaged archive, the errors of its decompressors and of a seek among them.
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, EOFError, OSError,
    ValueError, OverflowError,
)  # fmt: skip
# Entries carry the oldest date a ZIP can hold, so that the same model is the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


def save_model(model: TopicModel, folder: Path) -> Path:
    """Write `model` to ``folder/model_algo-1`` and return that path.

    The file appears under its name only when it is whole.

    Raises
    ------
    PlatformError
        The folder cannot be written.
    """
    path = folder / MODEL_NAME
    content = encode_model(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".model-", delete=False) as temporary:
            try:
                temporary.write(content)
                temporary.flush()
                os.fsync(temporary.fileno())
                Path(temporary.name).chmod(0o644)
                Path(temporary.name).replace(path)
            except BaseException:
                Path(temporary.name).unlink()  # SageMaker would pack it
                raise
    except OSError as error:
        raise PlatformError(f"The model could not be written to {path}: {error.strerror or error}.") from error
    return path


def encode_model(model: TopicModel) -> bytes:
    """Return the bytes of ``model_algo-1``; the same model gives the same bytes."""
    entries = {
        "meta.json": orjson.dumps(_describe(model), option=orjson.OPT_INDENT_2),
        "symbol.json": encode_symbol(model),
        "params": encode_arrays({_PREFIX + name: array for name, array in model.arrays.items()}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    return buffer.getvalue()


def load_model(folder: Path) -> TopicModel:
    """Load the lowest-numbered ``model_algo-*`` of a model directory.

    Raises
    ------
    CustomerError
        There is none, it is damaged, or another program wrote it in a way that cannot be served.
    PlatformError
        The folder or the file cannot be read.
    """
    try:
        candidates = _find_models(folder)
        if candidates:
            return decode_model(candidates[0].read_bytes())
    except CustomerError as error:
        raise error.inside(str(candidates[0])) from error
    except OSError as error:
        raise PlatformError(f"The model in {folder} could not be read: {error.strerror or error}.") from error
    raise CustomerError(
        "there is no model to serve",
        where=str(folder),
        got=_listing(folder),
        allowed="a file model_algo-1, as training writes it into model.tar.gz",
        todo="unpack model.tar.gz into this folder",
    )


def _find_models(folder: Path) -> list[Path]:
    """Return the files ``model_algo-*``, lowest number first."""
    numbered = [
        (int(match[1]), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _MODEL_PATTERN.fullmatch(path.name)) and path.is_file()
    ]
    return [path for _, path in sorted(numbered)]


def decode_model(content: bytes) -> TopicModel:
    """Return the model that the bytes of a ``model_algo-1`` hold.

    Raises
    ------
    CustomerError
        They are not such a file, or not one that topicdock wrote.
    """
    entries = _read_entries(content)
    meta = _parse_meta(entries["meta.json"])
    named = _name_arrays(entries["params"])
    algorithm = meta.get("algorithm")
    if not isinstance(algorithm, str) or algorithm not in MODELS:
        raise CustomerError(
            "the model was fitted by an algorithm that cannot be served here",
            got=repr(algorithm)[:100],
            allowed=", ".join(MODELS),
            todo="serve a model that topicdock trained, with this version of topicdock or a newer one",
        )
    vocabulary = _field(meta, "vocabulary", list, "a list of words, or null")
    metadata = Metadata(
        hyperparameters=_field(meta, "hyperparameters", dict, "an object, or null") or {},
        vocabulary=None if vocabulary is None else tuple(map(str, vocabulary)),
        training=_field(meta, "training", dict, "an object, or null") or {},
        text_rules=_field(meta, "text_rules", dict, "an object, or null"),
    )
    model = MODELS[algorithm](named, metadata)
    if metadata.vocabulary is not None and len(metadata.vocabulary) != model.feature_dim:
        raise CustomerError(
            "the model's vocabulary does not fit its arrays",
            got=f"{len(metadata.vocabulary)} words",
            allowed=f"{model.feature_dim} words",
        )
    return model


def _name_arrays(params: bytes) -> dict[str, Floats]:
    arrays = decode_arrays(params)
    if not isinstance(arrays, dict):
        raise CustomerError("the model's params name no arrays", todo="serve a model that topicdock trained")
    with np.errstate(all="ignore"):  # what overflows shows in the result, which is checked
        named = {name.removeprefix(_PREFIX): np.asarray(array, np.float32) for name, array in arrays.items()}
    for name, array in named.items():
        if not np.isfinite(array).all():
            raise CustomerError(
                f"the model's array {name} holds numbers that are not finite",
                got=f"{np.count_nonzero(~np.isfinite(array))} of {array.size}",
                todo="copy the model file again, whole, or train again",
            )
    return named


def _field(meta: dict[str, Any], name: str, kind: type, allowed: str) -> Any:
    value = meta.get(name)
    if value is not None and not isinstance(value, kind):
        raise CustomerError(
            "the model's meta.json has a field of the wrong type", where=name, got=repr(value)[:100], allowed=allowed
        )
    return value


def _describe(model: TopicModel) -> dict[str, Any]:
    metadata = model.metadata
    return {
        "format_version": FORMAT_VERSION,
        "topicdock_version": __version__,
        "algorithm": model.algorithm,
        "num_topics": model.num_topics,
        "feature_dim": model.feature_dim,
        "hyperparameters": dict(metadata.hyperparameters),
        "training": dict(metadata.training),
        "text_rules": None if metadata.text_rules is None else dict(metadata.text_rules),
        "vocabulary": None if metadata.vocabulary is None else list(metadata.vocabulary),
    }


def _read_entries(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in ("meta.json", "params")}
    except _ZIP_ERRORS as error:
        raise CustomerError(
            "the model file is damaged or not a ZIP archive", got=str(error), todo="copy the model file again, whole"
        ) from error
    except KeyError as error:
        raise CustomerError(
            "the model file lacks an entry", got=str(error).strip("'\""), allowed="meta.json, symbol.json and params"
        ) from error


def _parse_meta(text: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CustomerError("the model's meta.json is not JSON", got=str(error)) from error
    meta: dict[str, Any] = content if isinstance(content, dict) else {}
    version = meta.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise CustomerError(
            "the model's meta.json is of a format that is not known",
            got=f"format_version {version!r}"[:100],
            allowed=f"1 to {FORMAT_VERSION}",
            todo="serve it with the version of topicdock that trained it, or train again",
        )
    return meta


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "an empty folder"
