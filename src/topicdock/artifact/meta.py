"""What a model knows about itself beside its arrays, as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from topicdock import __version__
from topicdock.errors import CustomerError
from topicdock.model import Metadata, TopicModel

FORMAT_VERSION = 1


def encode_meta(model: TopicModel, arrays_digest: str | None = None) -> bytes:
    """Return the JSON of everything about `model` that is not an array.

    `arrays_digest` is that of the arrays' own file, where they have one.
    """
    metadata = model.metadata
    content = {
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
    if arrays_digest is not None:
        content["arrays_digest"] = arrays_digest
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def digest_of(text: bytes) -> str | None:
    """Return the digest in metadata that :func:`decode_meta` accepts."""
    found = orjson.loads(text).get("arrays_digest")
    return found if isinstance(found, str) else None


def decode_meta(text: bytes) -> tuple[Any, Metadata]:
    """Return the algorithm's name, as it stands there, and the metadata.

    Raises
    ------
    CustomerError
        It is not JSON, of an unknown version, or has fields of the wrong type.
    """
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CustomerError("the model's metadata is not JSON", got=str(error)) from error
    meta: dict[str, Any] = content if isinstance(content, dict) else {}
    version = meta.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise CustomerError(
            "the model's metadata is of a format that is not known",
            got=f"format_version {version!r}"[:100],
            allowed=f"1 to {FORMAT_VERSION}",
            todo="serve it with the version of topicdock that trained it, or train again",
        )
    vocabulary = _field(meta, "vocabulary", list, "a list of words, or null")
    metadata = Metadata(
        hyperparameters=_field(meta, "hyperparameters", dict, "an object, or null") or {},
        vocabulary=None if vocabulary is None else tuple(map(str, vocabulary)),
        training=_field(meta, "training", dict, "an object, or null") or {},
        text_rules=_field(meta, "text_rules", dict, "an object, or null"),
    )
    return meta.get("algorithm"), metadata


def check_vocabulary(model: TopicModel) -> None:
    """Raise CustomerError if the model's vocabulary has another size than its arrays."""
    vocabulary = model.metadata.vocabulary
    if vocabulary is not None and len(vocabulary) != model.feature_dim:
        raise CustomerError(
            "the model's vocabulary does not fit its arrays",
            got=f"{len(vocabulary)} words",
            allowed=f"{model.feature_dim} words",
        )


def _field(meta: dict[str, Any], name: str, kind: type, allowed: str) -> Any:
    value = meta.get(name)
    if value is not None and not isinstance(value, kind):
        raise CustomerError(
            "the model's metadata has a field of the wrong type", where=name, got=repr(value)[:100], allowed=allowed
        )
    return value
