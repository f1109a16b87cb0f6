"""The graph without relations: which sentences hold which entities, and which passages mention them how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.protocols import Embedder
from hippograph.retrieve.per_snapshot import PerSnapshot
from hippograph.retrieve.substrings import Substrings
from hippograph.store.arrays import StringTable, damage
from hippograph.store.derived import derived_vectors
from hippograph.store.name_lookup import Occurrences, Texts, trie_of
from hippograph.store.ragged import indptr_of
from hippograph.store.snapshot import Snapshot
from hippograph.store.tables import PassageTable
from hippograph.text.normalization import tokens
from hippograph.text.sentences import sentence_spans
from hippograph.types import DoubleArray, FloatArray, IntArray

__all__ = ["SentenceGraph", "SentenceGraphs", "sentences_of"]

_KIND: Final = "sentences"


def sentences_of(title: str, text: str) -> list[tuple[str, int]]:
    r"""Cut a passage into sentences; the first stands under the title, for it often leaves out what it is about.

    Returns
    -------
    The sentences, each with the place in the text of its first character.

    Examples
    --------
    >>> sentences_of("Fram", "Built in 1892. It lies in Oslo."), sentences_of("", " ")
    ([('Fram\nBuilt in 1892.', 0), ('It lies in Oslo.', 15)], [])
    """
    cut = [(text[start:end], start) for start, end in sentence_spans(text)]
    if title.strip():
        cut[:1] = [(f"{title}\n{sentence}", start) for sentence, start in cut[:1]] or [(title, 0)]
    return cut


@dataclass(frozen=True, kw_only=True, eq=False)
class SentenceGraph:
    """What LinearRAG walks and bridges over: entities E, passages P, and the distinct sentences S.

    It costs a look through all texts to make, so it is made once for a snapshot and shared.

    Parameters
    ----------
    graph
        An edge from a passage to each entity it mentions, weighing the entity's share of the passage's mentions; an
        edge of weight 1 between neighbouring passages of a document. No relations, no synonyms.
    sentences
        The sentences, as `sentences_of` cuts them, each once.
    sentence_indptr, sentence_entities
        The entities of each sentence, ascending; ragged, S lists.
    entity_indptr, entity_sentences
        The sentences of each entity, ascending; ragged, E lists.
    mention_indptr, mention_passages, mention_counts
        The passages that mention each entity, ascending, and how often; ragged, E lists.
    texts
        Finds names inside of words too, as the reference does: in the passages under their titles.

    References
    ----------
    Zhuang et al., LinearRAG: Linear Graph Retrieval Augmented Generation on Large-scale Corpora (ICLR 2026).
    """

    graph: KnowledgeGraph
    sentences: StringTable
    sentence_indptr: IntArray
    sentence_entities: IntArray
    entity_indptr: IntArray
    entity_sentences: IntArray
    mention_indptr: IntArray
    mention_passages: IntArray
    mention_counts: IntArray
    texts: Substrings = field(repr=False)

    @classmethod
    def of(cls, snapshot: Snapshot) -> SentenceGraph:
        """Make it out of a snapshot, or of the part of one that a filter chooses.

        Names are found in sentences as the index found them in passages: the longest at each place, whatever the case.
        What a title names is held by the first sentence.

        Raises
        ------
        DamagedIndexError
            If the texts are not those that the snapshot's evidence was read from.
        """
        n_entities = snapshot.graph.n_entities
        sentences, owners, entities = _incidence(snapshot)
        by_sentence = np.unique(owners * max(1, n_entities) + entities)
        owners, entities = np.divmod(by_sentence, max(1, n_entities))
        sentence_indptr, _ = _grouped(owners, n_groups=len(sentences))
        entity_indptr, by_entity = _grouped(entities, n_groups=n_entities)
        passages, mentioned, counts = _mentions(snapshot)
        mention_indptr, by_mentioned = _grouped(mentioned, n_groups=n_entities)
        return cls(
            graph=_graph(snapshot, passages, mentioned, counts),
            sentences=sentences,
            sentence_indptr=sentence_indptr,
            sentence_entities=entities,
            entity_indptr=entity_indptr,
            entity_sentences=owners[by_entity],
            mention_indptr=mention_indptr,
            mention_passages=passages[by_mentioned],
            mention_counts=counts[by_mentioned],
            # The passages alone: who holds the snapshot keeps it from being let go.
            texts=Substrings(texts=partial(_headed, snapshot.passages)),
        )

    def vectors(self, embedder: Embedder, *, directory: Path | None = None, generation: int = 0) -> FloatArray:
        """Return the sentences' vectors; those not known yet are embedded, as passages are.

        Parameters
        ----------
        embedder
            The embedder the index was built with.
        directory
            The index directory, which keeps the vectors for the next time; None keeps nothing.
        generation
            The number of the snapshot of which this is the graph; 0 for the graph of a part of one. Vectors of
            sentences that the current one does not have are deleted.

        Returns
        -------
        Shape (S, d), rows of length 1.
        """
        texts = self.sentences.to_list()
        return derived_vectors(directory, _KIND, texts, embedder=embedder, role="passage", generation=generation)

    def entities_in(self, sentence: int) -> IntArray:
        """Return the entities that a sentence holds, ascending."""
        return self.sentence_entities[int(self.sentence_indptr[sentence]) : int(self.sentence_indptr[sentence + 1])]

    def sentences_with(self, entity: int) -> IntArray:
        """Return the sentences that hold an entity, ascending."""
        return self.entity_sentences[int(self.entity_indptr[entity]) : int(self.entity_indptr[entity + 1])]

    def mentions_of(self, entity: int) -> tuple[IntArray, IntArray]:
        """Return the passages that mention an entity, ascending, and how often each does."""
        row = slice(int(self.mention_indptr[entity]), int(self.mention_indptr[entity + 1]))
        return self.mention_passages[row], self.mention_counts[row]


class SentenceGraphs:
    """Makes sentence graphs and their vectors, and keeps them as long as their snapshots; threads may share it."""

    def __init__(self) -> None:
        self._made: PerSnapshot[tuple[SentenceGraph, FloatArray]] = PerSnapshot()

    def of(self, snapshot: Snapshot, *, embedder: Embedder, directory: Path | None) -> tuple[SentenceGraph, FloatArray]:
        """Return the sentence graph of a snapshot and the vectors of its sentences, shape (S, d).

        The first time, all sentences are embedded; that takes somewhat longer than embedding the passages did.

        Parameters
        ----------
        snapshot
            The index, or a part of it.
        embedder
            The embedder the index was built with.
        directory
            The index directory, where vectors are kept; None keeps nothing.

        Raises
        ------
        DamagedIndexError
            If the texts are not those that the snapshot's evidence was read from.
        """

        def make() -> tuple[SentenceGraph, FloatArray]:
            graph = SentenceGraph.of(snapshot)
            return graph, graph.vectors(embedder, directory=directory, generation=snapshot.generation)

        return self._made.of(snapshot, make)


def _headed(passages: PassageTable) -> Iterator[str]:
    return (passage.headed_text for passage in passages)


def _incidence(snapshot: Snapshot) -> tuple[StringTable, IntArray, IntArray]:
    """Return the distinct sentences, and pairs of a sentence and an entity it holds, in no order and repeated."""
    evidence, table = snapshot.evidence, snapshot.passages
    numbers: dict[str, int] = {}
    # A passage without a sentence has one piece of no tokens, so that the pieces tile the tokens.
    pieces: list[int] = []
    begins: list[int] = []
    firsts: list[int] = []
    for row, (title, text) in enumerate(zip(table.titles, table.texts, strict=True)):
        firsts.append(len(pieces))
        cut = sentences_of(title, text)
        pieces += [numbers.setdefault(sentence, len(numbers)) for sentence, _ in cut] or [-1]
        begins += _beginnings(snapshot, row, text, [start for _, start in cut])
    starts = np.array([*begins, evidence.token_indptr[-1]], dtype=np.int64)
    skip = np.zeros(len(pieces), dtype=np.int64)
    skip[firsts] = evidence.title_tokens
    said = Texts(indptr=starts, words=evidence.token_words, names=evidence.token_names, skip=skip)
    found = _found(snapshot, said, len(pieces))
    titled = snapshot.title_entities >= 0
    places = np.concatenate([found.rows, np.array(firsts, dtype=np.int64)[titled]])
    entities = np.concatenate([found.entities, snapshot.title_entities[titled]])
    owners = np.array(pieces, dtype=np.int64)[places]
    there = owners >= 0
    return StringTable.of(numbers), owners[there], entities[there]


def _beginnings(snapshot: Snapshot, row: int, text: str, starts: list[int]) -> Iterator[int]:
    """Yield the number of the token that each sentence of a passage begins with; the title is part of the first."""
    evidence = snapshot.evidence
    first, last = int(evidence.token_indptr[row]), int(evidence.token_indptr[row + 1])
    said = np.array([token.start for token in tokens(text)], dtype=np.int64)
    body = first + int(evidence.title_tokens[row])
    if body + len(said) != last:
        raise damage(Path("passage_texts.utf8"), f"has another text than was read, at {snapshot.passages.ids[row]!r}")
    yield first
    yield from (body + np.searchsorted(said, starts[1:])).tolist()


def _found(snapshot: Snapshot, said: Texts, n_pieces: int) -> Occurrences:
    evidence = snapshot.evidence
    trie = trie_of(evidence.words, evidence.name_indptr, evidence.name_words)
    return trie.longest(said, np.arange(n_pieces))


def _mentions(snapshot: Snapshot) -> tuple[IntArray, IntArray, IntArray]:
    """Return the passage, the entity and the count of every mention, by passage."""
    evidence = snapshot.evidence
    passages = np.repeat(np.arange(len(snapshot.passages)), np.diff(evidence.mention_indptr))
    return passages, np.asarray(evidence.mention_entities), np.asarray(evidence.mention_counts)


def _graph(snapshot: Snapshot, passages: IntArray, entities: IntArray, counts: IntArray) -> KnowledgeGraph:
    n_entities, n_passages = snapshot.graph.n_entities, snapshot.graph.n_passages
    totals = np.bincount(passages, weights=counts, minlength=n_passages)
    shares: DoubleArray = counts / totals[passages]
    earlier, later = _neighbours(snapshot)
    return from_edges(
        np.concatenate([passages, earlier]) + n_entities,
        np.concatenate([entities, later + n_entities]),
        np.concatenate([shares, np.ones(len(earlier))]),
        n_entities=n_entities,
        n_passages=n_passages,
    )


def _neighbours(snapshot: Snapshot) -> tuple[IntArray, IntArray]:
    """Return each two passages of a document that come one after the other in it."""
    table = snapshot.passages
    numbers: dict[str, int] = {}
    owner = np.array([numbers.setdefault(document, len(numbers)) for document in table.documents], dtype=np.int64)
    order = np.lexsort((np.arange(len(owner)), table.places[:, 0], owner))
    same = owner[order[1:]] == owner[order[:-1]]
    return order[:-1][same], order[1:][same]


def _grouped(groups: IntArray, *, n_groups: int) -> tuple[IntArray, NDArray[np.intp]]:
    """Tell where each group's elements begin when they are put together, and the order that does so."""
    lengths = np.bincount(groups, minlength=n_groups)
    return indptr_of(lengths), np.argsort(groups, kind="stable")
