"""The nouns that every part of hippograph shares: frozen records without behaviour.

A *document* is what was loaded; a *passage* is the piece of it that is indexed, retrieved and cited. An *extraction* is
what was read out of one passage. A *ranking* is the answer to one query: *hits* in order, the *evidence* behind them,
and how long each step took.
"""

from __future__ import annotations

from hippograph.types.answers import Answer, MemoryKind, MemoryNode, Outcome, Step
from hippograph.types.arrays import (
    DoubleArray,
    ExtractionStatus,
    FloatArray,
    IntArray,
    NodeKind,
    RecognitionStatus,
    Scalar,
    TextRole,
)
from hippograph.types.documents import Document, Extraction, Passage, SkippedItem, Triple, Usage
from hippograph.types.explanations import (
    ExplainedHit,
    ExplainedPath,
    ExplainedSeed,
    Explanation,
    Hub,
    MapEdge,
    MapNode,
    OtherSeeds,
    PathStep,
    RankMoves,
    WalkMap,
)
from hippograph.types.rankings import Evidence, Hit, LinkedTriple, Ranking, Recognition, Seed, Stage, WalkReport

__all__ = [
    "Answer",
    "Document",
    "DoubleArray",
    "Evidence",
    "ExplainedHit",
    "ExplainedPath",
    "ExplainedSeed",
    "Explanation",
    "Extraction",
    "ExtractionStatus",
    "FloatArray",
    "Hit",
    "Hub",
    "IntArray",
    "LinkedTriple",
    "MapEdge",
    "MapNode",
    "MemoryKind",
    "MemoryNode",
    "NodeKind",
    "OtherSeeds",
    "Outcome",
    "Passage",
    "PathStep",
    "RankMoves",
    "Ranking",
    "Recognition",
    "RecognitionStatus",
    "Scalar",
    "Seed",
    "SkippedItem",
    "Stage",
    "Step",
    "TextRole",
    "Triple",
    "Usage",
    "WalkMap",
    "WalkReport",
]
