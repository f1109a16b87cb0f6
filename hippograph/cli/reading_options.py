"""The options of commands that read: which reader, and what it may spend on a question."""

from __future__ import annotations

from typing import Annotated

import typer

from hippograph.composition import READERS
from hippograph.readers.budget import ReadingBudget

__all__ = [
    "MaxCallsOption",
    "MaxReadTokensOption",
    "MaxSecondsOption",
    "MaxStepsOption",
    "ReaderOption",
    "reading_budget",
]

MaxCallsOption = Annotated[int | None, typer.Option("--max-calls", help="Requests to the model per question at most.")]
MaxReadTokensOption = Annotated[int | None, typer.Option("--max-tokens", help="Tokens per question at most.")]
MaxSecondsOption = Annotated[float | None, typer.Option("--max-seconds", help="Seconds per question at most.")]
MaxStepsOption = Annotated[int | None, typer.Option("--max-steps", help="Steps per question at most.")]
ReaderOption = Annotated[
    str | None,
    typer.Option(
        help=f"One of {', '.join(READERS)}, also NAME:OPTION with the options parity, clue (draft clues before "
        "looking up) and ends (best passages at both ends). By default single, or extractive without a model.",
        show_default=False,
    ),
]


def reading_budget(
    *, calls: int | None, tokens: int | None, seconds: float | None, steps: int | None
) -> ReadingBudget | None:
    """Take the limits as they were given; None if there are none."""
    if calls is tokens is seconds is steps is None:
        return None
    return ReadingBudget(calls=calls, tokens=tokens, seconds=seconds, steps=steps)
