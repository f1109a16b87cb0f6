"""The `hippograph` command: the list of its subcommands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from hippograph.cli import (
    ask,
    config,
    delete,
    doctor,
    estimate,
    evaluate,
    explain,
    export,
    index,
    reembed,
    retrieve,
    status,
    update,
)
from hippograph.cli.console import complain, speak_any_script
from hippograph.errors import HippographError, IndexDirectoryError, InputError, MissingExtraError

__all__ = ["app", "main"]

USAGE, DAMAGED, FAILED, INTERRUPTED = 2, 3, 1, 130


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hippograph {version('hippograph')}")
        raise typer.Exit


app = typer.Typer(
    name="hippograph",
    help="Graph-based retrieval with hippocampal indexing: documents in, ranked passages out.",
    epilog="Exit codes: 0 fine; 1 some items failed, listed and retryable, or a model or the disk did; 2 wrong usage, "
    "or a package is not installed; 3 the index is missing, damaged, locked or does not match; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Graph-based retrieval with hippocampal indexing: documents in, ranked passages out."""


app.command("index")(index.index)
app.command("update")(update.update)
app.command("delete")(delete.delete)
app.command("reembed")(reembed.reembed)
app.command("retrieve")(retrieve.retrieve)
app.command("ask")(ask.ask)
app.command("explain")(explain.explain)
app.command("evaluate")(evaluate.evaluate)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("estimate")(estimate.estimate)
app.command("export")(export.export)
app.add_typer(config.app, name="config")


def main() -> None:
    """Run the command line; the entry point `hippograph`."""
    speak_any_script()
    try:
        app()
    except HippographError as error:
        complain(str(error))
        sys.exit(_exit_code(error))
    except OSError as error:
        complain(f"{error.filename or 'the system'}: {error.strerror or error}; mend that and repeat the command")
        sys.exit(FAILED)
    except SystemExit as end:
        # Typer has turned a KeyboardInterrupt into this.
        if end.code == INTERRUPTED:
            complain("interrupted; the same command goes on where it stopped")
        raise


def _exit_code(error: HippographError) -> int:
    if isinstance(error, IndexDirectoryError):
        return DAMAGED
    if isinstance(error, InputError | MissingExtraError):
        return USAGE
    return FAILED
