"""What the nodes of a walk are called, and what the edges between them say."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from hippograph.retrieve.trace import Trace
from hippograph.store.snapshot import Snapshot
from hippograph.types import NodeKind

__all__ = ["NodeLabels", "row_of"]

_RELATIONS: Final = 2
"""Two nodes may be joined by many facts; so many of them are told."""


def row_of(ids: Sequence[str], id: str) -> int | None:
    """Return the place of an id among ascending ones; None if it is not there.

    Examples
    --------
    >>> row_of(["fram", "gjoa"], "gjoa"), row_of(["fram", "gjoa"], "maud")
    (1, None)
    """
    place = bisect_left(ids, id)
    return place if place < len(ids) and ids[place] == id else None


class NodeLabels:
    """Names nodes and edges of a walk.

    Parameters
    ----------
    trace
        The walk.
    snapshot
        The index: passages' titles, and what its facts say of its entities.
    nodes
        The nodes whose edges will be asked for.
    """

    def __init__(self, trace: Trace, snapshot: Snapshot, nodes: Collection[int]) -> None:
        self._trace = trace
        self._snapshot = snapshot
        # Another graph, as a reference's, may number other names.
        self._own = trace.entity_names is snapshot.entity_names
        self._relations = self._related(nodes) if self._own else {}

    def kind(self, node: int) -> NodeKind:
        """Tell entities from passages."""
        return "entity" if node < self._trace.graph.n_entities else "passage"

    def name(self, node: int) -> str:
        """Return an entity's name or a passage's id."""
        return self._trace.name(node)

    def label(self, node: int) -> str:
        """Return an entity's name or a passage's title, or its id if it has none."""
        name = self.name(node)
        row = None if self.kind(node) == "entity" else row_of(self._snapshot.passages.ids, name)
        return name if row is None else self._snapshot.passages.titles[row] or name

    def link(self, one: int, other: int) -> tuple[str, bool]:
        """Say how one node leads to the next, and whether that is to be read from the next one to it.

        Returns
        -------
        `in`, `title of`, `mentions`, `titled`, `like` or a relation; empty if it is not known.
        """
        kinds = self.kind(one), self.kind(other)
        if kinds == ("entity", "passage"):
            return ("title of" if self._titles(other, one) else "in"), False
        if kinds == ("passage", "entity"):
            return ("titled" if self._titles(one, other) else "mentions"), False
        if kinds == ("passage", "passage") or not self._own:
            return "", False
        if said := self._relations.get((one, other)):
            return " / ".join(said), False
        if said := self._relations.get((other, one)):
            return " / ".join(said), True
        return "like", False

    def _titles(self, passage: int, entity: int) -> bool:
        row = row_of(self._snapshot.passages.ids, self.name(passage))
        return self._own and row is not None and int(self._snapshot.title_entities[row]) == entity

    def _related(self, nodes: Collection[int]) -> dict[tuple[int, int], list[str]]:
        triples, entities = self._snapshot.triples, [node for node in nodes if self.kind(node) == "entity"]
        among = np.isin(triples.subjects, entities) & np.isin(triples.objects, entities)
        related: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for number in np.flatnonzero(among).tolist():
            said = related[int(triples.subjects[number]), int(triples.objects[number])]
            relation = triples[number].relation
            if relation not in said and len(said) < _RELATIONS:
                said.append(relation)
        return dict(related)
