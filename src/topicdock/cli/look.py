"""``topicdock report`` and ``topicdock topics``: what was learned."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from topicdock.cli.files import write_whole
from topicdock.cli.models import find_documents, open_model
from topicdock.report import Summary, render_report, summarize

_PATH = click.Path(path_type=Path)
_DATA = (
    "The documents to judge by: what `topicdock prepare` wrote, or a folder of word counts. By default the job's own."
)


@click.command(short_help="Write a page about a model: topics, map, documents, warnings.")
@click.argument("model", type=_PATH)
@click.option("--data", type=_PATH, help=_DATA)
@click.option("-o", "--output", type=_PATH, default=Path("report.html"), show_default=True, help="The page to write.")
@click.option("--title", default="", help="The page's heading.")
@click.option(
    "--png", type=_PATH, metavar="DIR", help="Also draw map, topics and training curve as pictures; needs matplotlib."
)
def report(model: Path, data: Path | None, output: Path, title: str, png: Path | None) -> None:
    """Write one HTML page about a model, which needs nothing else: topics with words, probabilities and lift, sizes,
    coherence, a map, word clouds, documents, the training curve, and warnings.

    MODEL is a job's folder, a folder with model_algo-1, that file, or model.tar.gz.

    \b
    topicdock report data-model -o report.html
    topicdock report model.tar.gz --data data -o report.html
    """
    summary = _summarize(model, data)
    write_whole(output, render_report(summary, title or f"Topics of {model.resolve().name}").encode("utf-8", "replace"))
    print(f"{len(summary.topics)} topics, {summary.documents:,} documents: {output}")
    if png is not None:
        from topicdock.report.pictures import draw_pictures

        for path in draw_pictures(summary, png):
            print(path)


@click.command(short_help="List a model's topics in the terminal.")
@click.argument("model", type=_PATH)
@click.option("--data", type=_PATH, help=_DATA)
@click.option("--words", type=click.IntRange(1, 20), default=10, show_default=True, help="Words of each topic.")
def topics(model: Path, data: Path | None, words: int) -> None:
    """List a model's topics, the largest first, with their sizes, coherence (NPMI) and uniqueness.

    MODEL is a job's folder, a folder with model_algo-1, that file, or model.tar.gz.
    """
    summary = _summarize(model, data)
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000
    print(f"{'topic':>5} {'size':>6} {'npmi':>6} {'unique':>6}  words")
    for topic in summary.by_size:
        size = f"{100 * topic.size:.1f}%" if summary.sizes_known else "-"
        coherence = "-" if topic.coherence is None else f"{topic.coherence:.2f}"
        line = f"{topic.number:>5} {size:>6} {coherence:>6} {topic.uniqueness:>6.2f}  "
        print((line + " ".join(word.text for word in topic.words[:words]))[:width])


def _summarize(path: Path, data: Path | None) -> Summary:
    model = open_model(path)
    return summarize(model, find_documents(model, data, path))
