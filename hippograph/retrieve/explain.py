"""Explanations: why a query was answered as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.retrieve.node_labels import NodeLabels, row_of
from hippograph.retrieve.ranked import Stopwatch, check_request
from hippograph.retrieve.remarks import remarks_on
from hippograph.retrieve.trace import Trace, Traceable
from hippograph.retrieve.walk_account import WalkAccount, account_for
from hippograph.retrieve.walk_map import chosen_nodes, map_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import (
    ExplainedHit,
    ExplainedPath,
    ExplainedSeed,
    Explanation,
    Hub,
    OtherSeeds,
    PathStep,
    Ranking,
    RankMoves,
    Stage,
)

__all__ = ["explain"]

_DEPTH: Final = 100
_DEPTH_ASKED: Final = 1000
"""How deep a walk's stages are looked into, at least, where a passage is asked for: it may stand anywhere."""

_ACCOUNTED: Final = 20
"""So many of the hits are accounted for: each takes a walk of its own, and nobody reads the paths of more."""

_PATHS: Final = 3
_PATHS_ASKED: Final = 6


def explain(
    retriever: Retriever, query: str, *, snapshot: Snapshot, k: int = 5, passage: str | None = None
) -> Explanation:
    """Explain what a retriever finds for a query.

    A retriever that walks (`Traceable`) is explained by its walk, its last one if there are two; of others, hits and
    stages are told. Masses are of that walk once it has settled, whatever the tolerance at which the retriever ends it.

    Parameters
    ----------
    retriever
        The retriever.
    query
        The query.
    snapshot
        The index that it searches.
    k
        How many hits; the first 20 are accounted for, the others have mass, score and ranks only.
    passage
        The id of a passage to explain too, be it a hit or not.

    Raises
    ------
    InputError
        If `k` is below 1, the query is blank, or there is no such passage.
    ConvergenceError
        If a walk does not reach its tolerance.

    References
    ----------
    Jeh, Widom: Scaling Personalized Web Search (WWW 2003), for the linearity of the walk in its reset.
    """
    check_request([query], k)
    asked = None if passage is None else row_of(snapshot.passages.ids, passage)
    if passage is not None and asked is None:
        raise InputError(f"there is no passage {passage!r}; give the id of one, as retrieve --json prints it")
    depth = max(k, _DEPTH if asked is None else _DEPTH_ASKED)
    trace = retriever.trace(query, k=depth) if isinstance(retriever, Traceable) else None
    ranking = retriever.retrieve([query], k=max(k, _DEPTH))[0] if trace is None else trace.ranking
    watch = Stopwatch()
    explanation = _without_walk(ranking, snapshot, k, asked)
    if trace is not None and trace.reset is not None and trace.reset.any():
        explanation = _of_walk(explanation, trace, snapshot)
    watch.lap("explain")
    return replace(explanation, timings={**ranking.timings, **watch.timings})


def _without_walk(ranking: Ranking, snapshot: Snapshot, k: int, asked: int | None) -> Explanation:
    """Tell what every retriever can tell: hits, and where they stood after each step."""
    evidence = ranking.evidence
    ranks = {stage.name: {id: rank for rank, (id, _) in enumerate(stage.passages, 1)} for stage in evidence.stages}
    found = [
        ExplainedHit(
            passage=hit.passage,
            place=place,
            score=hit.score,
            ranks={name: known.get(hit.passage.id) for name, known in ranks.items()},
        )
        for place, hit in enumerate(ranking.hits, start=1)
    ]
    passage = None
    if asked is not None:
        wanted = snapshot.passages[asked]
        unranked = {name: known.get(wanted.id) for name, known in ranks.items()}
        absent = ExplainedHit(passage=wanted, place=None, score=None, ranks=unranked)
        passage = next((hit for hit in found if hit.passage.id == wanted.id), absent)
    return Explanation(
        query=ranking.query,
        hits=tuple(found[:k]),
        walked=False,
        triples=evidence.triples,
        recognition=evidence.recognition,
        passage=passage,
        moves=tuple(_moves(one, other, k) for one, other in pairwise(evidence.stages)),
        depths={stage.name: len(stage.passages) for stage in evidence.stages},
    )


def _of_walk(plain: Explanation, trace: Trace, snapshot: Snapshot) -> Explanation:
    """Add what the walk tells."""
    best = plain.hits[:_ACCOUNTED]
    explained = [*best, *([plain.passage] if plain.passage and plain.passage not in best else [])]
    rows = [_row(trace, hit.passage.id) for hit in explained]
    asked = None if plain.passage is None else _row(trace, plain.passage.passage.id)
    paths = [_PATHS_ASKED if row == asked else _PATHS for row in rows]
    account = account_for(trace, rows, hits=len(best), paths=paths)
    drawn = chosen_nodes(trace, account, asked=asked)
    met = {*drawn, *(node for paths in account.paths for path in paths for node in path.nodes)}
    labels = NodeLabels(trace, snapshot, met)
    known = {hit.passage.id: _hit(hit, account, at) for at, hit in enumerate(explained)}
    hits = tuple(known.get(hit.passage.id) or _settled(hit, trace, account) for hit in plain.hits)
    passage = None if plain.passage is None else known[plain.passage.passage.id]
    if passage is not None and passage not in hits:
        passage = replace(passage, remarks=remarks_on(passage, hits, trace, account, labels))
    total = sum(hit.mass for hit in hits[: account.hits])
    return replace(
        plain,
        walked=True,
        accounted=account.hits,
        damping=trace.damping,
        walk=trace.ranking.evidence.walk,
        seeds=_seeds(trace, account, labels),
        other_seeds=_other_seeds(account),
        hits=hits,
        passage=passage,
        paths=tuple(_paths(explained, account, labels)),
        hubs=tuple(
            Hub(node=labels.name(hub), edges=len(trace.graph.neighbours(hub)[0]), mass=float(account.mass[hub]))
            for hub in account.hubs.tolist()
        ),
        hub_mass=float(account.mass[account.hubs].sum()),
        through_hubs=sum(hit.through_hubs * hit.mass for hit in hits[: account.hits]) / total if total > 0 else 0.0,
        map=map_of(trace, account, labels, drawn, places=_places(trace, hits), asked=asked),
    )


def _row(trace: Trace, id: str) -> int:
    row = row_of(trace.passage_ids, id)
    if row is None:
        raise InputError(f"the walk knows no passage {id!r}; give explain the snapshot that the retriever searches")
    return row


def _places(trace: Trace, hits: Sequence[ExplainedHit]) -> dict[int, int]:
    return {_row(trace, hit.passage.id): place for place, hit in enumerate(hits, start=1)}


def _settled(hit: ExplainedHit, trace: Trace, account: WalkAccount) -> ExplainedHit:
    return replace(hit, mass=float(account.passage_mass[_row(trace, hit.passage.id)]))


def _hit(hit: ExplainedHit, account: WalkAccount, at: int) -> ExplainedHit:
    given, others = account.given[at], float(account.others_given[at])
    return replace(
        hit,
        accounted=True,
        mass=float(given.sum()) + others,
        from_seeds=tuple(given.tolist()),
        from_others=others,
        through_hubs=float(account.through_hubs[at]),
    )


def _seeds(trace: Trace, account: WalkAccount, labels: NodeLabels) -> tuple[ExplainedSeed, ...]:
    given = account.given[: account.hits].sum(axis=0)
    return tuple(
        ExplainedSeed(
            node=labels.name(seed),
            kind=labels.kind(seed),
            label=labels.label(seed),
            weight=float(account.restart[seed]),
            reason=trace.reasons.get(seed, "dense"),
            mass=mass,
        )
        for seed, mass in zip(account.seeds.tolist(), given.tolist(), strict=True)
    )


def _other_seeds(account: WalkAccount) -> OtherSeeds:
    return OtherSeeds(
        count=account.others,
        weight=max(0.0, 1.0 - float(account.restart[account.seeds].sum())) if account.others else 0.0,
        mass=float(account.others_given[: account.hits].sum()),
    )


def _paths(explained: Sequence[ExplainedHit], account: WalkAccount, labels: NodeLabels) -> Iterator[ExplainedPath]:
    for hit, paths, given, others in zip(explained, account.paths, account.given, account.others_given, strict=True):
        mass = float(given.sum() + others)
        for path in paths:
            links = [("", False), *(labels.link(one, other) for one, other in pairwise(path.nodes))]
            yield ExplainedPath(
                passage=hit.passage.id,
                steps=tuple(
                    PathStep(
                        node=labels.name(node),
                        kind=labels.kind(node),
                        label=labels.label(node),
                        link=link,
                        inverse=inverse,
                    )
                    for node, (link, inverse) in zip(path.nodes, links, strict=True)
                ),
                mass=path.mass,
                share=min(1.0, path.mass / mass) if mass > 0 else 0.0,
            )


def _moves(before: Stage, after: Stage, k: int) -> RankMoves:
    ranks = {id: rank for rank, (id, _) in enumerate(before.passages, start=1)}
    best = [ranks.get(id) for id, _ in after.passages[:k]]
    known = [abs(rank - now) for now, rank in enumerate(best, start=1) if rank is not None]
    return RankMoves(
        before=before.name,
        after=after.name,
        entered=sum(rank is None or rank > k for rank in best),
        mean=sum(known) / len(known) if known else 0.0,
        unknown=len(best) - len(known),
    )
