"""Titles with qualifiers: which of the passages of one name a query speaks of.

An entity's name is the title of a passage without the parenthesis at its end, so *Dark River (1990 film)* and
*Dark River (2017 film)* are one entity. What stands in the parenthesis tells them apart, if the query says it.
"""

from __future__ import annotations

from collections.abc import Sequence

from hippograph.store.snapshot import Snapshot
from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import normalize, strip_qualifier
from hippograph.text.spelling import singular, word_form

__all__ = ["qualified_passages", "titled_passages"]


def titled_passages(entity: int, snapshot: Snapshot) -> list[int]:
    """List the passages whose titles name an entity, by number; only its neighbours can be.

    Parameters
    ----------
    entity
        Its number.
    snapshot
        The index.
    """
    nodes, _ = snapshot.graph.neighbours(entity)
    rows = nodes[nodes >= snapshot.graph.n_entities].astype("int64") - snapshot.graph.n_entities
    return [int(row) for row in rows[snapshot.title_entities[rows] == entity]]


def qualified_passages(entity: int, said: Sequence[str], snapshot: Snapshot) -> tuple[int, ...]:
    """Choose among the passages of one name by what the query says of it.

    Parameters
    ----------
    entity
        The name.
    said
        The normalised words of the query beside the name.
    snapshot
        The index.

    Returns
    -------
    The passages whose qualifiers share the most words with the query; () if there is nothing to choose: one passage,
    or none of the words said, or all alike.
    """
    rows = titled_passages(entity, snapshot)
    if len(rows) < 2:
        return ()
    words = {singular(word_form(word)) for word in said if word not in FUNCTION_WORDS}
    shares = [_share(snapshot.passages.titles[row], words) for row in rows]
    best = max(shares)
    chosen = tuple(row for row, share in zip(rows, shares, strict=True) if share == best)
    return chosen if best > (0, 0.0) and len(chosen) < len(rows) else ()


def _share(title: str, words: set[str]) -> tuple[int, float]:
    """Count the words of a title's qualifier that are among some words, and their share of the qualifier."""
    qualifier = title.strip()[len(strip_qualifier(title)) :]
    own = {singular(word_form(word)) for word in normalize(qualifier).split(" ") if word not in FUNCTION_WORDS} - {""}
    shared = len(own & words)
    return shared, shared / max(1, len(own))
