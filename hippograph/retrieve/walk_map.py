"""The part of a walk that is drawn: hits, the paths to them, and the seeds that gave most."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, pairwise, zip_longest
from typing import Final

import numpy as np

from hippograph.graph.neighbourhood import edges_between
from hippograph.retrieve.node_labels import NodeLabels
from hippograph.retrieve.trace import Trace
from hippograph.retrieve.walk_account import WalkAccount
from hippograph.types import MapEdge, MapNode, WalkMap

__all__ = ["chosen_nodes", "map_of"]

_MOST: Final = 32
_HITS: Final = 10
_EDGES_PER_NODE: Final = 2


def chosen_nodes(trace: Trace, account: WalkAccount, *, asked: int | None, most: int = _MOST) -> list[int]:
    """Choose what to draw: passages, then the strongest paths to each in turns, then seeds that touch these.

    Parameters
    ----------
    trace, account
        The walk.
    asked
        The passage that was asked for.
    most
        How many nodes.
    """
    graph = trace.graph
    drawn = [*account.rows[: min(account.hits, _HITS)], *([] if asked is None else [asked])]
    chosen = dict.fromkeys(graph.n_entities + row for row in drawn)
    for path in chain.from_iterable(zip_longest(*account.paths)):
        fresh = [] if path is None or path.nodes[-1] not in chosen else [n for n in path.nodes if n not in chosen]
        if len(chosen) + len(fresh) <= most:
            chosen.update(dict.fromkeys(fresh))
    for seed in account.seeds.tolist():
        if len(chosen) < most and seed not in chosen and np.isin(graph.neighbours(seed)[0], list(chosen)).any():
            chosen[seed] = None
    return list(chosen)


def map_of(
    trace: Trace,
    account: WalkAccount,
    labels: NodeLabels,
    nodes: list[int],
    *,
    places: Mapping[int, int],
    asked: int | None,
) -> WalkMap:
    """Draw up the map of some nodes.

    Parameters
    ----------
    trace, account
        The walk.
    labels
        What to call nodes and edges.
    nodes
        What to draw.
    places
        The places of the hits, by passage.
    asked
        The passage that was asked for.
    """
    n_entities = trace.graph.n_entities
    drawn = tuple(
        MapNode(
            node=labels.name(node),
            kind=labels.kind(node),
            label=labels.label(node),
            weight=float(account.restart[node]),
            mass=float(account.mass[node]) if node < n_entities else float(account.passage_mass[node - n_entities]),
            place=places.get(node - n_entities),
            asked=asked is not None and node == n_entities + asked,
            reason=trace.reasons.get(node, "dense") if account.restart[node] > 0 else "",
        )
        for node in nodes
    )
    return WalkMap(nodes=drawn, edges=_edges(trace, account, labels, nodes))


def _edges(trace: Trace, account: WalkAccount, labels: NodeLabels, nodes: list[int]) -> tuple[MapEdge, ...]:
    """Draw the edges of the paths, and of the others those with the most flow."""
    place = {node: number for number, node in enumerate(nodes)}
    flows = _flows(trace, account, nodes)
    ways: dict[tuple[int, int], tuple[int, int]] = {}
    for path in sorted(chain.from_iterable(account.paths), key=lambda path: (-path.mass, path.nodes)):
        if {*path.nodes} <= place.keys():
            for one, other in pairwise(path.nodes):
                ways.setdefault((min(one, other), max(one, other)), (one, other))
    drawn = []
    for ends, flow in flows.items():
        source, target = ways.get(ends, ends)
        link, inverse = labels.link(source, target)
        edge = MapEdge(
            source=place[source], target=place[target], flow=flow, link=link, inverse=inverse, on_path=ends in ways
        )
        drawn.append(edge)
    drawn.sort(key=lambda edge: (not edge.on_path, -edge.flow, edge.source, edge.target))
    return tuple(drawn[: max(len(ways), _EDGES_PER_NODE * len(nodes))])


def _flows(trace: Trace, account: WalkAccount, nodes: list[int]) -> dict[tuple[int, int], float]:
    """Tell how much passes between each two of some nodes, in both directions."""
    graph = trace.graph
    edges, weights = edges_between(graph, np.array(nodes, dtype=np.int64))
    leaving = np.divide(account.mass, graph.degrees, out=np.zeros(graph.n_nodes), where=graph.degrees > 0)
    flows = trace.damping * weights * (leaving[edges[:, 0]] + leaving[edges[:, 1]])
    known = {(one, other): flow for (one, other), flow in zip(edges.tolist(), flows.tolist(), strict=True)}
    if trace.readings is not None:
        for passage in (node for node in nodes if node >= graph.n_entities):
            row = trace.readings[[passage - graph.n_entities]].tocoo()
            for entity, counts in zip(row.coords[1].tolist(), row.data.tolist(), strict=True):
                if entity in nodes:
                    known[entity, passage] = counts * float(account.mass[entity])
    return known
