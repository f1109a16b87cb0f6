"""What to say of a passage that was asked for and is no hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from hippograph.retrieve.node_labels import NodeLabels, row_of
from hippograph.retrieve.trace import FIRST_WALK, Trace
from hippograph.retrieve.walk_account import WalkAccount
from hippograph.types import ExplainedHit

__all__ = ["remarks_on"]

_NAMED: Final = 5


def remarks_on(
    passage: ExplainedHit, hits: Sequence[ExplainedHit], trace: Trace, account: WalkAccount, labels: NodeLabels
) -> tuple[str, ...]:
    """Say in sentences what a passage lacks that the hits have.

    Parameters
    ----------
    passage
        The passage, which is no hit.
    hits
        The hits.
    trace, account
        The walk.
    labels
        What nodes are called.
    """
    return (*_standing(passage, len(hits)), *_mass(passage, hits), *_seeds(passage, trace, account, labels))


def _standing(passage: ExplainedHit, k: int) -> Iterator[str]:
    """Tell which step lost it."""
    for (before, rank), (after, now) in pairwise(passage.ranks.items()):
        if rank is not None and rank <= k and (now is None or now > k):
            where = "out of sight" if now is None else f"to rank {now}"
            yield f"The step {after!r} moved it from rank {rank} after {before!r} {where}."
    if passage.ranks and all(rank is None or rank > k for rank in passage.ranks.values()):
        yield f"It was among the best {k} after no step."


def _mass(passage: ExplainedHit, hits: Sequence[ExplainedHit]) -> Iterator[str]:
    if passage.mass == 0:
        yield "No way leads to it from any seed."
    elif hits and (last := min(hit.mass for hit in hits)) > passage.mass:
        yield f"The least that the walk has at a hit is {last / passage.mass:.1f} times what it has here."
    elif hits:
        yield "Settled, the walk has no less here than at the weakest hit; the retriever ranks by its own scores."


def _seeds(passage: ExplainedHit, trace: Trace, account: WalkAccount, labels: NodeLabels) -> Iterator[str]:
    row = row_of(trace.passage_ids, passage.passage.id)
    if row is None:
        return
    restart = account.restart
    node = trace.graph.n_entities + row
    if restart[node] > 0:
        yield f"It is a seed itself ({trace.reasons.get(node, 'dense')}), with a weight of {restart[node]:.4f}."
    else:
        lacks = ["near enough to the query", "titled with what the query names"]
        if any(FIRST_WALK in why for why in trace.reasons.values()):
            lacks.append("among the best of the first walk")
        yield f"It is no seed itself: it is neither {' nor '.join(lacks)}."
    if trace.readings is None:
        around = trace.graph.neighbours(node)[0]
    else:
        around = trace.readings.indices[trace.readings.indptr[row] : trace.readings.indptr[row + 1]]
    entities = [entity for entity in around.tolist() if entity < trace.graph.n_entities]
    seeded = sorted((entity for entity in entities if restart[entity] > 0), key=lambda e: (-restart[e], e))
    if not entities:
        yield "It mentions no entity, so that no way leads on from it."
    elif seeded:
        more = [f"and {len(seeded) - _NAMED} more"] if len(seeded) > _NAMED else []
        named = ", ".join([*(labels.name(entity) for entity in seeded[:_NAMED]), *more])
        yield f"Of the {len(entities)} entities that it mentions, these are seeds: {named}."
    else:
        yield f"Of the {len(entities)} entities that it mentions, none is a seed."
