"""How commands are found, and how they fail: one plain sentence, an exit code that is not zero, no traceback."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping
from typing import Any

import click

from topicdock.contract.failure import failure_text
from topicdock.errors import TopicdockError


class Commands(click.Group):
    """A group of commands, each imported when it is called for: ``serve`` need not wait for what ``prepare`` needs.

    Parameters
    ----------
    places : mapping of str to str
        Where each command is: ``module:name``, in the order of the help text.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, str], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such."""
        if cmd_name not in self._places:
            return None
        module, _, name = self._places[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; whatever it raises becomes one sentence."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack a word's letters
        try:
            return super().invoke(ctx)
        except TopicdockError as error:
            raise click.ClickException(str(error)) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            text = failure_text(error).replace("The training log has the details.", "")
            raise click.ClickException(f"{text.strip()} `topicdock --traceback ...` shows where.") from error
