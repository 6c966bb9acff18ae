"""How a command fails: one plain sentence, an exit code that is not zero, no traceback."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from topicdock.contract.failure import failure_text
from topicdock.errors import TopicdockError


class PlainErrors(click.Group):
    """A group of commands whose exceptions become one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
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
