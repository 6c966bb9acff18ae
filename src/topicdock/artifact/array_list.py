"""The file of an LDA model: MXNet's raw NDArray list ``[alpha (K,), beta (K, V)]``, as users of the built-in read it.

``alpha, beta = mxnet.nd.load("model_algo-1")`` is what notebooks do, and Amazon documents how to change the arrays,
save them with ``mxnet.nd.save`` and host them again. So what the list has no room for (vocabulary, hyperparameters)
stands in a file beside it, which counts only as far as it fits the list.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

from topicdock.artifact.meta import decode_meta, digest_of
from topicdock.artifact.ndarray_file import decode_finite_arrays, encode_arrays
from topicdock.errors import CustomerError
from topicdock.model import DirichletTopicModel, Metadata, TopicModel
from topicdock.model.topic_model import Floats
from topicdock.text import TextRules

_logger = logging.getLogger(__name__)


def encode_list(model: TopicModel) -> bytes:
    """Return the bytes of the list."""
    return encode_arrays([model.arrays["alpha"], model.arrays["beta"]])


def digest(content: bytes) -> str:
    """Return by what the metadata of a list knows the very list it was written with."""
    return hashlib.sha256(content).hexdigest()


def decode_list(content: bytes, meta: bytes | None) -> TopicModel:
    """Return the model in a list, with what `meta` says of it.

    Metadata that is damaged or does not fit is passed over with a warning: the arrays are the model.

    Raises
    ------
    CustomerError
        The list is damaged, or not an alpha and a beta.
    """
    arrays = _name(decode_finite_arrays(content))
    model = DirichletTopicModel(arrays, _decode_metadata(meta, content))
    vocabulary = model.metadata.vocabulary
    if vocabulary is not None and len(vocabulary) != model.feature_dim:
        _logger.warning(
            "The vocabulary beside the model has %d words, its beta %d columns: the model is served without words.",
            len(vocabulary), model.feature_dim,
        )  # fmt: skip
        model.metadata = replace(model.metadata, vocabulary=None, text_rules=None)
    return model


def _name(arrays: dict[str, Floats] | list[Floats]) -> dict[str, Floats]:
    if isinstance(arrays, dict):  # saved again under names
        return arrays
    if len(arrays) != 2:
        raise CustomerError(
            "the model file is not an LDA model",
            got=f"a list of {len(arrays)} arrays",
            allowed="a list of two arrays, alpha and beta",
            todo="save it with mxnet.nd.save(file, [alpha, beta])",
        )
    return {"alpha": arrays[0], "beta": arrays[1]}


def _decode_metadata(meta: bytes | None, content: bytes) -> Metadata:
    if meta is None:
        return Metadata()
    try:
        algorithm, metadata = decode_meta(meta)
        if metadata.text_rules is not None:
            TextRules.from_mapping(metadata.text_rules)
    except CustomerError as error:
        _logger.warning("The file of metadata beside the model is passed over: %s", error)
        return Metadata()
    if algorithm != DirichletTopicModel.algorithm:
        _logger.warning("The file of metadata beside the model is passed over: it is of the algorithm %s.", algorithm)
        return Metadata()
    if digest_of(meta) != digest(content):
        # Edited since: which topic was which, and how good, is no longer known.
        return replace(metadata, training={}, hyperparameters={})
    return metadata
