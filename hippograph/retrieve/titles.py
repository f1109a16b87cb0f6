"""Titles with qualifiers: which of the passages of one name a query speaks of.

An entity's name is the title of a passage without the parenthesis at its end, so *Dark River (1990 film)* and
*Dark River (2017 film)* are one entity. What stands in the parenthesis tells them apart, if the query says it.
"""

from __future__ import annotations

from hippograph.retrieve.query_words import QueryWords
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


def qualified_passages(entity: int, query: QueryWords, first: int, last: int, snapshot: Snapshot) -> tuple[int, ...]:
    """Choose among the passages of one name by what the query says beside it, and by how it writes the name.

    A title counts most if the query says its whole qualifier, and then if it has none; unless the query gives a
    qualifier of its own in brackets: then the title that shares the most of it does.

    Parameters
    ----------
    entity
        The name.
    query
        The query.
    first, last
        Its first word that is the name's, and one past the last.
    snapshot
        The index.

    Returns
    -------
    The passages that the query means, by number; () if there is nothing to choose, or no telling.
    """
    rows = titled_passages(entity, snapshot)
    if len(rows) < 2:
        return ()
    beside = query.keys[:first] + query.keys[last:]
    said = {_stem(word) for word in beside if word not in FUNCTION_WORDS}
    explicit = last < len(query.keys) and query.apart[last]
    written = query.text[query.words[first].start : query.words[last - 1].end]
    ranks = [_rank(snapshot.passages.titles[row], said, written, explicit=explicit) for row in rows]
    best = max(ranks)
    chosen = tuple(row for row, rank in zip(rows, ranks, strict=True) if rank == best)
    return chosen if len(chosen) < len(rows) else ()


def _rank(title: str, said: set[str], written: str, *, explicit: bool) -> tuple[float, bool, bool]:
    """Rank a title: by its qualifier, and by whether its name is written as in the query."""
    bare = strip_qualifier(title)
    own = {_stem(word) for word in normalize(title.strip()[len(bare) :]).split(" ") if word not in FUNCTION_WORDS}
    own.discard("")
    shared = len(own & said)
    if not own:
        fit = 0.0 if explicit else 1.0
    elif shared == len(own):
        fit = 1.0 + shared
    else:
        fit = shared / len(own)
    return fit, bare.casefold() == written.casefold(), bare == written


def _stem(word: str) -> str:
    return singular(word_form(word))
