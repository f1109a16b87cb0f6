"""Seeding: where the walk restarts, and how strongly at each place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.errors import InputError
from hippograph.retrieve.linking import EntityLink
from hippograph.retrieve.nearest import top
from hippograph.retrieve.titles import titled_passages
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, FloatArray, IntArray, Seed

__all__ = ["Reset", "Seeding"]


@dataclass(frozen=True, kw_only=True)
class Reset:
    """A restart distribution over all nodes.

    Parameters
    ----------
    weights
        Shape (N,), summing to 1.
    reasons
        Why each seeded node is one.
    """

    weights: DoubleArray
    reasons: dict[int, str]

    def shared_with(self, nodes: IntArray, shares: DoubleArray, *, share: float, reason: str) -> Reset:
        """Return the distribution that gives a share of the restarts to other nodes.

        Parameters
        ----------
        nodes
            The other nodes.
        shares
            How they divide it; summing to 1.
        share
            What they get, 0 to 1.
        reason
            Why they are seeds.
        """
        if not len(nodes) or share == 0:
            return self
        weights = (1.0 - share) * self.weights
        weights[nodes] += share * shares
        reasons = dict(self.reasons) if share < 1 else {}
        for node in nodes.tolist():
            reasons[node] = f"{reasons[node]}, {reason}" if node in reasons else reason
        return Reset(weights=weights, reasons=reasons)

    def seeds(self, snapshot: Snapshot) -> tuple[Seed, ...]:
        """Name the seeds, heaviest first, equal ones by node."""
        nodes = sorted(self.reasons, key=lambda node: (-self.weights[node], node))
        n_entities = snapshot.graph.n_entities
        return tuple(
            Seed(
                node=snapshot.entity_names[node] if node < n_entities else snapshot.passages.ids[node - n_entities],
                kind="entity" if node < n_entities else "passage",
                weight=float(self.weights[node]),
                reason=self.reasons[node],
            )
            for node in nodes
            if self.weights[node] > 0
        )


@dataclass(frozen=True, kw_only=True)
class Seeding:
    """Divides the restart distribution between what a query mentions and what it means.

    The named share goes to the linked entities and to the passages whose titles name them; the dense share to the
    passages nearest to the query. A query that names nothing known is all dense. The defaults hold for all corpora;
    `docs/design.md` tells how they were chosen.

    Parameters
    ----------
    dense_share
        Share of the nearest passages, 0 to 1, when entities are linked.
    dense_passages
        How many passages share it.
    sharpness
        A passage weighs `exp(sharpness * z)`, z being its distance below the best one in standard deviations of all
        passages' cosines: a scale that does not depend on the embedder.
    rarity
        An entity mentioned by n passages weighs `1 / n ** rarity`; HippoRAG's node specificity is 1
        (HippoRAG, section 2.3).
    title
        A passage whose title is a linked entity weighs this much more than the entity itself.
    triple
        An entity that is linked through a triple weighs this share of one that the query mentions.

    Raises
    ------
    InputError
        If a share lies outside 0 to 1, a weight is negative, or no passage would be seeded.
    """

    dense_share: float = 0.45
    dense_passages: int = 100
    sharpness: float = 1.75
    rarity: float = 0.75
    title: float = 3.0
    triple: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.dense_share <= 1.0:
            raise InputError(f"dense_share {self.dense_share} is not a share from 0 to 1")
        if self.dense_passages < 1:
            raise InputError(f"dense_passages {self.dense_passages} seeds nothing; give 1 or more")
        for name in ("sharpness", "rarity", "title", "triple"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise InputError(f"{name}={value} is not a number from 0 upwards")

    def reset(self, links: Sequence[EntityLink], similarities: FloatArray, snapshot: Snapshot) -> Reset:
        """Spread the restart distribution over the nodes.

        Parameters
        ----------
        links
            The entities that the query speaks of.
        similarities
            Cosine of every passage to the query, shape (P,).
        snapshot
            The index.
        """
        weights = np.zeros(snapshot.graph.n_nodes)
        reasons: defaultdict[int, list[str]] = defaultdict(list)
        for link in links:
            share = self.triple if link.reason == "triple" else 1.0
            weight = link.confidence * share / max(1, int(snapshot.entity_passages[link.entity])) ** self.rarity
            weights[link.entity] += weight
            reasons[link.entity].append(link.reason)
            for row in link.passages or titled_passages(link.entity, snapshot):
                node = row + snapshot.graph.n_entities
                weights[node] += self.title * weight
                reasons[node].append("title")
        named = weights.sum()
        dense_share = self.dense_share if named > 0 else 1.0
        if named > 0:
            weights *= (1.0 - dense_share) / named
        rows, dense = self._dense(similarities)
        weights[rows + snapshot.graph.n_entities] += dense_share * dense
        for node in (rows + snapshot.graph.n_entities).tolist():
            reasons[node].append("dense")
        return Reset(weights=weights, reasons={node: ", ".join(dict.fromkeys(why)) for node, why in reasons.items()})

    def _dense(self, similarities: FloatArray) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], DoubleArray]:
        """Return the nearest passages and their shares, which sum to 1."""
        rows = top(similarities, k=self.dense_passages)
        cosines = similarities[rows].astype(np.float64)
        spread = float(similarities.std(dtype=np.float64)) if len(similarities) else 0.0
        shares = np.exp(self.sharpness * (cosines - cosines.max(initial=-1.0)) / max(spread, 1e-6))
        return rows, shares / max(float(shares.sum()), np.finfo(np.float64).tiny)
