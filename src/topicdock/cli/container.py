"""What SageMaker calls, ``train`` and ``serve``; and ``train`` as a person calls it, on prepared data."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

import click

from topicdock.cli.openmp import settle_openmp
from topicdock.contract.failure import STOPPED

_PATH = click.Path(path_type=Path)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
    short_help="Train a model: of prepared data, or the job that /opt/ml describes.",
)
@click.option("--data", type=_PATH, help="What `topicdock prepare` wrote.")
@click.option("--output", type=_PATH, help="The folder for the model, its report and its log.")
@click.option("--algorithm", help="ntm, lda or etm; see `topicdock describe`.")
@click.option("--num-topics", help="How many topics to find.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--HYPERPARAMETER VALUE]...")
def train(
    data: Path | None, output: Path | None, algorithm: str | None, num_topics: str | None, arguments: tuple[str, ...]
) -> None:
    """Train a model.

    With --data and --output, on this machine: any hyperparameter of `topicdock describe ALGORITHM` may follow as
    --name value. Ctrl-C ends training early and keeps the best model so far. The output gets model/model_algo-1,
    output/data/report.html, output/data/topics.json and output/training.log; `topicdock report` and
    `SAGEMAKER_BASE_DIR=OUTPUT topicdock serve` take it as it is.

    Without them, the training job that /opt/ml describes, as SageMaker lays it out (SAGEMAKER_BASE_DIR moves it);
    what else stands on the command line is ignored then, as SageMaker's contract has it.

    \b
    topicdock train --data data --output model --num-topics 20
    topicdock train --data data --output model --algorithm etm --num-topics 50 --epochs 30
    """
    settle_openmp(os.environ)
    if data is not None or output is not None:
        _train_here(data, output, algorithm, num_topics, arguments)
    # The first process of a container ignores SIGTERM unless it says otherwise; the job takes over once it runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    print("Docker entrypoint called with argument(s):", " ".join(("train", *arguments)), flush=True)
    from topicdock.training import train as run

    _exit(run(os.environ))


@click.command(hidden=True)
@click.argument("place", type=int)
@click.argument("size", type=int)
@click.argument("port", type=int)
def process(place: int, size: int, port: int) -> None:
    """Take part in a training job as one more process of this host.

    `topicdock train` starts it, as number PLACE of SIZE, with a connection for its standard input.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever stops the job asks the first process
    from topicdock.algorithms.hosts import Seat
    from topicdock.training import train_beside

    _exit(train_beside(os.environ, Seat(place, size, port), socket.socket(fileno=sys.stdin.fileno())))


def _exit(code: int) -> NoReturn:
    """End the process with `code`, whatever threads still wait for hosts that are gone.

    The interpreter's own end would have gloo abort the process instead, now and then.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _train_here(
    data: Path | None, output: Path | None, algorithm: str | None, num_topics: str | None, arguments: tuple[str, ...]
) -> None:
    from topicdock.cli import local_job
    from topicdock.cli.progress import Progress
    from topicdock.training.job import ALGORITHM_VARIABLE

    if data is None or output is None:
        raise click.UsageError("--data and --output go together.")
    hyperparameters = local_job.parse_hyperparameters(arguments)
    hyperparameters |= {"algorithm": algorithm} if algorithm else {}
    hyperparameters |= {"num_topics": num_topics} if num_topics else {}
    layout = local_job.lay_out(data, output, hyperparameters, os.environ.get(ALGORITHM_VARIABLE, ""))
    with Progress() as progress:
        code = local_job.run(
            layout, os.environ, lambda now: progress.show("training", round(now.percent), 100, unit="%", note=now.note)
        )
    if code:
        reason = layout.failure.read_text(encoding="utf-8", errors="replace") if layout.failure.is_file() else ""
        reason = reason.removeprefix("ClientError: ")
        raise click.ClickException(reason or f"Training ended with exit code {code}; {output} has the log.")
    print(f"The model is {layout.model}/model_algo-1, its report {layout.output_data / 'report.html'}.")
    print(f"Next: topicdock report {output} -o report.html")
    sys.exit(0)


@click.command(context_settings={"ignore_unknown_options": True}, short_help="Answer HTTP with a model.")
@click.argument("ignored", nargs=-1)
def serve(ignored: tuple[str, ...]) -> None:
    """Answer HTTP with the model below /opt/ml/model (SAGEMAKER_BASE_DIR moves /opt/ml).

    To serve what `topicdock train --output model` made: SAGEMAKER_BASE_DIR=model topicdock serve
    """
    print("Docker entrypoint called with argument(s):", " ".join(("serve", *ignored)), flush=True)
    from topicdock.serving import serve as run

    sys.exit(run(os.environ))
