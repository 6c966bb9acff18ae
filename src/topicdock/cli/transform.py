"""``topicdock transform``: topic proportions of big files, without a server."""

from __future__ import annotations

import gzip
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from topicdock.cli.files import writing
from topicdock.cli.models import open_model
from topicdock.cli.progress import Progress
from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, MediaType, list_data_files, parse_media_type
from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.prepare import Sources
from topicdock.prepare.sources import KINDS
from topicdock.text import TextRules, Tokenizer
from topicdock.transform import read_counts_in_pieces, read_texts_in_pieces, transform_pieces
from topicdock.transform.pieces import Piece

_PATH = click.Path(path_type=Path)
_INPUTS = {".csv": CSV, ".json": JSON, ".jsonl": JSONLINES, ".ndjson": JSONLINES, ".jsonlines": JSONLINES}
_FORMATS = {"jsonlines": JSONLINES, "csv": CSV, "recordio": RECORDIO}
_OUTPUTS = {".jsonl": "jsonlines", ".ndjson": "jsonlines", ".csv": "csv", ".pbr": "recordio", ".rec": "recordio"}
_logger = logging.getLogger(__name__)


@click.command(short_help="Give every document of big files its topics, without a server.")
@click.argument("model", type=_PATH)
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option("-o", "--output", type=_PATH, required=True, help="The file to write; packed if its name ends with .gz.")
@click.option("--content-type", default="", help="Of word counts, as in a request. By default names tell: .csv, .json, "
              ".jsonl, and RecordIO for all others.")  # fmt: skip
@click.option("--texts", is_flag=True, help="The input is text, cut into words as the model's training data were.")
@click.option("--kind", type=click.Choice(KINDS), help="With --texts: what all files are. By default their names tell.")
@click.option("--text-column", "columns", multiple=True, default=("text",), show_default=True,
              help="With --texts: the column or JSON field with the text; give it again to join several.")  # fmt: skip
@click.option("--name-column", default="", help="With --texts: the column or JSON field with a document's name.")
@click.option("--encoding", default="", help="With --texts: of all files. By default UTF-8.")
@click.option("--format", "answer", type=click.Choice(list(_FORMATS)),
              help="Of the output. By default its name tells: .jsonl, .csv, .pbr.")  # fmt: skip
def transform(
    model: Path, inputs: tuple[Path, ...], output: Path, content_type: str, texts: bool, kind: str | None,
    columns: tuple[str, ...], name_column: str, encoding: str, answer: str | None,
) -> None:  # fmt: skip
    """Give every document of big files its topic proportions, one line or record each, in the order of the input.

    MODEL is a job's folder, a folder with model_algo-1, that file, or model.tar.gz. INPUT is a file or folder of word
    counts (RecordIO, CSV, JSON, JSON Lines; .gz too), or with --texts whatever `topicdock prepare` reads. Files are
    read and written a piece at a time; the output appears when it is whole.

    \b
    topicdock transform model data/test -o theta.jsonl
    topicdock transform model new-reviews/ --texts -o theta.csv
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is unfinished is cleared away
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr, force=True)
    name = output.name.lower().removesuffix(".gz")
    chosen = answer or next((form for suffix, form in _OUTPUTS.items() if name.endswith(suffix)), "")
    if not chosen:
        raise click.UsageError(
            "The output's name does not tell its format; end it with .jsonl, .csv or .pbr, or say --format."
        )
    fitted = open_model(model)
    notes: Counter[str] = Counter()
    if texts:
        sources = Sources(inputs, kind or "", columns, name_column, encoding)
        files = sources.list_files()
        pieces = read_texts_in_pieces(sources, files, _vocabulary(fitted), Tokenizer(_rules(fitted)), notes)
    else:
        files = [file for path in inputs for file in _list_files(path)]
        pieces = _read_all(files, content_type, fitted.feature_dim)
    if output.exists() and any(output.samefile(path) for path in files):
        raise click.UsageError(f"{output} is the input; name another file to write.")
    documents = _write(fitted, pieces, output, _FORMATS[chosen], sum(path.stat().st_size for path in files))
    for note, number in sorted(notes.items()):
        _logger.warning("Files %s: %d.", note, number)
    print(f"{documents:,} documents: {output}")


def _write(model: TopicModel, pieces: Iterator[Piece], output: Path, media_type: str, whole: int) -> int:
    documents = done = 0
    with Progress() as progress, writing(output) as file:
        packed = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if output.suffix.lower() == ".gz" else None
        for answer, number, size in transform_pieces(model, pieces, media_type):
            (packed or file).write(answer)
            documents += number
            done += size
            progress.show("transforming", min(done, whole), whole, unit="B", note=f"{documents:,} documents")
        if packed is not None:
            packed.close()
        if not documents:
            raise CustomerError("there is not a single document in the input", todo="check that it is the right one")
    return documents


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return list_data_files(path)
    if not path.is_file():
        raise CustomerError("there is no such file or folder", where=str(path), todo="name one that is there")
    return [path]


def _read_all(files: list[Path], content_type: str, feature_dim: int) -> Iterator[Piece]:
    for path in files:
        yield from read_counts_in_pieces(path, _media_type(path, content_type), feature_dim)


def _media_type(path: Path, content_type: str) -> MediaType:
    if content_type:
        return parse_media_type(content_type)
    name = path.name.lower().removesuffix(".gz")
    return MediaType(next((media_type for suffix, media_type in _INPUTS.items() if name.endswith(suffix)), RECORDIO))


def _vocabulary(model: TopicModel) -> tuple[str, ...]:
    if model.metadata.vocabulary is None:
        raise CustomerError(
            "the model has no vocabulary, so that texts cannot be counted",
            todo="train it with vocab.txt in the channel auxiliary, or transform word counts",
        )
    return model.metadata.vocabulary


def _rules(model: TopicModel) -> TextRules:
    if model.metadata.text_rules is None:
        _logger.warning(
            "The model does not say how its texts were cut into words: lower case, words of two characters and more."
        )
        return TextRules()
    return TextRules.from_mapping(model.metadata.text_rules)
