"""Which retriever a command works with, and the options that some of them have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

from hippograph.cli.models import embedder_of, language_model_of
from hippograph.cli.settings import place_of
from hippograph.composition import RETRIEVERS
from hippograph.config.settings import Settings
from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.protocols import Retriever
from hippograph.retrievers import RECOGNITIONS, Variant

__all__ = ["ParityOption", "RecognitionOption", "RetrieverOption", "SecondLookOption", "opened", "variant_of"]
__all__ += ["variants"]

_NAMES: Final = ", ".join(RETRIEVERS)

RetrieverOption = Annotated[str, typer.Option("--retriever", help=f"One of {_NAMES}.")]
ParityOption = Annotated[
    bool, typer.Option("--parity", help="Repeat what the authors' program does: hipporag, hipporag2, linearrag.")
]
RecognitionOption = Annotated[
    str | None,
    typer.Option(help=f"What judges the facts near a question: {', '.join(RECOGNITIONS)}; default, hipporag2."),
]
SecondLookOption = Annotated[
    bool | None,
    typer.Option(
        "--second-look/--no-second-look",
        help="Whether the walk goes on from what it found; default.",
        show_default=False,
    ),
]


def variant_of(*, parity: bool, recognition: str | None, second_look: bool | None) -> Variant:
    """Take the options as they were given; those that were not are left to the retriever."""
    return Variant(parity=parity or None, recognition=recognition, second_look=second_look)


def opened(settings: Settings, *, asking: bool) -> HippoGraph:
    """Open the index that the settings name.

    Parameters
    ----------
    settings
        Which index, and which models.
    asking
        Whether a language model is asked, and so needed.
    """
    model = language_model_of(settings, answering=True) if asking else None
    return HippoGraph(place_of(settings), embedder=embedder_of(settings), language_model=model)


def variants(
    hippograph: HippoGraph, names: Sequence[str], variant: Variant, *, filter: str | None
) -> dict[str, Retriever]:
    """Make several retrievers, each with the options that it has.

    Raises
    ------
    InputError
        If none of them has an option that is given, or there is no retriever of a name.
    """
    for name in names:
        if name not in RETRIEVERS:
            raise InputError(f"there is no retriever {name!r}; choose one of {_NAMES}")
    for option in variant.given:
        if not any(option in RETRIEVERS[name] for name in names):
            replace(Variant(), **{option: getattr(variant, option)}).check(names[0])
    return {name: hippograph.parts.retriever(name, filter=filter, variant=variant.of(name)) for name in names}
