"""``topicdock prepare``: from texts to the channels of a training job."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from topicdock.cli.progress import Progress
from topicdock.corpus import CSV, RECORDIO
from topicdock.errors import CustomerError
from topicdock.prepare import Prepared, Settings, Sources, prepare
from topicdock.prepare.channels import Shares
from topicdock.prepare.newsgroups import PARTS
from topicdock.prepare.sources import KINDS, NEWSGROUPS, newsgroups_in
from topicdock.text import TextRules, Tokenizer
from topicdock.text.stop_words import find_stop_words

S3 = "s3://"
WORD = r"(?u)\b[^\W\d_]\w+\b"
"""A letter, and letters, digits or underscores after it."""


class _Number(click.ParamType[float]):
    """A whole number of documents, or a share of them with a point."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value)) if "." in str(value) else int(str(value))
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        if number < 0 or (isinstance(number, float) and number > 1):
            self.fail(
                f"{value!r} is neither a number of documents nor, with a point, a share from 0.0 to 1.0", param, ctx
            )
        return number


@click.command("prepare", short_help="Turn texts into the channels of a training job.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, help="A folder to make, or s3://bucket/prefix.")
@click.option("--from", "copy", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
              help=f"With {NEWSGROUPS}: an unpacked copy of the collection, instead of fetching it.")  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), help="What all files are. By default their names tell.")
@click.option("--text-column", "columns", multiple=True, default=("text",), show_default=True,
              help="The column or JSON field with the text; give it again to join several.")  # fmt: skip
@click.option("--name-column", default="", help="The column or JSON field with a document's name, for the report.")
@click.option(
    "--encoding", default="", help="Of all files. By default UTF-8, and Windows-1252 for a text file that is not."
)
@click.option("--strip", type=click.Choice(PARTS), multiple=True, help="Leave out this part of mails and posts.")
@click.option("--language", default="en", show_default=True, help="ISO 639-1 code; of stop words and lemmas.")
@click.option("--stop-words", default="", metavar="FILE|none", help="A file with a stop word a line, or none.")
@click.option(
    "--lemmatizer", type=click.Choice(["simplemma", "nltk"]), help="Count dictionary forms; needs the package."
)
@click.option(
    "--phrases", is_flag=True, help="Find pairs like new_york and count each as a word; reads the texts twice."
)
@click.option(
    "--ngrams", type=click.IntRange(1, 5), default=1, show_default=True, help="Count up to so many words in a row."
)
@click.option("--token-pattern", default=WORD, show_default=True, help="The regular expression of a word.")
@click.option(
    "--min-length", type=click.IntRange(1, 100), default=2, show_default=True, help="Characters of the shortest word."
)
@click.option("--keep-case", is_flag=True, help="Do not turn words into lower case.")
@click.option("--strip-accents", is_flag=True, help="Count é as e.")
@click.option("--vocabulary", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="A vocab.txt to count by, instead of choosing words.")  # fmt: skip
@click.option("--vocabulary-size", type=click.IntRange(1, 1_000_000), default=5000, show_default=True,
              help="Keep so many words, the most frequent.")  # fmt: skip
@click.option("--min-df", type=_Number(), default="3", show_default=True,
              help="Documents a word must be in: a number, or a share with a point.")  # fmt: skip
@click.option("--max-df", type=_Number(), default="0.5", show_default=True, help="Documents a word may be in.")
@click.option("--min-words", type=click.IntRange(0), default=5, show_default=True,
              help="Leave out documents with fewer words of the vocabulary.")  # fmt: skip
@click.option("--split", default="0.8,0.1,0.1", show_default=True, help="Shares of train, validation and test.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the shuffle.")
@click.option("--parts", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Files in each channel.")
@click.option("--format", "media_type", type=click.Choice(["recordio", "csv"]), default="recordio", show_default=True)
@click.option(
    "--processes", type=click.IntRange(0), default=0, help="That read and count. By default one for each core."
)
@click.option("--overwrite", is_flag=True, help="Replace what is at the output.")
def prepare_command(
    inputs: tuple[str, ...], output: str, copy: Path | None, kind: str | None, columns: tuple[str, ...],
    name_column: str, encoding: str, strip: tuple[str, ...], language: str, stop_words: str, lemmatizer: str | None,
    phrases: bool, ngrams: int, token_pattern: str, min_length: int, keep_case: bool, strip_accents: bool,
    vocabulary: Path | None, vocabulary_size: int, min_df: float, max_df: float, min_words: int, split: str, seed: int,
    parts: int, media_type: str, processes: int, overwrite: bool,
) -> None:  # fmt: skip
    """Turn texts into the channels of a training job.

    INPUT is a folder with text files, or a .csv, .tsv, .json, .jsonl or .parquet file (.gz too); several are read as
    one. 20newsgroups is the collection of that name, headers, quotes and footers stripped.

    The output has the channels train, validation, test and auxiliary (vocab.txt, and manifest.json with every choice
    made here, by which a model cuts new texts into the same words), and a folder documents for `topicdock report`.

    \b
    topicdock prepare reviews/ -o data
    topicdock prepare news.csv --text-column title --text-column body -o s3://bucket/news --parts 4
    topicdock prepare 20newsgroups --vocabulary-size 2000 --min-words 26 -o data
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is unfinished is cleared away
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr, force=True)
    sources = _sources(inputs, copy, kind or "", columns, name_column, encoding, strip)
    rules = TextRules.from_mapping(
        {
            "token_pattern": token_pattern, "lowercase": not keep_case, "normalization": "NFC",
            "strip_accents": "unicode" if strip_accents else "", "language": language, "lemmatizer": lemmatizer or "",
            "min_length": min_length, "ngram_range": (1, ngrams),
        }
    )  # fmt: skip
    rules = rules.model_copy(update={"stop_words": _stop_words(stop_words, language, rules)})
    settings = Settings(
        rules, vocabulary=None if vocabulary is None else _read_words(vocabulary), vocabulary_size=vocabulary_size,
        min_df=min_df, max_df=max_df, find_phrases=phrases, min_words=min_words, shares=_shares(split), seed=seed,
        parts=parts, media_type=CSV if media_type == "csv" else RECORDIO, processes=processes,
    )  # fmt: skip
    with Progress() as progress:

        def on_progress(what: str, done: int, whole: int) -> None:
            progress.show(what, done, whole, unit="documents" if what == "writing" else "B")

        if output.startswith(S3):
            prepared = _prepare_to_s3(sources, output, settings, overwrite, progress)
        else:
            prepared = prepare(sources, Path(output), settings, overwrite=overwrite, on_progress=on_progress)
    _say(prepared, output)


def _sources(
    inputs: tuple[str, ...], copy: Path | None, kind: str, columns: tuple[str, ...], name_column: str, encoding: str,
    strip: tuple[str, ...],
) -> Sources | None:  # fmt: skip
    if inputs == (NEWSGROUPS,) and not Path(NEWSGROUPS).exists():
        return None if copy is None else newsgroups_in(copy)
    if copy is not None:
        raise click.UsageError(f"--from goes with the input {NEWSGROUPS} alone.")
    if encoding:
        try:
            "".encode(encoding)
        except LookupError as error:
            raise click.UsageError(f"There is no encoding {encoding!r}.") from error
    return Sources(tuple(map(Path, inputs)), kind, columns, name_column, encoding, strip)


def _stop_words(given: str, language: str, rules: TextRules) -> tuple[str, ...]:
    """Return the stop words, and what the rules make of them: *don't* becomes *don* where words are letters alone."""
    if given == "none":
        return ()
    words = frozenset(_read_words(Path(given))) if given else find_stop_words(language)
    plain = rules.model_copy(update={"lemmatizer": "", "min_length": 1, "ngram_range": (1, 1)})
    tokenizer = Tokenizer(plain)
    return tuple(sorted(words | {token for word in words for token in tokenizer(word)}))


def _read_words(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CustomerError(
            "the words cannot be read", where=str(path), got=str(error), allowed="UTF-8 text, a word on each line"
        ) from error
    return tuple(word for line in lines if (word := line.strip()))


def _shares(text: str) -> Shares:
    try:
        train, *others = map(float, text.split(","))
        validation, test = others or (1 - train, 0.0)
    except ValueError as error:
        raise click.UsageError(f"--split must be three numbers with commas between, got {text!r}.") from error
    return Shares(train, validation, test)


def _prepare_to_s3(
    sources: Sources | None, url: str, settings: Settings, overwrite: bool, progress: Progress
) -> Prepared:
    from topicdock.prepare.s3 import check_target, upload_tree  # boto3 takes a while to import

    check_target(url, overwrite=overwrite)
    sending = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="topicdock-") as folder:
        tree = Path(folder) / "tree"
        prepared = prepare(sources, tree, settings, on_progress=lambda *now: progress.show(*now))
        whole = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
        sent = 0

        def on_bytes(number: int) -> None:
            nonlocal sent
            with sending:
                sent += number
                progress.show("uploading", sent, whole, unit="B")

        upload_tree(tree, url, on_bytes)
    return prepared


def _say(prepared: Prepared, output: str) -> None:
    totals, vocabulary = prepared.totals, prepared.vocabulary
    print(f"{totals.read:,} documents read; {totals.short:,} too short, {totals.empty:,} of them without a word.")
    channels = ", ".join(f"{number:,} in {name}" for name, number in prepared.documents.items())
    print(f"{totals.kept:,} kept: {channels}; {totals.words / totals.kept:.0f} words each on average.")
    print(f"{len(vocabulary):,} words in the vocabulary. All of it is in {output}.")
    if not output.startswith(S3):
        print(f"Next: topicdock train --data {output} --output {output.rstrip(os.sep)}-model --num-topics 20")
