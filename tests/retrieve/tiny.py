"""A graph small enough to be worked out on paper, the index it is made from, and exact arithmetic to check with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.hippograph import HippoGraph
from hippograph.types import Extraction, ExtractionStatus, FloatArray, Passage, TextRole, Triple


@dataclass(frozen=True)
class AxisEmbedder:
    """Gives each text the axis it is told to; all others share the last one."""

    axes: Mapping[str, int] = field(default_factory=dict)
    dimension: int = 16

    @property
    def fingerprint(self) -> str:
        return f"axes:{sorted(self.axes.items())}"

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row, self.axes.get(text, self.dimension - 1)] = 1.0
        return vectors


@dataclass(frozen=True)
class GivenExtractor:
    """Finds in each passage the triples it is given, and their ends as entities."""

    triples: Mapping[str, Sequence[Triple]]
    otherwise: ExtractionStatus = "empty"

    @property
    def fingerprint(self) -> str:
        return f"given:{sorted(self.triples)}"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            stated = tuple(self.triples.get(passage.id, ()))
            names = tuple(dict.fromkeys(name for one in stated for name in (one.subject, one.object)))
            status: ExtractionStatus = "done" if stated else self.otherwise
            error = "cannot read this" if status == "failed" else ""
            yield passage, Extraction(status=status, entities=names, triples=stated, error=error)


STATED = {
    "p0": [Triple("Anna", "leads", "Bern")],
    "p1": [Triple("Bern", "joins", "Cusco")],
}
"""Anna - Bern - Cusco, the first edge stated by one passage and the second by the other."""

AXES = {
    # Facts, as the reference writes them and as the index does; passages; phrases; questions.
    "('anna', 'leads', 'bern')": 0,
    "anna leads bern": 0,
    "('bern', 'joins', 'cusco')": 1,
    "bern joins cusco": 1,
    "zero": 0,
    "one": 1,
    "anna": 2,
    "bern": 3,
    "cusco": 4,
    "Who leads?": 0,
    "Who joins?": 1,
}


def tiny_index(
    folder: Path, *, stated: Mapping[str, Sequence[Triple]] | None = None, axes: Mapping[str, int] | None = None
) -> HippoGraph:
    """Index two passages, of which the first is near "Who leads?" and the second near "Who joins?"."""
    extractor = GivenExtractor(STATED if stated is None else stated)
    hippograph = HippoGraph(folder / "tiny.hippo", extractor=extractor, embedder=AxisEmbedder(axes or AXES))
    hippograph.index([Passage(id="p0", document="p0", text="zero"), Passage(id="p1", document="p1", text="one")])
    return hippograph


def weights_of(graph: KnowledgeGraph, names: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the weight of each edge by the names of its ends, each edge once; passages are p0, p1 and so on."""
    called = [*names, *(f"p{row}" for row in range(graph.n_passages))]
    found = graph.adjacency.tocoo()
    rows, cols = found.coords
    return {
        (called[row], called[col]): float(weight)
        for row, col, weight in zip(rows.tolist(), cols.tolist(), found.data.tolist(), strict=True)
        if row < col
    }


def exact_walk(graph: KnowledgeGraph, reset: Sequence[Fraction], damping: Fraction) -> list[Fraction]:
    """Solve x = (1 - d) r + d (A D^-1 x + m r) in fractions; the graph's weights must be exact as they are."""
    size = graph.n_nodes
    edges = [[Fraction(0)] * size for _ in range(size)]
    found = graph.adjacency.tocoo()
    for row, col, weight in zip(*(part.tolist() for part in found.coords), found.data.tolist(), strict=True):
        edges[row][col] = Fraction(weight)
    degrees = [sum(row) for row in edges]
    share = [one / sum(reset) for one in reset]
    rows = [
        [
            Fraction(int(node == other))
            - damping * (edges[node][other] / degrees[other] if degrees[other] else share[node])
            for other in range(size)
        ]
        + [(1 - damping) * share[node]]
        for node in range(size)
    ]
    return _solved(rows)


def _solved(rows: list[list[Fraction]]) -> list[Fraction]:
    size = len(rows)
    for at in range(size):
        pivot = next(row for row in range(at, size) if rows[row][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for row in range(size):
            if row != at and rows[row][at]:
                rows[row] = [value - rows[row][at] * other for value, other in zip(rows[row], rows[at], strict=True)]
    return [row[-1] for row in rows]
