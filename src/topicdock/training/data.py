"""From a job's channels to word counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from topicdock.contract.config import ChannelConfig
from topicdock.corpus.documents import Documents
from topicdock.corpus.storage import Storage
from topicdock.corpus.vocabulary import parse_vocabulary, read_vocabulary
from topicdock.corpus.word_vectors import WordVectors
from topicdock.errors import CustomerError
from topicdock.spec.algorithm import Specification
from topicdock.text import TextRules
from topicdock.text.manifest import MANIFEST, read_text_rules
from topicdock.training.channels import EVERYTHING, MODES, PIPE, Part, media_type_of, read_bytes, read_documents
from topicdock.training.vectors import read_embeddings, read_judging_vectors

AUXILIARY = "auxiliary"
EMBEDDINGS = "embeddings"
VOCABULARY = "vocab.txt"
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
    storage: Storage,
    part: Part = EVERYTHING,
) -> TrainingData:
    """Read every channel that the algorithm declares; others are passed over with a line in the log.

    Parameters
    ----------
    storage : Storage
        Where documents are kept.
    part : Part
        What this host keeps of documents that every host has; it may be nothing.

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
    train, _ = read_documents(channels["train"], feature_dim, storage, part)
    held_out = {name: _read_held_out(channels.get(name), feature_dim, storage, part) for name in ("validation", "test")}
    vocabulary = _read_vocabulary(channels.get(AUXILIARY), feature_dim)
    beside = channels.get(AUXILIARY)
    if beside is not None and beside.input_mode == PIPE:
        _logger.info("The pipe of channel %s is taken for %s alone.", AUXILIARY, VOCABULARY)
        beside = None
    vectors = read_judging_vectors(beside, vocabulary, {VOCABULARY, MANIFEST})
    embeddings = None
    if specification.takes_word_vectors:
        embeddings = read_embeddings(channels.get(EMBEDDINGS), vectors, vocabulary, feature_dim)
    rules = _read_text_rules(beside)
    return TrainingData(train, held_out["validation"], held_out["test"], vocabulary, vectors, rules, embeddings)


def _mistakes(channel: ChannelConfig, content_types: tuple[str, ...]) -> list[str]:
    mistakes = []
    if channel.input_mode not in MODES:
        mistakes.append(
            f"the channel {channel.name} has input mode {channel.input_mode}, but must have one of {', '.join(MODES)}"
        )
    elif channel.name == EMBEDDINGS and channel.input_mode == PIPE:
        mistakes.append(
            f"the channel {channel.name} has input mode {PIPE}, in which files have no names to tell their formats; "
            "give this channel the input mode File, channels may differ in it"
        )
    elif channel.input_mode != PIPE and not channel.folder.is_dir():
        mistakes.append(f"the channel {channel.name} has no folder {channel.folder}")
    if content_types and channel.name != AUXILIARY and media_type_of(channel).name not in content_types:
        mistakes.append(
            f"the channel {channel.name} has content type {channel.content_type!r}, "
            f"but must have one of {', '.join(content_types)}"
        )
    return mistakes


def _read_held_out(channel: ChannelConfig | None, feature_dim: int, storage: Storage, part: Part) -> Documents | None:
    if channel is None:
        return None
    documents, words = read_documents(channel, feature_dim, storage, part)
    if not words:
        _logger.warning("The channel %s holds no words; the job goes on as if it were not there.", channel.name)
        return None
    return documents


def check_has_words(documents: int, words: float) -> None:
    """Raise CustomerError if so many documents, all hosts' together, have no words."""
    if words == 0:
        raise CustomerError(
            "there is nothing to learn from",
            where="channel train",
            got=f"{documents} documents without a single word",
            allowed="at least one document with at least one word",
            todo="check that the channel's data were uploaded and that hidden or empty files are not all it holds",
        )


def _read_vocabulary(channel: ChannelConfig | None, feature_dim: int) -> tuple[str, ...] | None:
    if channel is None:
        _logger.info("Vocab file is not provided")
        return None
    if channel.input_mode == PIPE:
        return _parse_piped_vocabulary(channel, feature_dim)
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


def _parse_piped_vocabulary(channel: ChannelConfig, feature_dim: int) -> tuple[str, ...]:
    _logger.info("Vocab file %s is expected from %s", VOCABULARY, channel.pipe)
    content = read_bytes(channel)
    try:
        return parse_vocabulary(content, VOCABULARY, feature_dim)
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
