"""Readers by name, with the options that a name may carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final

from hippograph.completions import Sampling, SamplingChoice
from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder, Embedder, LanguageModel, Reader, Retriever
from hippograph.readers.amber import AmberReader
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.extractive import ExtractiveReader
from hippograph.readers.interleaved import InterleavedReader
from hippograph.readers.memory import MemoryReader, SummaryLayer
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.notes import NotesReader
from hippograph.readers.single_pass import SinglePassReader
from hippograph.retrievers import NO_MODEL

__all__ = ["READERS", "ReaderOptions", "Readers", "named_reader"]

READERS: Final[dict[str, tuple[str, ...]]] = {
    "single": ("clue", "ends"),
    "ircot": ("parity", "clue", "ends"),
    "notes": ("parity", "clue", "ends"),
    "memory": ("parity", "clue", "ends"),
    "amber": ("parity", "clue", "ends"),
    "extractive": (),
}
"""The readers that are known by name, and the options of `ReaderOptions` that each has."""


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """What may be asked of a reader beside its name.

    Parameters
    ----------
    parity
        Whether it repeats what the authors' program does.
    clue
        Whether clues are drafted, and looked up beside the question.
    ends
        Whether the best passages are shown at both ends.
    """

    parity: bool = False
    clue: bool = False
    ends: bool = False

    @property
    def given(self) -> tuple[str, ...]:
        """The options that are on."""
        return tuple(option.name for option in fields(self) if getattr(self, option.name))


def named_reader(name: str) -> tuple[str, ReaderOptions]:
    """Read the name of a reader with its options, as `NAME:OPTION,OPTION`.

    Raises
    ------
    InputError
        If there is no such reader, or it has no such option.

    Examples
    --------
    >>> named_reader("single:clue,ends")
    ('single', ReaderOptions(parity=False, clue=True, ends=True))
    """
    known, colon, told = name.partition(":")
    if known not in READERS:
        raise InputError(f"there is no reader {known!r}; choose one of {', '.join(READERS)}")
    given = told.split(",") if colon else []
    for word in given:
        if word not in READERS[known]:
            choice = f"it has: {', '.join(READERS[known])}" if READERS[known] else f"it has none, write {known}"
            raise InputError(f"{name!r}: the reader {known!r} has no option {word!r}; {choice}")
    return known, ReaderOptions(**dict.fromkeys(given, True))


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Makes readers by name; threads may share it.

    Parameters
    ----------
    language_model
        What all but `extractive` ask; None if there is none.
    cross_encoder
        What judges sentences for `extractive` and `amber`; None if there is none.
    embedder
        What `memory` compares its memories with.
    """

    language_model: LanguageModel | None
    cross_encoder: CrossEncoder | None
    embedder: Embedder

    def make(
        self,
        name: str | None,
        *,
        retriever: Retriever,
        layers: Mapping[SummaryLayer, Retriever] | None = None,
        k: int | None = None,
        sampling: Sampling | SamplingChoice | None = None,
        budget: ReadingBudget | None = None,
    ) -> Reader:
        """Make a reader.

        Parameters
        ----------
        name
            One of `READERS`, with its options behind a colon. None is `single` where there is a language model, and
            `extractive` where there is none.
        retriever
            Finds the passages.
        layers
            Find the summaries of the layers `semantic` and `episodic`, for `memory`.
        k
            How many passages are looked up at a time; None leaves it to the reader.
        sampling
            How the language model chooses its words; None leaves it to the reader, and so does what a choice leaves
            open.
        budget
            What the reading of a question may spend.

        Raises
        ------
        InputError
            If there is none of this name, it has no such option, it needs a language model, or `k` is below 1.
        """
        known, options = named_reader(("single" if self.language_model else "extractive") if name is None else name)
        given: dict[str, Any] = {"retriever": retriever}
        given |= {} if k is None else {"k": k}
        given |= {} if budget is None else {"budget": budget}
        if known == "extractive":
            return ExtractiveReader(cross_encoder=self.cross_encoder, **given)
        if self.language_model is None:
            raise InputError(NO_MODEL.format(what=f"the reader {known!r}"))
        given |= {"model": self.language_model, "clue": options.clue}
        given |= {"arrangement": "ends"} if options.ends else {}
        given |= {"parity": True} if options.parity else {}
        makers: dict[str, Callable[..., ModelReader]] = {
            "single": SinglePassReader,
            "ircot": InterleavedReader,
            "notes": NotesReader,
            "memory": partial(MemoryReader, layers=layers or {}, embedder=self.embedder),
            "amber": partial(AmberReader, cross_encoder=self.cross_encoder),
        }
        reader = makers[known](**given)
        if isinstance(sampling, SamplingChoice):
            sampling = sampling.over(reader.sampling)
        return reader if sampling is None else replace(reader, sampling=sampling)
