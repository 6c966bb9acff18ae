"""Word vectors in a job's channels: those to judge topics by, and those to train with."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from topicdock.contract.config import ChannelConfig
from topicdock.corpus.files import list_data_files
from topicdock.corpus.vector_files import WORDS, read_vector_file
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import CustomerError

_logger = logging.getLogger(__name__)


def read_judging_vectors(
    channel: ChannelConfig | None, vocabulary: tuple[str, ...] | None, beside: Collection[str]
) -> WordVectors | None:
    """Read the one file of an auxiliary channel that is none of `beside`; say in the log why there are no vectors."""
    files = [] if channel is None else _list(channel, beside)
    if channel is None or vocabulary is None or not files:
        _logger.info(
            "Topics are not judged by word vectors (wetc): the channel %s holds no file of word vectors beside %s.",
            "auxiliary", WORDS,
        )  # fmt: skip
        return None
    vectors = _read(channel, files, vocabulary, len(vocabulary))
    if not vectors.known.all():
        _logger.warning(
            "%d out of %d in vocabulary do not have embeddings! Default vector used for unknown embedding!",
            len(vectors.known) - vectors.known.sum(), len(vectors.known),
        )  # fmt: skip
    return vectors


def read_embeddings(
    channel: ChannelConfig | None, judging: WordVectors | None, vocabulary: tuple[str, ...] | None, feature_dim: int
) -> WordVectors | None:
    """Read the word vectors to train with: those of their own channel, or else those to judge by.

    Raises
    ------
    CustomerError
        The channel holds no file of word vectors, or one that does not fit the corpus.
    """
    if channel is None:
        vectors = judging
    else:
        files = _list(channel, {WORDS})
        if not files:
            raise CustomerError(
                "the channel holds no file of word vectors",
                where=f"channel {channel.name}",
                got=f"{WORDS} alone" if (channel.folder / WORDS).is_file() else "no file",
                allowed="one file: word2vec or GloVe text, word2vec binary (.bin), .npy or .safetensors",
                todo="upload the vectors, or leave the channel out",
            )
        vectors = _read(channel, files, vocabulary, feature_dim)
    if vectors is not None:
        unknown = len(vectors.known) - int(vectors.known.sum())
        _logger.info(
            "Word embeddings: %d words have given vectors of %d numbers; %d have none and are drawn from a normal of "
            "standard deviation 0.6.", len(vectors.known) - unknown, vectors.vectors.shape[1], unknown,
        )  # fmt: skip
    return vectors


def _list(channel: ChannelConfig, beside: Collection[str]) -> list[Path]:
    try:
        return [path for path in list_data_files(channel.folder) if path.name not in beside]
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error


def _read(
    channel: ChannelConfig, files: list[Path], vocabulary: tuple[str, ...] | None, feature_dim: int
) -> WordVectors:
    _logger.info("Loading pre-trained token embedding vectors from %s", files[0])
    if len(files) > 1:
        _logger.warning("Not read: %s; one file of word vectors is.", ", ".join(path.name for path in files[1:]))
    try:
        return read_vector_file(files[0], vocabulary, feature_dim)
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error
