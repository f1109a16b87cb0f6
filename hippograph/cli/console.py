"""What the commands share: JSON on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

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


# What a terminal would obey instead of showing it: a passage, or a model's answer, must not set titles or clipboards.
_CONTROLS: Final = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class _Plain(Console):
    """Prints texts as they are: no controls of terminals, and no pictures in the place of `:m:`."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - whatever rich hands on
        return super().render_str(text.translate(_CONTROLS), **options)


def output() -> Console:
    """Make the console for results: stdout, wide enough for a table where nothing says how wide it is."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
    return _Plain(file=sys.stdout, highlight=False, emoji=False, width=width)


def errors() -> Console:
    """Make the console for progress and complaints: stderr."""
    return _Plain(file=sys.stderr, highlight=False, emoji=False)


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
