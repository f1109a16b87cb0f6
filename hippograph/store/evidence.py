"""The evidence tables of a snapshot: what every passage says, in numbers.

From them the graph can be revised (passages put in, taken out, hidden) without reading unchanged text again. Retrieval
looks only at the words of texts and names, for names that a query writes otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.store.arrays import Bundle, BundleWriter, StringTable
from hippograph.types import DoubleArray, IntArray

__all__ = ["STAMP_BYTES", "EvidenceTables"]

STAMP_BYTES: Final = 32
_CONTENT_BYTES: Final = 16
_TABLES: Final = ("words", "spellings", "phrases", "relations")
_NUMBERS: Final = (
    "token_indptr", "title_tokens", "spelling_entities", "stated_indptr", "stated_spellings", "stated_counts",
    "title_spellings", "phrase_entities", "fact_indptr", "fact_numbers", "mention_indptr", "mention_entities",
    "mention_counts", "name_indptr", "name_words", "near_indptr", "near_entities", "near_counts",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class EvidenceTables:
    """What the passages say, by number: P passages, E entities, V words, S spellings, F phrases, X facts.

    Parameters
    ----------
    contents
        Digest of each passage's title and text; uint8, shape (P, 16).
    stamps
        What tells whether a passage, its place or its extraction has changed; uint8, shape (P, 32).
    readers
        The number, among the extractors of the manifest, of the one that has read each passage; uint16, shape (P,).
    words
        The normalised tokens of titles, texts and names, ascending; length V.
    token_indptr, token_words
        The words of each passage in the order of its title and its text; ragged, P lists.
    token_names
        Whether a token is a function word that is written as a name; shape (tokens,).
    title_tokens
        How many of a passage's first tokens are its title's; shape (P,).
    spellings
        Names as written, ascending; length S.
    spelling_entities
        The entity that each spelling names; shape (S,).
    stated_indptr, stated_spellings, stated_counts
        Which spellings the extractor found in each passage, ascending, and how often; ragged, P lists.
    title_spellings
        The spelling that each passage's title is, -1 for none; shape (P,).
    phrases
        Keys of the subjects and objects of facts, ascending; length F.
    phrase_entities
        The entity that each phrase is, -1 for none; shape (F,).
    relations
        Relation phrases, ascending.
    facts
        Subject phrase, object phrase and relation of each fact, ascending, each once; shape (X, 3). A fact is a triple
        of the graph if both of its phrases are entities.
    fact_indptr, fact_numbers
        The facts that each passage states, ascending; ragged, P lists.
    mention_indptr, mention_entities, mention_counts
        The entities that each passage mentions, ascending, and how often; ragged, P lists.
    name_indptr, name_words
        The words of each entity's key; ragged, E lists.
    near_indptr, near_entities, near_cosines
        The most alike names of each entity, nearest first; ragged, E lists.
    near_counts
        How many names are as alike to each as the threshold asks, be they in its list or not; shape (E,).
    """

    contents: NDArray[np.uint8]
    stamps: NDArray[np.uint8]
    readers: NDArray[np.uint16]
    words: StringTable
    token_indptr: IntArray
    token_words: NDArray[np.int32]
    token_names: NDArray[np.bool_]
    title_tokens: IntArray
    spellings: StringTable
    spelling_entities: IntArray
    stated_indptr: IntArray
    stated_spellings: IntArray
    stated_counts: IntArray
    title_spellings: IntArray
    phrases: StringTable
    phrase_entities: IntArray
    relations: StringTable
    facts: IntArray
    fact_indptr: IntArray
    fact_numbers: IntArray
    mention_indptr: IntArray
    mention_entities: IntArray
    mention_counts: IntArray
    name_indptr: IntArray
    name_words: IntArray
    near_indptr: IntArray
    near_entities: IntArray
    near_cosines: DoubleArray
    near_counts: IntArray

    @classmethod
    def empty(cls) -> EvidenceTables:
        """Make the tables of no passages.

        Examples
        --------
        >>> len(EvidenceTables.empty().words)
        0
        """
        parts: dict[str, Any] = {
            name: np.zeros(1 if name.endswith("_indptr") else 0, dtype=np.int64) for name in _NUMBERS
        }
        parts |= {name: StringTable.of([]) for name in _TABLES}
        return cls(
            **parts,
            contents=np.empty((0, _CONTENT_BYTES), dtype=np.uint8),
            stamps=np.empty((0, STAMP_BYTES), dtype=np.uint8),
            readers=np.empty(0, dtype=np.uint16),
            token_words=np.empty(0, dtype=np.int32),
            token_names=np.empty(0, dtype=np.bool_),
            facts=np.empty((0, 3), dtype=np.int64),
            near_cosines=np.empty(0, dtype=np.float64),
        )

    @classmethod
    def read(cls, bundle: Bundle, *, passages: int, entities: int) -> EvidenceTables:
        """Map the tables out of a snapshot's files.

        Raises
        ------
        DamagedIndexError
            If a file is missing or is of another type or shape.
        """
        lengths = {
            "token_indptr": passages + 1, "stated_indptr": passages + 1, "fact_indptr": passages + 1,
            "mention_indptr": passages + 1, "title_tokens": passages, "title_spellings": passages,
            "name_indptr": entities + 1, "near_indptr": entities + 1, "near_counts": entities,
        }  # fmt: skip
        parts: dict[str, Any] = {name: bundle.array(name, np.int64, (lengths.get(name, -1),)) for name in _NUMBERS}
        parts |= {name: bundle.strings(name) for name in _TABLES}
        return cls(
            **parts,
            contents=bundle.array("contents", np.uint8, (passages, _CONTENT_BYTES)),
            stamps=bundle.array("stamps", np.uint8, (passages, STAMP_BYTES)),
            readers=bundle.array("readers", np.uint16, (passages,)),
            token_words=bundle.array("token_words", np.int32, (-1,)),
            token_names=bundle.array("token_names", np.bool_, (-1,)),
            facts=bundle.array("facts", np.int64, (-1, 3)),
            near_cosines=bundle.array("near_cosines", np.float64, (-1,)),
        )

    def write(self, writer: BundleWriter) -> None:
        """Write the tables into a snapshot."""
        for name in _TABLES:
            writer.write_table(name, getattr(self, name))
        for name in (*_NUMBERS, "contents", "stamps", "readers", "token_words", "token_names", "facts", "near_cosines"):
            writer.write_array(name, getattr(self, name))
