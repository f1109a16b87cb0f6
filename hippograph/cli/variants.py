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
from hippograph.retrievers import RECOGNITIONS, Variant, named_variant

__all__ = [
    "JudgeOption",
    "ParityOption",
    "RecognitionOption",
    "RetrieverOption",
    "SecondLookOption",
    "opened",
    "variant_of",
]
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
JudgeOption = Annotated[
    bool | None,
    typer.Option(
        "--judge/--no-judge", help="Whether a cross-encoder takes part in the second look; default.", show_default=False
    ),
]


def variant_of(*, parity: bool, recognition: str | None, second_look: bool | None, judge: bool | None) -> Variant:
    """Take the options as they were given; those that were not are left to the retriever."""
    return Variant(parity=parity or None, recognition=recognition, second_look=second_look, judge=judge)


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


def variants(names: Sequence[str], variant: Variant) -> dict[str, tuple[str, Variant]]:
    """Read the names of several retrievers, and give each the options that it has and its name does not settle.

    Returns
    -------
    Each retriever's name alone, and its options, under the name with the options.

    Raises
    ------
    InputError
        If none of them has an option that is given, a name cannot be read, or two come out the same.
    """
    read = [named_variant(name) for name in dict.fromkeys(names)]
    for option in variant.given:
        if not any(option in RETRIEVERS[name] for name, _ in read):
            replace(Variant(), **{option: getattr(variant, option)}).check(read[0][0])
    found: dict[str, tuple[str, Variant]] = {}
    for name, own in read:
        settled = {option: getattr(own, option) for option in own.given}
        whole = replace(variant.of(name), **settled)
        label = whole.named(name)
        if label in found:
            raise InputError(
                f"two of the retrievers are {label!r} with the options that are given to all; leave one out"
            )
        found[label] = (name, whole)
    return found
