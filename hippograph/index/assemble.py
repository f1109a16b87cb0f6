"""Assembly: the evidence of all passages becomes one weighted graph."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.index.facts import Facts, Triples
from hippograph.index.naming import Mentions
from hippograph.index.synonyms import Synonyms
from hippograph.store.arrays import StringTable
from hippograph.store.ragged import places_of
from hippograph.types import IntArray

__all__ = ["GRAPH_VERSION", "EdgeWeights", "assemble", "graph_digest", "passage_counts"]

GRAPH_VERSION = "3"
"""Changes whenever the same evidence would make another graph; an index made by another version is assembled anew."""


@dataclass(frozen=True, kw_only=True)
class EdgeWeights:
    """How strongly the walk is drawn along each kind of edge.

    The defaults hold for all corpora; `docs/design.md` tells how they were chosen.

    Parameters
    ----------
    title
        Between a passage and the entity its title names: what a passage is about against what it mentions.
    mention
        Between a passage and an entity it mentions.
    popularity
        An entity mentioned by n passages gets mention edges of `mention / n ** popularity`: a name that is everywhere
        says little. This is HippoRAG's node specificity (HippoRAG, section 2.3), on the edge instead of the seed.
    relation
        Between the subject and the object of a triple, once per passage that states it, divided by
        `sqrt(n_subject * n_object) ** popularity`.
    synonym
        Between synonyms, times their cosine (HippoRAG, section 2.2: the cosine itself).

    Raises
    ------
    InputError
        If a weight is negative or not finite, or `title` or `mention` is 0.
    """

    title: float = 8.0
    mention: float = 1.0
    popularity: float = 0.5
    relation: float = 0.5
    synonym: float = 0.5

    def __post_init__(self) -> None:
        for name in ("title", "mention", "popularity", "relation", "synonym"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise InputError(f"edge weight {name}={value} is not a number from 0 upwards")
        if not (self.title and self.mention):
            raise InputError("edge weights title and mention must be above 0, or passages fall out of the graph")


def passage_counts(mentions: Mentions, *, n_entities: int) -> IntArray:
    """Count the passages that mention each entity, shape (E,)."""
    return np.bincount(mentions.entities, minlength=n_entities).astype(np.int64)


def assemble(
    mentions: Mentions,
    title_entities: IntArray,
    facts: Facts,
    triples: Triples,
    synonyms: Synonyms,
    *,
    n_entities: int,
    weights: EdgeWeights,
) -> KnowledgeGraph:
    """Join entities and passages into a graph.

    Parameters
    ----------
    mentions, title_entities, facts, triples, synonyms
        The evidence, whose numbers agree.
    n_entities
        How many entities there are, E.
    weights
        How strong each kind of edge is.

    Returns
    -------
    The graph: entity nodes 0..E-1 in the order of their keys, then one node per passage.
    """
    rarity = np.maximum(passage_counts(mentions, n_entities=n_entities), 1.0) ** -weights.popularity
    passages = np.repeat(np.arange(len(title_entities)), np.diff(mentions.indptr))
    ends = mentions.entities
    about = title_entities[passages] == ends
    mention = np.where(about, weights.title, weights.mention * rarity[ends])
    rows, columns, strengths = [ends], [passages + n_entities], [mention]
    if weights.relation:
        stated = np.bincount(facts.numbers, minlength=len(facts.facts))[triples.facts]
        subjects, objects = np.repeat(triples.subjects, stated), np.repeat(triples.objects, stated)
        rows.append(subjects)
        columns.append(objects)
        strengths.append(weights.relation * np.sqrt(rarity[subjects] * rarity[objects]))
    if weights.synonym:
        rows.append(synonyms.left)
        columns.append(synonyms.right)
        strengths.append(weights.synonym * synonyms.similarities)
    return from_edges(
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(strengths),
        n_entities=n_entities,
        n_passages=len(title_entities),
    )


def graph_digest(
    graph: KnowledgeGraph, keys: StringTable, contents: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
) -> str:
    """Condense what a graph contains, whatever the ids of its passages.

    Parameters
    ----------
    graph
        The graph. Its passages have edges to entities only, and those that say the same have the same edges.
    keys
        The entities' normalised names, ascending; length E.
    contents
        A digest of each passage's title and text, shape (P, 16): passages count by what they say, not by their ids.

    Returns
    -------
    32 hexadecimal digits: equal for two graphs with the same entities, passages and edges.
    """
    order = np.lexsort(contents.T[::-1])
    state = blake2b(digest_size=16)
    for part in (np.array([len(keys), len(contents)]), keys.offsets, keys.blob, contents[order]):
        state.update(np.ascontiguousarray(part).tobytes())
    rows = np.concatenate([np.arange(len(keys)), len(keys) + order])
    indptr, places = places_of(graph.indptr, rows)
    neighbours, weights = graph.indices[places].astype(np.int64), graph.weights[places]
    # From an entity's side, a passage is its number, which comes of its id; the passage's side tells the same.
    among = neighbours < len(keys)
    owners = np.repeat(np.arange(len(rows)), np.diff(indptr))
    for part in (owners[among], neighbours[among], weights[among].astype(np.float64)):
        state.update(part.tobytes())
    return state.hexdigest()
