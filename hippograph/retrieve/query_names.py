"""The names that queries mention, for retrievers that begin with those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hippograph.errors import ModelError
from hippograph.protocols import Extractor
from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import tokens
from hippograph.types import Passage

__all__ = ["NO_NAMES", "ExtractedNames", "QueryNames", "extracted_names", "written_names"]

NO_NAMES: Final = "no names"
"""What the stage of a ranking is called, or begins with, if the query named nothing that a walk could begin at."""

QueryNames: TypeAlias = Callable[[Sequence[str]], list[tuple[str, ...]]]
"""Returns the names in each query, each once, in the order of mention."""


@dataclass(frozen=True, kw_only=True)
class ExtractedNames:
    """Has an extractor read queries as if they were passages.

    Parameters
    ----------
    extractor
        Reads them.
    """

    extractor: Extractor

    def __call__(self, queries: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the names in each query, each once, in the order of mention.

        Raises
        ------
        ModelError
            If the extractor fails on a query: that is not to look as if no names were in it.
        """
        passages = [Passage(id=str(place), document=str(place), text=query) for place, query in enumerate(queries)]
        found: dict[str, tuple[str, ...]] = {}
        for passage, extraction in self.extractor.extract(passages):
            if extraction.status in {"invalid", "failed"}:
                raise ModelError(
                    f"the names in {passage.text!r} could not be read ({extraction.error}); ask again, or give another "
                    "way to find the names of queries"
                )
            found[passage.id] = tuple(dict.fromkeys(extraction.entities))
        return [found[passage.id] for passage in passages]


def extracted_names(extractor: Extractor) -> ExtractedNames:
    """Have an extractor read queries as if they were passages: spaCy's or a language model's named entities.

    Parameters
    ----------
    extractor
        Reads them.

    Examples
    --------
    >>> from hippograph.testing.doubles import CapitalsExtractor
    >>> extracted_names(CapitalsExtractor())(["did Amundsen sail the Fram?", "who sails?"])
    [('Amundsen', 'Fram'), ()]
    """
    return ExtractedNames(extractor=extractor)


def written_names(queries: Sequence[str]) -> list[tuple[str, ...]]:
    """Take runs of capitalised words for names, without the words of grammar before them; no model is asked.

    Parameters
    ----------
    queries
        The queries.

    Examples
    --------
    >>> written_names(["Who is the father of Roald Amundsen?", "The Fram was built by whom?", "who sails?"])
    [('Roald Amundsen',), ('Fram',), ()]
    """
    return [tuple(dict.fromkeys(_runs(query))) for query in queries]


def _runs(query: str) -> list[str]:
    spans: list[tuple[int, int]] = []
    last = -1
    for place, word in enumerate(tokens(query)):
        capital = query[word.start : word.end][:1].isupper()
        goes_on = bool(spans) and last == place - 1
        if not capital or not (goes_on or not is_grammar(word.key) or reads_as_name(query, [word])):
            continue
        spans = [*spans[:-1], (spans[-1][0], word.end)] if goes_on else [*spans, (word.start, word.end)]
        last = place
    return [query[start:end] for start, end in spans]
