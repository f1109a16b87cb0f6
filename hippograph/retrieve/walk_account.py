"""The numbers of an explanation: what a walk has where, where that came from, and by which ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.contributions import contributions, largest_hubs, mass_around
from hippograph.graph.pagerank import personalized_pagerank, restart_distribution
from hippograph.graph.paths import WalkPath, strongest_paths
from hippograph.retrieve.trace import Trace
from hippograph.types import DoubleArray, IntArray

__all__ = ["WalkAccount", "account_for"]

_HUBS: Final = 10
_HUB_EDGES: Final = 10
"""An entity with fewer is no hub, though none in a small index have more."""

_NAMED: Final = 40
_DENSE: Final = 8
_BLOCK: Final = 8
_TOLERANCE: Final = 1e-9
_WORTH: Final = 0.002
"""Of the ways after the strongest, those that carry a smaller part of what the passage has are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkAccount:
    """What a walk has at some passages, and where that came from.

    Parameters
    ----------
    mass
        The walk's mass at every node; shape (N,).
    passage_mass
        What every passage has of it; shape (P,).
    restart
        Where it restarted, adding up to 1; shape (N,).
    rows
        The passages accounted for, R of them.
    hits
        How many of those are the best hits; they come first.
    seeds
        The seeds that are listed, as nodes; shape (S,).
    given
        What each of them gives to each passage accounted for; shape (R, S).
    others_given
        What the other seeds give; shape (R,).
    others
        How many other seeds there are.
    hubs
        The largest hubs, as nodes.
    through_hubs
        The part of each passage's mass that came through them, 0 to 1; shape (R,).
    paths
        The strongest ways to each passage accounted for.
    """

    mass: DoubleArray
    passage_mass: DoubleArray
    restart: DoubleArray
    rows: list[int]
    hits: int
    seeds: IntArray
    given: DoubleArray
    others_given: DoubleArray
    others: int
    hubs: IntArray
    through_hubs: DoubleArray
    paths: list[list[WalkPath]]


def account_for(trace: Trace, rows: list[int], *, hits: int, paths: list[int]) -> WalkAccount:
    """Account for the mass of some passages.

    Parameters
    ----------
    trace
        The walk.
    rows
        The passages.
    hits
        How many of them are hits; they come first. The listed seeds are those that give most to them.
    paths
        How many paths to look for, by passage.

    Raises
    ------
    InputError
        If there was no walk.
    ConvergenceError
        If a walk does not reach its tolerance.
    """
    graph, reset, damping = trace.graph, trace.reset, trace.damping
    if reset is None:
        raise InputError("the trace has no reset, so there was no walk to account for; explain another query")
    restart = restart_distribution(graph, reset)
    mass = personalized_pagerank(graph, restart, damping=damping, tolerance=_TOLERANCE, max_iterations=1000).mass
    nodes = np.flatnonzero(restart)
    # A reading is as long as the graph has nodes, so only a few are made at a time.
    given = np.zeros((len(rows), len(nodes)))
    for at in range(0, len(rows), _BLOCK):
        block = slice(at, at + _BLOCK)
        readings = [_reading(trace, row) for row in rows[block]]
        given[block] = contributions(graph, restart, readings, damping=damping, tolerance=_TOLERANCE)
    listed = _listed(trace.reasons, nodes, restart[nodes], given[:hits].sum(axis=0))
    hubs = largest_hubs(graph, most=_HUBS, least=_HUB_EDGES)
    around = mass_around(graph, restart, hubs, damping=damping, tolerance=_TOLERANCE) if len(hubs) else mass
    total = given.sum(axis=1)
    avoiding = np.divide(_read(trace, around)[rows], total, out=np.ones(len(rows)), where=total > 0)
    unlisted = np.ones(len(nodes), dtype=bool)
    unlisted[listed] = False
    return WalkAccount(
        mass=mass,
        passage_mass=_read(trace, mass),
        restart=restart,
        rows=rows,
        hits=hits,
        seeds=nodes[listed],
        given=given[:, listed],
        others_given=given[:, unlisted].sum(axis=1),
        others=int(np.count_nonzero(unlisted)),
        hubs=hubs,
        through_hubs=np.clip(1.0 - avoiding, 0.0, 1.0) if len(hubs) else np.zeros(len(rows)),
        paths=[
            _paths(trace, restart, row, most=most, has=has)
            for row, most, has in zip(rows, paths, total.tolist(), strict=True)
        ],
    )


def _paths(trace: Trace, restart: DoubleArray, row: int, *, most: int, has: float) -> list[WalkPath]:
    """Find the ways to a passage that are worth telling, and lead them to it if the walk does not enter passages."""
    passage = trace.graph.n_entities + row
    found = strongest_paths(trace.graph, restart, _reading(trace, row), damping=trace.damping, most=most)
    return [
        path if path.nodes[-1] == passage else WalkPath(nodes=(*path.nodes, passage), mass=path.mass)
        for at, path in enumerate(found)
        if at == 0 or path.mass >= _WORTH * has
    ]


def _read(trace: Trace, mass: DoubleArray) -> DoubleArray:
    """Tell what each passage has of a mass."""
    n_entities = trace.graph.n_entities
    read: DoubleArray = mass[n_entities:] if trace.readings is None else trace.readings @ mass[:n_entities]
    return read


def _reading(trace: Trace, row: int) -> DoubleArray:
    reading = np.zeros(trace.graph.n_nodes)
    if trace.readings is None:
        reading[trace.graph.n_entities + row] = 1.0
    else:
        span = slice(int(trace.readings.indptr[row]), int(trace.readings.indptr[row + 1]))
        reading[trace.readings.indices[span]] = trace.readings.data[span]
    return reading


def _listed(reasons: Mapping[int, str], nodes: IntArray, weights: DoubleArray, given: DoubleArray) -> IntArray:
    """Choose the seeds to list, those that give most first: of what the query names, and of what is merely near it."""
    order = np.lexsort((nodes, -weights, -given))
    named = np.array([reasons.get(int(node), "dense") != "dense" for node in nodes[order]], dtype=bool)
    chosen = np.concatenate([np.flatnonzero(named)[:_NAMED], np.flatnonzero(~named)[:_DENSE]])
    listed: IntArray = order[np.sort(chosen)].astype(np.int64)
    return listed
