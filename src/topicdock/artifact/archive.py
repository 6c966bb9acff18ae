"""The file of a neural model: a ZIP of stored entries, as users of the built-in NTM unpack and read it.

``params`` (MXNet's NDArray format, names prefixed ``arg:``), ``symbol.json`` (an MXNet graph from counts to topic
weights) and ``meta.json`` (everything that is not an array).
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib

from topicdock.artifact.meta import check_vocabulary, decode_meta, encode_meta
from topicdock.artifact.ndarray_file import decode_finite_arrays, encode_arrays
from topicdock.artifact.symbol import encode_symbol
from topicdock.errors import CustomerError
from topicdock.model import MODELS, TopicModel

_PREFIX = "arg:"
# What zipfile lets through of a damaged archive, the errors of its decompressors and of a seek among them.
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, EOFError, OSError,
    ValueError, OverflowError,
)  # fmt: skip
# Entries carry the oldest date a ZIP can hold, so that the same model is the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


def encode_archive(model: TopicModel) -> bytes:
    """Return the bytes of the ZIP; the same model gives the same bytes."""
    entries = {
        "meta.json": encode_meta(model),
        "symbol.json": encode_symbol(model),
        "params": encode_arrays({_PREFIX + name: array for name, array in model.arrays.items()}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    return buffer.getvalue()


def decode_archive(content: bytes) -> TopicModel:
    """Return the model in a ZIP.

    Raises
    ------
    CustomerError
        It is damaged, or not one that topicdock wrote.
    """
    entries = _read_entries(content)
    algorithm, metadata = decode_meta(entries["meta.json"])
    arrays = decode_finite_arrays(entries["params"], _PREFIX)
    if not isinstance(arrays, dict):
        raise CustomerError("the model's params name no arrays", todo="serve a model that topicdock trained")
    if not isinstance(algorithm, str) or algorithm not in MODELS:
        raise CustomerError(
            "the model was fitted by an algorithm that cannot be served here",
            got=repr(algorithm)[:100],
            allowed=", ".join(MODELS),
            todo="serve a model that topicdock trained, with this version of topicdock or a newer one",
        )
    model = MODELS[algorithm](arrays, metadata)
    check_vocabulary(model)
    return model


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
