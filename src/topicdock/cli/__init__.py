"""The command line; also what the container's ``train`` and ``serve`` call."""

from __future__ import annotations

import click

from topicdock import __version__
from topicdock.cli.container import serve, train
from topicdock.cli.describe import describe
from topicdock.cli.failures import PlainErrors

__all__ = ["main"]


@click.group(cls=PlainErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--traceback", is_flag=True, help="Where a bug of topicdock ends a command, show where in its code.")
@click.version_option(__version__, prog_name="topicdock")
def main(traceback: bool) -> None:
    """Topic models under SageMaker's contracts: train, serve, look."""


for command in (train, serve, describe):
    main.add_command(command)
