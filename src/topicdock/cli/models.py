"""Finding a model, and the documents that go with it, from what a person names on the command line."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path

from topicdock.artifact import load_model
from topicdock.contract.layout import Layout
from topicdock.corpus import CSV, JSONLINES, RECORDIO, parse_media_type, read_counts
from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.report import Documents
from topicdock.text.manifest import MANIFEST

MODEL_HELP = "a job's folder, a folder with model_algo-1, that file, or model.tar.gz"
_TRAIN = "train"
_TYPES = {".csv": CSV, ".jsonl": JSONLINES, ".ndjson": JSONLINES}


def open_model(path: Path) -> TopicModel:
    """Load the model that `path` names: a job's folder, a model directory, a model file, or model.tar.gz.

    Raises
    ------
    CustomerError
        There is none.
    """
    if not path.exists():
        raise CustomerError("there is no such file or folder", where=str(path), allowed=MODEL_HELP)
    if path.is_dir():
        inside = Layout(path).model
        return load_model(inside if inside.is_dir() else path)
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return _unpack(path)
    return load_model_file(path)


def load_model_file(path: Path) -> TopicModel:
    """Load one file, whatever it is called; LDA's has a second one beside it, of its name and ``.json``."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", ".json"):
            beside = path.resolve().with_name(path.name + suffix)
            if beside.is_file():
                (Path(folder) / f"model_algo-1{suffix}").symlink_to(beside)
        return load_model(Path(folder))


def _unpack(path: Path) -> TopicModel:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise CustomerError("the archive cannot be unpacked", where=str(path), got=str(error)) from error
        return load_model(Path(folder))


def find_documents(model: TopicModel, given: Path | None, model_path: Path) -> Documents | None:
    """Read the documents to look at a model by.

    Parameters
    ----------
    given : Path, optional
        What topicdock prepare wrote, or a folder with data files; without it, the job's own training channel if
        `model_path` is a job's folder.
    """
    channel = Layout(model_path).channel(_TRAIN)
    if given is None:
        if not channel.is_dir():
            return None
        folder = channel.resolve()
    elif (given / _TRAIN).is_dir():
        folder = (given / _TRAIN).resolve()
    elif given.is_dir():
        folder = given.resolve()
    else:
        raise CustomerError("there is no such folder", where=str(given), allowed="what topicdock prepare wrote")
    try:
        counts = read_counts(folder, parse_media_type(guess_media_type(folder)), model.feature_dim)
    except CustomerError as error:
        raise error.inside(str(folder)) from error
    names, texts = _read_about(folder, counts.shape[0])
    return Documents(counts, names, texts)


def guess_media_type(folder: Path) -> str:
    """Say what a channel's files are: by the manifest beside it, else by the ends of their names."""
    try:
        manifest = json.loads((folder.parent / "auxiliary" / MANIFEST).read_text(encoding="utf-8"))
        return str(manifest["content_type"])
    except (OSError, ValueError, KeyError, TypeError):
        suffixes = {path.name.lower().removesuffix(".gz")[-6:] for path in folder.rglob("*") if path.is_file()}
        for suffix, media_type in _TYPES.items():
            if any(name.endswith(suffix) for name in suffixes):
                return media_type
        return RECORDIO


def _read_about(folder: Path, documents: int) -> tuple[list[str] | None, list[str] | None]:
    """Read names and beginnings of a channel's documents, if topicdock prepare left them."""
    try:
        lines = (folder.parent / "documents" / f"{folder.name}.jsonl").read_bytes().splitlines()
        about = [json.loads(line) for line in lines]
        if len(about) != documents:
            return None, None
        return [str(item["name"]) for item in about], [str(item["text"]) for item in about]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
