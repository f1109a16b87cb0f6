"""Passages and triples of a snapshot, by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, overload

import numpy as np

from hippograph.errors import InputError
from hippograph.store.arrays import Bundle, BundleWriter, StringTable, damage
from hippograph.store.ragged import Selection, append_strings, take_strings
from hippograph.types import IntArray, Passage, Scalar, Triple

__all__ = ["PassageTable", "TripleTable"]

_COLUMNS: Final = ("ids", "documents", "sources", "titles", "texts", "metadata")
_NO_PAGE: Final = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class PassageTable(Sequence[Passage]):
    """The passages in the order of their ids; each is read when it is asked for.

    Parameters
    ----------
    ids, documents, sources, titles, texts
        The fields of the passages, length P.
    metadata
        Their metadata as JSON, length P.
    places
        Start, end and page (-1 for none); shape (P, 3).
    """

    ids: StringTable
    documents: StringTable
    sources: StringTable
    titles: StringTable
    texts: StringTable
    metadata: StringTable
    places: IntArray

    @classmethod
    def read(cls, bundle: Bundle, length: int) -> PassageTable:
        """Map the table out of a snapshot's files.

        Raises
        ------
        DamagedIndexError
            If a file is missing or does not hold `length` passages.
        """
        columns = {name: bundle.strings(f"passage_{name}", length) for name in _COLUMNS}
        return cls(**columns, places=bundle.array("passage_places", np.int64, (length, 3)))

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> PassageTable:
        """Make a table in memory."""
        columns = {name: StringTable.of(_column(name, passage) for passage in passages) for name in _COLUMNS}
        places = [(*one.span, _NO_PAGE if one.page is None else one.page) for one in passages]
        return cls(**columns, places=np.array(places, dtype=np.int64).reshape(-1, 3))

    def revised(self, chosen: Selection, added: Sequence[Passage]) -> PassageTable:
        """Choose rows of this table and of passages that are put behind it.

        Raises
        ------
        InputError
            If they are then not in the order of their ids, each once.
        """
        behind = PassageTable.of(added)
        columns = {
            name: take_strings(append_strings(getattr(self, name), getattr(behind, name)), chosen.rows)
            for name in _COLUMNS
        }
        for one, other in pairwise(columns["ids"]):
            if one >= other:
                raise InputError(f"passage {other!r} comes after {one!r}; give each once, in the order of ids")
        return PassageTable(**columns, places=chosen.numbers(self.places, behind.places))

    def write(self, writer: BundleWriter) -> None:
        """Write the table into a snapshot."""
        for name in _COLUMNS:
            writer.write_table(f"passage_{name}", getattr(self, name))
        writer.write_array("passage_places", self.places)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Passage: ...
    @overload
    def __getitem__(self, place: slice) -> list[Passage]: ...
    def __getitem__(self, place: int | slice) -> Passage | list[Passage]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        start, end, page = self.places[place].tolist()
        return Passage(
            id=self.ids[place],
            document=self.documents[place],
            source=self.sources[place],
            title=self.titles[place],
            text=self.texts[place],
            span=(start, end),
            page=None if page == _NO_PAGE else page,
            metadata=self._metadata(place),
        )

    def _metadata(self, place: int) -> dict[str, Scalar]:
        written = self.metadata[place]
        try:
            metadata: dict[str, Scalar] = json.loads(written)
        except ValueError as error:
            raise damage(Path("passage_metadata.utf8"), f"is not JSON at passage {place}") from error
        return metadata


@dataclass(frozen=True, kw_only=True, eq=False)
class TripleTable(Sequence[Triple]):
    """The distinct triples, with the names of their entities as displayed.

    Parameters
    ----------
    subjects, objects
        Entity numbers, shape (T,).
    relations
        Numbers of relation phrases, shape (T,).
    phrases
        The relation phrases.
    names
        The names of all entities, length E.
    """

    subjects: IntArray
    objects: IntArray
    relations: IntArray
    phrases: StringTable
    names: StringTable

    def write(self, writer: BundleWriter) -> None:
        """Write the table into a snapshot; names and phrases have files of their own."""
        for name in ("subjects", "objects", "relations"):
            writer.write_array(f"triple_{name}", getattr(self, name))

    def __len__(self) -> int:
        return len(self.relations)

    @overload
    def __getitem__(self, place: int) -> Triple: ...
    @overload
    def __getitem__(self, place: slice) -> list[Triple]: ...
    def __getitem__(self, place: int | slice) -> Triple | list[Triple]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        relation = self.phrases[int(self.relations[place])]
        return Triple(self.names[int(self.subjects[place])], relation, self.names[int(self.objects[place])])


def _column(name: str, passage: Passage) -> str:
    if name == "metadata":
        return json.dumps(dict(passage.metadata), ensure_ascii=False, sort_keys=True)
    field = {"ids": "id", "documents": "document", "sources": "source", "titles": "title", "texts": "text"}[name]
    return str(getattr(passage, field))
