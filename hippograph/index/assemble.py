"""Assembly: the evidence of all passages becomes one weighted graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.index.entities import NamedEntities, NamedTriples
from hippograph.index.synonyms import Synonyms
from hippograph.types import DoubleArray

__all__ = ["GRAPH_VERSION", "EdgeWeights", "assemble", "graph_digest", "passage_counts"]

GRAPH_VERSION = "2"
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


def passage_counts(entities: NamedEntities) -> DoubleArray:
    """Count the passages that mention each entity, shape (E,)."""
    return np.bincount(entities.mention_entities, minlength=len(entities.keys)).astype(np.float64)


def assemble(
    entities: NamedEntities, triples: NamedTriples, synonyms: Synonyms, *, weights: EdgeWeights
) -> KnowledgeGraph:
    """Join entities and passages into a graph.

    Parameters
    ----------
    entities, triples, synonyms
        The evidence, whose numbers agree.
    weights
        How strong each kind of edge is.

    Returns
    -------
    The graph: entity nodes 0..E-1 in the order of `entities`, then one node per passage.
    """
    n_entities, n_passages = len(entities.keys), len(entities.title_entities)
    rarity = np.maximum(passage_counts(entities), 1.0) ** -weights.popularity
    ends, passages = entities.mention_entities, entities.mention_passages
    about = entities.title_entities[passages] == ends
    mention = np.where(about, weights.title, weights.mention * rarity[ends])
    rows, columns, strengths = [ends], [passages + n_entities], [mention]
    if weights.relation:
        stated = triples.evidence_triples
        subjects, objects = triples.subjects[stated], triples.objects[stated]
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
        n_passages=n_passages,
    )


def graph_digest(graph: KnowledgeGraph, keys: Sequence[str], contents: Sequence[str]) -> str:
    """Condense what a graph contains, whatever the numbers of its nodes.

    Parameters
    ----------
    graph
        The graph.
    keys
        The entities' normalised names, length E.
    contents
        A digest of each passage's title and text, length P: passages count by what they say, not by their ids.

    Returns
    -------
    32 hexadecimal digits: equal for two graphs with the same entities, passages and edges.
    """
    labels = np.array([f"e{key}" for key in keys] + [f"p{content}" for content in contents], dtype=object)
    distinct, ranks = np.unique(labels, return_inverse=True)
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    ends, others = ranks[rows].astype(np.int64), ranks[graph.indices].astype(np.int64)
    order = np.lexsort((graph.weights, others, ends))
    state = blake2b(digest_size=16)
    for label in distinct:
        name = label.encode()
        state.update(len(name).to_bytes(8, "little") + name)
    # Two passages may say the same, so the number of nodes behind each label counts too.
    state.update(np.bincount(ranks, minlength=len(distinct)).astype("<i8").tobytes())
    for part in (ends[order].astype("<i8"), others[order].astype("<i8"), graph.weights[order].astype("<f8")):
        state.update(part.tobytes())
    return state.hexdigest()
