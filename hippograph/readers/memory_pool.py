"""What a memory reader remembers, and what it has seen; and which evidence is taken in next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Hit, MemoryNode

__all__ = ["LAYERS", "Finding", "Layer", "MemoryPool", "in_story_order", "taken_in_turns"]

Layer: TypeAlias = Literal["veridical", "semantic", "episodic"]
"""Where evidence lies: passages, summaries of clusters of them, summaries of stretches of them."""

LAYERS: Final[tuple[Layer, ...]] = ("veridical", "semantic", "episodic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """New evidence for one probe.

    Parameters
    ----------
    probe
        What was looked for.
    layers
        What was found and taken in, best first, by layer; layers with nothing new are not there.
    """

    probe: str
    layers: Mapping[Layer, tuple[Hit, ...]]

    def of(self, ids: Collection[str]) -> tuple[Hit, ...]:
        """Return the passages that have one of these ids."""
        return tuple(hit for hit in self.layers.get("veridical", ()) if hit.passage.id in ids)

    def without(self, ids: Collection[str]) -> Finding:
        """Return a finding without passages that have one of these ids."""
        layers = dict(self.layers)
        layers["veridical"] = tuple(hit for hit in layers.get("veridical", ()) if hit.passage.id not in ids)
        return replace(self, layers={layer: hits for layer, hits in layers.items() if hits})

    @property
    def hits(self) -> tuple[Hit, ...]:
        """All of it, the passages first."""
        return tuple(hit for layer in LAYERS for hit in self.layers.get(layer, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPool:
    """What is remembered, and which evidence was seen; it only grows.

    Parameters
    ----------
    nodes
        In the order in which they were remembered; the first is memory number 1.
    nearness
        How near each is to the question: cosines, -1 to 1.
    seen
        Layer and id of all evidence that was taken in.

    Examples
    --------
    >>> cues = [MemoryNode(probe="Where?", kind="veridical", cue=cue) for cue in ("Oslo.", "Bergen.", "Lima.")]
    >>> pool = MemoryPool().remember(cues, [0.1, 0.9, 0.5])
    >>> pool.recalled(3), pool.recalled(2), pool.recalled(0)
    ((2,), (2,), ())
    >>> fusion = MemoryNode(probe="Where?", kind="fusion", cue="Oslo or Bergen.")
    >>> pool.remember([fusion], [0.0]).recalled(4)
    (2, 3, 4)
    """

    nodes: tuple[MemoryNode, ...] = ()
    nearness: tuple[float, ...] = ()
    seen: frozenset[tuple[Layer, str]] = frozenset()

    def __len__(self) -> int:
        return len(self.nodes)

    def remember(self, nodes: Sequence[MemoryNode], nearness: Sequence[float]) -> MemoryPool:
        """Return a pool that remembers these, too."""
        if len(nodes) != len(nearness):
            raise ValueError(f"there are {len(nodes)} nodes and {len(nearness)} cosines")
        return replace(self, nodes=(*self.nodes, *nodes), nearness=(*self.nearness, *nearness))

    def see(self, layer: Layer, hits: Iterable[Hit]) -> MemoryPool:
        """Return a pool that has seen these, too."""
        return replace(self, seen=self.seen.union((layer, hit.passage.id) for hit in hits))

    def seen_in(self, layer: Layer) -> frozenset[str]:
        """Return the ids of what was seen of a layer."""
        return frozenset(id for place, id in self.seen if place == layer)

    def nearest_half(self, first: int) -> tuple[int, ...]:
        """Choose the half of the oldest memories that is nearest to the question, at least 1.

        Parameters
        ----------
        first
            So many are the oldest.

        Returns
        -------
        Numbers of memories, ascending; of equally near ones, the older are chosen.
        """
        old = range(min(first, len(self)))
        nearest = sorted(old, key=lambda place: (-self.nearness[place], place))
        return tuple(place + 1 for place in sorted(nearest[: max(1, len(old) // 2)]))

    def recalled(self, first: int) -> tuple[int, ...]:
        """Choose the nearest half, as `nearest_half` does, and the last fusion besides."""
        fusions = [number for number, node in enumerate(self.nodes[:first], start=1) if node.kind == "fusion"]
        return tuple(sorted({*self.nearest_half(first), *fusions[-1:]}))


def taken_in_turns(rankings: Sequence[Sequence[Hit]], *, seen: Collection[str], tokens: int) -> list[tuple[Hit, ...]]:
    """Deal hits out to the rankings that they stand in, each hit once.

    The rankings take turns; each takes its best that is not taken, was not seen, and fits. So what two probes find goes
    to the one that ranks it higher.

    Parameters
    ----------
    rankings
        Hits, best first, of each probe.
    seen
        Ids of what is not wanted.
    tokens
        How many tokens each ranking may take, by estimate. One hit that is longer than that is taken if it is the first
        to be taken; else nothing could be said of it.

    Returns
    -------
    What each ranking takes, best first.

    Examples
    --------
    >>> from hippograph.types import Passage
    >>> a, b, c = (Hit(passage=Passage(id=name, document=name, text=name), score=1.0) for name in "abc")
    >>> [[hit.passage.id for hit in hits] for hits in taken_in_turns([[a, b, c], [a, b]], seen=["c"], tokens=9)]
    [['a'], ['b']]
    """
    waiting = [iter(ranking) for ranking in rankings]
    left = [tokens] * len(rankings)
    taken: list[list[Hit]] = [[] for _ in rankings]
    gone = set(seen)
    turns = list(range(len(rankings)))
    while turns:
        for turn in tuple(turns):
            for hit in waiting[turn]:
                cost = estimate_tokens(hit.passage.headed_text)
                if hit.passage.id not in gone and (cost <= left[turn] or not taken[turn]):
                    gone.add(hit.passage.id)
                    taken[turn].append(hit)
                    left[turn] -= cost
                    break
            else:
                turns.remove(turn)
    return [tuple(hits) for hits in taken]


def in_story_order(layer: Layer, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Order hits, given best first, as their documents tell them.

    Parameters
    ----------
    layer
        Where they lie. Passages are ordered by their places in their documents, and the documents by their best hits;
        summaries of stretches by the `position` that their metadata tell; clusters have no order but that of the hits.
    hits
        Best first.

    Examples
    --------
    >>> from hippograph.types import Passage
    >>> def hit(document, start):
    ...     passage = Passage(id=f"{document}{start}", document=document, text="...", span=(start, start + 3))
    ...     return Hit(passage=passage, score=1.0)
    >>> [hit.passage.id for hit in in_story_order("veridical", [hit("b", 9), hit("a", 0), hit("b", 4)])]
    ['b4', 'b9', 'a0']
    """
    if layer == "semantic":
        return tuple(hits)
    if layer == "episodic":
        return tuple(sorted(hits, key=_position))
    documents: dict[str, int] = {}
    for hit in hits:
        documents.setdefault(hit.passage.document, len(documents))
    return tuple(sorted(hits, key=lambda hit: (documents[hit.passage.document], hit.passage.span)))


def _position(hit: Hit) -> int:
    position = hit.passage.metadata.get("position", 0)
    return position if isinstance(position, int) else 0
