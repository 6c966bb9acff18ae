"""The preparation from first to last: two passes over the texts, or rather one over them and one over their counts."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from topicdock import __version__
from topicdock.errors import CustomerError, PlatformError
from topicdock.prepare.batches import Batch, ReadingRules
from topicdock.prepare.channels import VOCABULARY, Shares, write_tree
from topicdock.prepare.sources import Sources, fetch_batches
from topicdock.prepare.spool import Corpus, Totals, read_chunk
from topicdock.prepare.workers import count_batches
from topicdock.text import TextRules, Tokenizer
from topicdock.text.manifest import MANIFEST, TEXT_RULES
from topicdock.text.phrases import choose_phrases
from topicdock.text.statistics import WordStatistics

_logger = logging.getLogger(__name__)

OnProgress = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and of how much: bytes, then documents."""


@dataclass(frozen=True)
class Settings:
    """What becomes of the documents.

    Attributes
    ----------
    rules : TextRules
    vocabulary : tuple of str, optional
        A vocabulary that is given; otherwise one is chosen by the next three.
    vocabulary_size : int, optional
        Words at most; None is all.
    min_df, max_df : int or float
        In how many documents a word must and may occur; a float is a share of them.
    find_phrases : bool
        Find pairs of words that belong together, and count each as one word.
    min_words : int
        Documents with fewer words of the vocabulary are left out.
    shares : Shares
        Of train, validation and test.
    seed : int
        Of the shuffle.
    parts : int
        Files of each channel.
    media_type : str
        RecordIO-protobuf or CSV.
    processes : int
        How many read and count; 0 is one for each core. The result is the same.
    """

    rules: TextRules
    vocabulary: tuple[str, ...] | None = None
    vocabulary_size: int | None = 5000
    min_df: float = 3
    max_df: float = 0.5
    find_phrases: bool = False
    min_words: int = 5
    shares: Shares = field(default_factory=Shares)
    seed: int = 0
    parts: int = 1
    media_type: str = "application/x-recordio-protobuf"
    processes: int = 0


@dataclass(frozen=True)
class Prepared:
    """What came of it.

    Attributes
    ----------
    vocabulary : tuple of str
    totals : Totals
    documents : dict of str to int
        How many each channel has.
    manifest : dict
        As written beside the vocabulary.
    """

    vocabulary: tuple[str, ...]
    totals: Totals
    documents: dict[str, int]
    manifest: dict[str, Any]


def prepare(
    sources: Sources | None,
    output: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> Prepared:
    """Turn texts into the channels of a training job.

    Parameters
    ----------
    sources : Sources, optional
        None is 20 Newsgroups as scikit-learn fetches it.
    output : Path
        A folder that gets the channels ``train``, ``validation``, ``test`` and ``auxiliary``, and a folder
        ``documents`` with the documents' names and beginnings. It appears when it is whole.
    overwrite : bool
        Whether it may take the place of a folder.

    Raises
    ------
    CustomerError
        The sources cannot be read, no vocabulary or no document is left, or `output` is there already.
    PlatformError
        The disk is full, or a process was killed.
    """
    _check_place(output, () if sources is None else sources.paths, overwrite=overwrite)
    files = [] if sources is None else sources.list_files()
    size = sum(path.stat().st_size for path in files)
    rules = sources.reading if sources is not None else ReadingRules(strip=("headers", "quotes", "footers"))

    def batches() -> Iterable[Batch]:
        return fetch_batches() if sources is None else sources.batches(files)

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=output.parent, prefix=f".{output.name}-", ignore_cleanup_errors=True
        ) as work:
            spool = Path(work) / "spool"
            spool.mkdir()
            settings = _with_phrases(batches, rules, settings, spool, size, on_progress)
            statistics, chunks = _count(batches(), rules, settings, spool, (size, "counting"), on_progress)
            vocabulary = settings.vocabulary or statistics.choose(
                size=settings.vocabulary_size, min_df=settings.min_df, max_df=settings.max_df
            )
            _check_words(vocabulary)
            corpus = Corpus(spool, vocabulary)
            corpus.fill(chunks, settings.min_words)
            _check_left(corpus.totals, settings)
            tree = Path(work) / "tree"
            manifest = _manifest(settings, sources, statistics, vocabulary, corpus.totals)
            documents = write_tree(
                tree, corpus, vocabulary, manifest, settings.shares, settings.seed, settings.parts, settings.media_type,
                lambda done: on_progress("writing", done, corpus.totals.kept),
            )  # fmt: skip
            _put_in_place(tree, output, Path(work))
    except OSError as error:
        raise PlatformError(f"{error.filename or output} could not be written: {error.strerror or error}.") from error
    return Prepared(vocabulary, corpus.totals, documents, manifest)


def _check_place(output: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse to write where something would be lost: over the sources, or over what is no older preparation."""
    place = output.resolve()
    for source in (path.resolve() for path in inputs):
        if place == source or place in source.parents or (source.is_dir() and source in place.parents):
            raise CustomerError(
                "the output and the input lie within each other", where=str(output), got=f"input {source}",
                todo="name a folder beside the input",
            )  # fmt: skip
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not overwrite:
        raise CustomerError(
            "it is there already and is not an empty folder", where=str(output), todo="name another one, or --overwrite"
        )
    if not (output / "auxiliary" / MANIFEST).is_file():
        raise CustomerError(
            "it is there already and was not written by topicdock prepare, so that it is not replaced",
            where=str(output), todo="name another one, or remove it yourself",
        )  # fmt: skip


def _with_phrases(
    batches: Callable[[], Iterable[Batch]],
    rules: ReadingRules,
    settings: Settings,
    spool: Path,
    size: int,
    on_progress: OnProgress,
) -> Settings:
    """Find phrases if they are asked for, in a pass of its own."""
    if not settings.find_phrases:
        return settings
    pairs = replace(settings, rules=settings.rules.model_copy(update={"ngram_range": (1, 2)}))
    statistics, chunks = _count(batches(), rules, pairs, spool, (size, "finding phrases"), on_progress)
    for chunk in chunks:
        chunk.unlink()
    phrases = choose_phrases(statistics)
    _logger.info("Found %d phrases.", len(phrases))
    return replace(settings, rules=settings.rules.model_copy(update={"phrases": phrases}))


def _count(
    batches: Iterable[Batch],
    rules: ReadingRules,
    settings: Settings,
    spool: Path,
    work: tuple[int, str],
    on_progress: OnProgress,
) -> tuple[WordStatistics, list[Path]]:
    """Count every batch, in processes, into a chunk on disk; the chunks are in the order of the batches."""
    Tokenizer(settings.rules)  # what is missing shows here, and not in a worker
    size, what = work
    statistics, notes = WordStatistics(), Counter[str]()
    chunks: list[Path] = []
    done = 0
    for chunk, read, noted in count_batches(batches, rules, settings.rules, spool, settings.processes):
        counted = read_chunk(chunk)
        statistics.add(len(counted.lengths), counted.words, counted.occurs_in, counted.occurs)
        chunks.append(chunk)
        notes.update(noted)
        done += read
        on_progress(what, min(done, size) if size else done, max(size, done))
    for note, number in sorted(notes.items()):
        _logger.warning("Files %s: %d.", note, number)
    return statistics, chunks


def _check_left(totals: Totals, settings: Settings) -> None:
    if not totals.kept:
        raise CustomerError(
            "no document is left",
            got=f"{totals.read} documents, of which {totals.empty} are empty and none has {settings.min_words} words "
            "of the vocabulary",
            todo="lower min_words, or check that the texts are in the language they should be in",
        )


def _check_words(vocabulary: Sequence[str]) -> None:
    """Refuse words that vocab.txt, a word a line, cannot hold."""
    for word in vocabulary:
        if word != word.strip() or "\n" in word or "\r" in word:
            raise CustomerError(
                f"a word cannot be written on a line of {VOCABULARY}",
                where="token pattern",
                got=repr(word)[:60],
                todo="give a pattern that matches no line ends, and no blanks at the ends of a word",
            )


def _manifest(
    settings: Settings,
    sources: Sources | None,
    statistics: WordStatistics,
    vocabulary: Sequence[str],
    totals: Totals,
) -> dict[str, Any]:
    """Return every choice that was made; without times and places, so that the same texts give the same bytes."""
    reading = ReadingRules() if sources is None else sources.reading
    return {
        "topicdock_version": __version__,
        "feature_dim": len(vocabulary),
        "content_type": settings.media_type,
        TEXT_RULES: settings.rules.to_mapping(),
        "vocabulary": {
            "size": settings.vocabulary_size,
            "min_df": settings.min_df,
            "max_df": settings.max_df,
            "given": settings.vocabulary is not None,
            "different_words": len(statistics),
        },
        "reading": {"columns": reading.columns, "encoding": reading.encoding or "auto", "strip": reading.strip},
        "min_words": settings.min_words,
        "seed": settings.seed,
        "shares": [settings.shares.train, settings.shares.validation, settings.shares.test],
        "documents": {"read": totals.read, "empty": totals.empty, "short": totals.short},
        "words": totals.words,
    }


def _put_in_place(tree: Path, output: Path, work: Path) -> None:
    """Give a finished tree its name; what had it before goes with the work folder."""
    if output.exists() or output.is_symlink():
        output.rename(work / "replaced")
    tree.rename(output)
