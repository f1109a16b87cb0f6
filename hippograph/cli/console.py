"""What the commands share: JSON on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = [
    "IndexOption",
    "JsonOption",
    "complain",
    "errors",
    "output",
    "print_json",
    "speak_any_script",
]

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="The index directory; else what HIPPOGRAPH_INDEX says.", show_default=False),
]
_WIDTH = 120
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout and nothing else.")]


def output() -> Console:
    """Make the console for results: stdout, wide enough for a table where nothing says how wide it is."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
    return Console(file=sys.stdout, highlight=False, width=width)


def errors() -> Console:
    """Make the console for progress and complaints: stderr."""
    return Console(file=sys.stderr, highlight=False)


def complain(message: str) -> None:
    """Print one line on stderr."""
    errors().print(f"hippograph: {message}", style="red", markup=False, soft_wrap=True)


def speak_any_script() -> None:
    """Write what a terminal's encoding lacks as escapes; a name in another script must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON value on stdout; where the encoding is not Unicode, in the escapes of JSON."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, ensure_ascii=ascii_only, indent=2) + "\n")
