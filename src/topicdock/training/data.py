"""From a job's channels to word counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from topicdock.contract.config import ChannelConfig
from topicdock.corpus.documents import Documents, InMemory
from topicdock.corpus.files import read_counts
from topicdock.corpus.media_types import RECORDIO, MediaType, parse_media_type
from topicdock.corpus.vocabulary import read_vocabulary
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import CustomerError
from topicdock.spec.algorithm import Specification
from topicdock.text import TextRules
from topicdock.text.manifest import MANIFEST, read_text_rules
from topicdock.training.vectors import read_embeddings, read_judging_vectors

AUXILIARY = "auxiliary"
EMBEDDINGS = "embeddings"
VOCABULARY = "vocab.txt"
_READABLE_MODES = ("File", "FastFile")
_LARGEST_COUNT = 1 << 24  # the largest up to which float32 holds every integer
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What the channels held; None where the job has no such channel."""

    train: Documents
    validation: Documents | None
    test: Documents | None
    vocabulary: tuple[str, ...] | None
    word_vectors: WordVectors | None
    text_rules: TextRules | None = None
    embeddings: WordVectors | None = None
    """Word vectors to train with, not only to judge topics by."""


def read_training_data(
    channels: Mapping[str, ChannelConfig],
    specification: Specification,
    feature_dim: int,
    part: tuple[int, int] = (0, 1),
) -> TrainingData:
    """Read every channel that the algorithm declares; others are passed over with a line in the log.

    Parameters
    ----------
    part : tuple of int
        This host's number, from 0, and how many hosts there are. Of documents that every host has, each host keeps its
        part; a part may be empty.

    Raises
    ------
    CustomerError
        Channels are missing or declared wrongly (all such mistakes at once), or hold something else than word counts
        (the first bad record).
    """
    declared = {channel.name: channel for channel in specification.channels}
    for name in channels.keys() - declared.keys():
        _logger.info("Channel %s is not one of %s and is not read.", name, specification.channel_names())
    mistakes = [
        f"the channel {channel.name} is missing"
        for channel in declared.values()
        if channel.required and channel.name not in channels
    ]
    for name in sorted(channels.keys() & declared.keys()):
        mistakes += _mistakes(channels[name], declared[name].content_types)
    if mistakes:
        raise CustomerError(
            "; ".join(mistakes),
            where="input channels" if len(mistakes) > 1 else "input channel",
            allowed=f"channels {specification.channel_names()}",
            todo="correct the inputs of the job",
        )
    train = _read(channels["train"], feature_dim)
    rank, hosts = part
    if hosts > 1 and not channels["train"].sharded:
        train = train[rank::hosts]
        _logger.info(
            "Every host has all training documents; this one, number %d of %d, takes %d of them.",
            rank + 1, hosts, train.shape[0],
        )  # fmt: skip
    held_out = {name: _read_held_out(channels.get(name), feature_dim, part) for name in ("validation", "test")}
    vocabulary = _read_vocabulary(channels.get(AUXILIARY), feature_dim)
    vectors = read_judging_vectors(channels.get(AUXILIARY), vocabulary, {VOCABULARY, MANIFEST})
    embeddings = None
    if specification.takes_word_vectors:
        embeddings = read_embeddings(channels.get(EMBEDDINGS), vectors, vocabulary, feature_dim)
    rules = _read_text_rules(channels.get(AUXILIARY))
    return TrainingData(
        InMemory(train), held_out["validation"], held_out["test"], vocabulary, vectors, rules, embeddings
    )


def _mistakes(channel: ChannelConfig, content_types: tuple[str, ...]) -> list[str]:
    mistakes = []
    if channel.input_mode not in _READABLE_MODES:
        mistakes.append(
            f"the channel {channel.name} has input mode {channel.input_mode}, "
            f"but this version reads {' and '.join(_READABLE_MODES)}"
        )
    elif not channel.folder.is_dir():
        mistakes.append(f"the channel {channel.name} has no folder {channel.folder}")
    if content_types and channel.name != AUXILIARY and _media_type(channel).name not in content_types:
        mistakes.append(
            f"the channel {channel.name} has content type {channel.content_type!r}, "
            f"but must have one of {', '.join(content_types)}"
        )
    return mistakes


def _media_type(channel: ChannelConfig) -> MediaType:
    return parse_media_type(channel.content_type or RECORDIO)


def _read(channel: ChannelConfig, feature_dim: int) -> csr_matrix:
    started = time.perf_counter()
    try:
        counts = read_counts(channel.folder, _media_type(channel), feature_dim)
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error
    if counts.nnz and counts.data.max() > _LARGEST_COUNT:
        document = int(np.searchsorted(counts.indptr, int(np.argmax(counts.data)), "right"))
        raise CustomerError(
            "a word count is too large to be exact",
            where=f"channel {channel.name}, document {document} of all its files",
            got=f"{counts.data.max():g}",
            allowed=f"counts up to {_LARGEST_COUNT}",
            todo="send the number of times each word occurs in the document",
        )
    _logger.info(
        "Read %d documents with %d words from channel %s in %.2f seconds.",
        counts.shape[0], counts.sum(dtype="float64"), channel.name, time.perf_counter() - started,
    )  # fmt: skip
    return counts


def _read_held_out(channel: ChannelConfig | None, feature_dim: int, part: tuple[int, int]) -> Documents | None:
    if channel is None:
        return None
    counts = _read(channel, feature_dim)
    if counts.nnz == 0:
        _logger.warning("The channel %s holds no words; the job goes on as if it were not there.", channel.name)
        return None
    rank, hosts = part
    return InMemory(counts) if channel.sharded or hosts == 1 else InMemory(counts[rank::hosts])


def check_has_words(train: Documents, words: float) -> None:
    """Raise CustomerError if the documents of all hosts together, `train` being this one's, have no words."""
    if words == 0:
        raise CustomerError(
            "there is nothing to learn from",
            where="channel train",
            got=f"{train.shape[0]} documents without a single word",
            allowed="at least one document with at least one word",
            todo="check that the channel's data were uploaded and that hidden or empty files are not all it holds",
        )


def _read_vocabulary(channel: ChannelConfig | None, feature_dim: int) -> tuple[str, ...] | None:
    if channel is None:
        _logger.info("Vocab file is not provided")
        return None
    path = channel.folder / VOCABULARY
    _logger.info("Vocab file %s is expected at %s", VOCABULARY, channel.folder)
    if not path.is_file():
        raise CustomerError(
            f"the file {VOCABULARY} is missing",
            where=f"channel {channel.name}",
            got=", ".join(sorted(entry.name for entry in channel.folder.iterdir())[:5]) or "an empty folder",
            allowed=f"{VOCABULARY}: UTF-8 text, word i of the vocabulary on line i",
            todo=f"upload the vocabulary under the name {VOCABULARY}, or leave the channel out",
        )
    try:
        return read_vocabulary(path, feature_dim)
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error


def _read_text_rules(channel: ChannelConfig | None) -> TextRules | None:
    """Read how the texts were cut into words, if they were prepared by topicdock."""
    if channel is None:
        return None
    try:
        return read_text_rules(channel.folder / MANIFEST)
    except CustomerError as error:
        raise error.inside(f"channel {channel.name}") from error
