"""``python -m demo``: the options, the folder, and how the demo ends."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from demo.bars import SIDE
from demo.bars_tour import tour_bars
from demo.job import DemoError
from demo.screen import say, say_step
from demo.text_tour import tour_docstrings
from topicdock.artifact import MODEL_NAME
from topicdock.contract.layout import BASE_VARIABLE, Layout

_INTERRUPTED = 128 + signal.SIGINT


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("corpus", type=click.Choice(["text", "bars"]), default="text")
@click.option("--topics", type=click.IntRange(2, 1000), help="How many topics; bars: 5 or 10.  [text: 20, bars: 5]")
@click.option("--documents", type=click.IntRange(20), help="bars: how many documents.  [5000]")
@click.option("--files", type=click.IntRange(1), help="text: how many source files to read at most.  [all]")
@click.option("--keep", is_flag=True, help="Keep the job's folder: data, model, logs.")
def main(corpus: str, topics: int | None, documents: int | None, files: int | None, keep: bool) -> None:
    """Train and serve a topic model as SageMaker would, and look at it.

    CORPUS is text (docstrings of the installed Python packages) or bars (synthetic documents with known topics).
    """
    if corpus == "bars" and topics not in (None, SIDE, 2 * SIDE):
        raise click.BadParameter(f"bars have {SIDE} or {2 * SIDE} topics", param_hint="--topics")
    began = time.monotonic()
    base = Path(tempfile.mkdtemp(prefix="topicdock-demo-"))
    try:
        if corpus == "bars":
            layout = tour_bars(base, topics or SIDE, documents or 5000)
        else:
            layout = tour_docstrings(base, topics or 20, files)
        _say_goodbye(layout, time.monotonic() - began, keep=keep)
    except DemoError as error:
        keep = True
        click.echo(f"\nscripts/demo: {error}\nThe job's folder, with its logs: {base}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nscripts/demo: interrupted.", err=True)
        sys.exit(_INTERRUPTED)
    finally:
        if not keep:
            shutil.rmtree(base, ignore_errors=True)


def _say_goodbye(layout: Layout, seconds: float, *, keep: bool) -> None:
    say_step(f"Done in {seconds:.0f} s")
    if not keep:
        say("   Data, model and logs were in a temporary folder, which is removed now. scripts/demo --keep keeps")
        say("   them, and tells how to train and to serve by hand.")
        return
    say(f"   The model is kept: {layout.model}/{MODEL_NAME}")
    say("   To train it again or to serve it by hand, from the root of the checkout:")
    say(f"     export PATH=$PWD/.venv/bin:$PATH {BASE_VARIABLE}={layout.base}")
    say("     container/train")
    say("     container/serve   # then: curl localhost:8080/ping")


if __name__ == "__main__":
    main(prog_name="scripts/demo")
