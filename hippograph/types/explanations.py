"""Why a ranking is as it is, in numbers and names: where the walk began, which ways it took, what each seed gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hippograph.types.arrays import NodeKind
from hippograph.types.documents import Passage
from hippograph.types.rankings import LinkedTriple, Recognition, WalkReport

__all__ = [
    "ExplainedHit",
    "ExplainedPath",
    "ExplainedSeed",
    "Explanation",
    "Hub",
    "MapEdge",
    "MapNode",
    "OtherSeeds",
    "PathStep",
    "RankMoves",
    "WalkMap",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSeed:
    """A node at which the walk restarted, and what came of it.

    Parameters
    ----------
    node
        The entity's name or the passage's id.
    kind
        Which of the two it is.
    label
        What to call it: the entity's name or the passage's title.
    weight
        Its share of the restart distribution, 0 to 1.
    reason
        Why it was seeded, as in `Seed`.
    mass
        What it gives in sum to the hits that are accounted for.
    """

    node: str
    kind: NodeKind
    label: str
    weight: float
    reason: str
    mass: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSeeds:
    """The seeds that are not listed one by one.

    Parameters
    ----------
    count
        How many there are.
    weight
        Their share of the restart distribution, 0 to 1.
    mass
        What they give in sum to the hits that are accounted for.
    """

    count: int = 0
    weight: float = 0.0
    mass: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """A node on a path.

    Parameters
    ----------
    node, kind, label
        As for `ExplainedSeed`.
    link
        How the step before leads here: `in`, `title of`, `mentions`, `titled`, `like`, or a fact's relation; empty for
        the first, and where it is not known.
    inverse
        Whether the relation is read from here to the step before.
    """

    node: str
    kind: NodeKind
    label: str
    link: str = ""
    inverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPath:
    """A way of the walk from a seed to a passage.

    Parameters
    ----------
    passage
        The id of the passage that it leads to.
    steps
        From the seed to the passage, no node twice; one alone where the passage is itself the seed.
    mass
        What reaches the passage on this way alone.
    share
        The part of the passage's mass that this is, 0 to 1.
    """

    passage: str
    steps: tuple[PathStep, ...]
    mass: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedHit:
    """A passage, and how it came to its place.

    Parameters
    ----------
    passage
        The passage.
    place
        Its place in the ranking, from 1; None if it is not among those looked through.
    score
        Its score; None if it has no place.
    ranks
        Its rank after each step on the way, from 1; None where it is not among the passages that the stage lists.
    accounted
        Whether its mass is divided among those it came from; so are the first 20 hits, and the passage asked for.
    mass
        Its share of the walk, settled; 0 without a walk. The score is the retriever's own.
    from_seeds
        What each of the explanation's seeds gives to it, in their order; empty if it is not accounted for.
    from_others
        What the other seeds give to it; with `from_seeds` it adds up to `mass`.
    through_hubs
        The part of its mass that came through the largest hubs, 0 to 1.
    remarks
        What to know about a passage that was asked for and is no hit, in sentences.
    """

    passage: Passage
    place: int | None
    score: float | None
    ranks: Mapping[str, int | None] = field(default_factory=dict)
    accounted: bool = False
    mass: float = 0.0
    from_seeds: tuple[float, ...] = ()
    from_others: float = 0.0
    through_hubs: float = 0.0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """One of the entities with the most edges, through which many ways lead.

    Parameters
    ----------
    node
        Its name.
    edges
        How many it has.
    mass
        Its share of the walk, 0 to 1.
    """

    node: str
    edges: int
    mass: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMoves:
    """How far one step moved the hits.

    Parameters
    ----------
    before, after
        The names of the two stages.
    entered
        How many of the best k after it were not among the best k before.
    mean
        Mean number of places that those best k moved, of those whose ranks are both known.
    unknown
        How many of them were not even among the passages listed before.
    """

    before: str
    after: str
    entered: int
    mean: float
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNode:
    """A node that is drawn.

    Parameters
    ----------
    node, kind, label
        As for `ExplainedSeed`.
    weight
        Its share of the restart distribution; 0 if it is no seed.
    mass
        Its share of the walk.
    place
        Its place among the hits; None if it is none of them.
    asked
        Whether it is the passage that was asked for.
    reason
        Why it was seeded, as in `Seed`; empty if it is no seed.
    """

    node: str
    kind: NodeKind
    label: str
    weight: float = 0.0
    mass: float = 0.0
    place: int | None = None
    asked: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEdge:
    """An edge that is drawn.

    Parameters
    ----------
    source, target
        Places of its ends among the nodes; on a path, in the direction of the strongest one.
    flow
        Mass that passes over it in both directions, per step.
    link, inverse
        How the source leads to the target, as in `PathStep`.
    on_path
        Whether one of the paths leads over it.
    """

    source: int
    target: int
    flow: float
    link: str
    inverse: bool
    on_path: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkMap:
    """The part of the graph that says most: hits, the seeds that gave most, and what lies between them.

    Parameters
    ----------
    nodes
        The nodes, no more than can be read.
    edges
        The edges between them, those on paths and those with the most flow.
    """

    nodes: tuple[MapNode, ...] = ()
    edges: tuple[MapEdge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a query was answered as it was.

    Parameters
    ----------
    query
        The query as asked.
    hits
        The hits, best first.
    accounted
        How many of the hits, the first ones, are accounted for; sums over the hits are over these.
    walked
        Whether there was a walk. Without one there are hits and stages only.
    damping
        Probability of following an edge; 0 without a walk.
    walk
        How the walk ended.
    seeds
        Where it restarted: all that the query names, and of the others the heaviest; by what they give to the hits.
    other_seeds
        The rest of them.
    triples
        Facts near the query, kept and dropped, nearest first.
    recognition
        What was said of the triples; None if nobody was asked.
    paths
        The strongest ways to each hit that is accounted for, in their order, and to the passage that was asked for.
    passage
        The passage that was asked for; None if none was.
    hubs
        The entities with the most edges, the largest first; none where all have few.
    hub_mass
        Their share of the walk in sum, 0 to 1.
    through_hubs
        The part of the accounted hits' mass that came through them, 0 to 1.
    moves
        How far each step moved the hits.
    depths
        How many passages each stage lists; a rank beyond is not known.
    map
        What is drawn.
    timings
        Milliseconds by step, those of the explanation last.
    """

    query: str
    hits: tuple[ExplainedHit, ...]
    walked: bool
    accounted: int = 0
    damping: float = 0.0
    walk: WalkReport | None = None
    seeds: tuple[ExplainedSeed, ...] = ()
    other_seeds: OtherSeeds = field(default_factory=OtherSeeds)
    triples: tuple[LinkedTriple, ...] = ()
    recognition: Recognition | None = None
    paths: tuple[ExplainedPath, ...] = ()
    passage: ExplainedHit | None = None
    hubs: tuple[Hub, ...] = ()
    hub_mass: float = 0.0
    through_hubs: float = 0.0
    moves: tuple[RankMoves, ...] = ()
    depths: Mapping[str, int] = field(default_factory=dict)
    map: WalkMap = field(default_factory=WalkMap)
    timings: Mapping[str, float] = field(default_factory=dict)
