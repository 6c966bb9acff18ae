"""The model directory, both ways: ``model_algo-1`` as users of the built-ins read it.

The file of a neural model is a ZIP archive, that of LDA a list of two arrays.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from topicdock.artifact.archive import decode_archive, encode_archive
from topicdock.artifact.array_list import decode_list, digest, encode_list
from topicdock.artifact.meta import encode_meta
from topicdock.artifact.ndarray_file import LIST_MAGIC
from topicdock.errors import CustomerError, PlatformError
from topicdock.model import DirichletTopicModel, TopicModel

MODEL_NAME = "model_algo-1"
_MODEL_PATTERN = re.compile(r"model_algo-(\d+)")


def save_model(model: TopicModel, folder: Path) -> Path:
    """Write `model` to ``folder/model_algo-1`` and return that path.

    Beside the list of an LDA model, ``meta_algo-1.json`` takes what the list has no room for. A file appears under its
    name only when it is whole.

    Raises
    ------
    PlatformError
        The folder cannot be written.
    """
    path = folder / MODEL_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = encode_model(model)
        if _is_list(model):
            _write(_meta_path(path), encode_meta(model, digest(content)))
        else:
            _meta_path(path).unlink(missing_ok=True)
        _write(path, content)
    except OSError as error:
        raise PlatformError(f"The model could not be written to {path}: {error.strerror or error}.") from error
    return path


def encode_model(model: TopicModel) -> bytes:
    """Return the bytes of ``model_algo-1``; the same model gives the same bytes."""
    return encode_list(model) if _is_list(model) else encode_archive(model)


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
            meta = _meta_path(candidates[0])
            return decode_model(candidates[0].read_bytes(), meta.read_bytes() if meta.is_file() else None)
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


def decode_model(content: bytes, meta: bytes | None = None) -> TopicModel:
    """Return the model that the bytes of a ``model_algo-1`` hold; `meta` are those of the file beside a list.

    Raises
    ------
    CustomerError
        They are not such a file, or not one that can be served.
    """
    if content[:8] == LIST_MAGIC.to_bytes(8, "little"):
        return decode_list(content, meta)
    return decode_archive(content)


def _is_list(model: TopicModel) -> bool:
    return isinstance(model, DirichletTopicModel)


def _meta_path(path: Path) -> Path:
    """Return where the metadata of a list stands: under a name that no notebook takes for a model."""
    return path.with_name(f"{path.name.replace('model', 'meta', 1)}.json")


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".model-", delete=False) as temporary:
        try:
            temporary.write(content)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).chmod(0o644)
            Path(temporary.name).replace(path)
        except BaseException:
            Path(temporary.name).unlink()  # SageMaker would pack it
            raise


def _find_models(folder: Path) -> list[Path]:
    """Return the files ``model_algo-*``, lowest number first."""
    numbered = [
        (int(match[1]), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _MODEL_PATTERN.fullmatch(path.name)) and path.is_file()
    ]
    return [path for _, path in sorted(numbered)]


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "an empty folder"
