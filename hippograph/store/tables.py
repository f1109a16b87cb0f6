"""Passages and triples of a snapshot, by number."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import numpy as np

from hippograph.errors import InputError
from hippograph.store.arrays import Bundle, BundleWriter, StringTable, damage
from hippograph.types import IntArray, Passage, Scalar, Triple

__all__ = ["PassageTable", "TripleTable", "write_passages"]

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
        Relation phrases, length T.
    names
        The names of all entities, length E.
    """

    subjects: IntArray
    objects: IntArray
    relations: StringTable
    names: StringTable

    def __len__(self) -> int:
        return len(self.relations)

    @overload
    def __getitem__(self, place: int) -> Triple: ...
    @overload
    def __getitem__(self, place: slice) -> list[Triple]: ...
    def __getitem__(self, place: int | slice) -> Triple | list[Triple]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        relation = self.relations[place]
        return Triple(self.names[int(self.subjects[place])], relation, self.names[int(self.objects[place])])


def write_passages(writer: BundleWriter, passages: Iterable[Passage]) -> tuple[int, int]:
    """Write a stream of passages, and return how many there were and of how many documents.

    Raises
    ------
    InputError
        If they are not in the order of their ids, or an id comes twice.
    """
    places = array("q")
    documents: set[str] = set()

    def rows() -> Iterator[tuple[str, ...]]:
        former: str | None = None
        for passage in passages:
            if former is not None and passage.id <= former:
                raise InputError(f"passage {passage.id!r} comes after {former!r}; give each once, in the order of ids")
            former = passage.id
            places.extend((*passage.span, _NO_PAGE if passage.page is None else passage.page))
            documents.add(passage.document)
            metadata = json.dumps(dict(passage.metadata), ensure_ascii=False, sort_keys=True)
            yield passage.id, passage.document, passage.source, passage.title, passage.text, metadata

    writer.write_strings([f"passage_{name}" for name in _COLUMNS], rows())
    table = np.frombuffer(places, dtype=np.int64).reshape(-1, 3)
    writer.write_array("passage_places", table)
    return len(table), len(documents)
