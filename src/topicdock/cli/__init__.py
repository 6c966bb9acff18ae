"""The command line; also what the container's ``train`` and ``serve`` call."""

from __future__ import annotations

import click

from topicdock import __version__
from topicdock.cli.group import Commands

__all__ = ["main"]

_COMMANDS = {
    "prepare": "topicdock.cli.prepare:prepare_command",
    "train": "topicdock.cli.container:train",
    "process": "topicdock.cli.container:process",
    "serve": "topicdock.cli.container:serve",
    "transform": "topicdock.cli.transform:transform",
    "report": "topicdock.cli.look:report",
    "topics": "topicdock.cli.look:topics",
    "describe": "topicdock.cli.describe:describe",
}


@click.group(
    cls=Commands, places=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--traceback", is_flag=True, help="Where a bug of topicdock ends a command, show where in its code.")
@click.version_option(__version__, prog_name="topicdock")
def main(traceback: bool) -> None:
    """Topic models under SageMaker's contracts: prepare texts, train, serve, look."""
