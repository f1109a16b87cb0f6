"""Recognition memory without a language model: which of the triples near a query bear on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isnan
from time import perf_counter

from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder
from hippograph.types import FloatArray, Recognition, Triple, Usage

__all__ = ["CrossEncoderRecognition", "NoRecognition", "check_candidates", "sentence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecognition:
    """Keep every triple, in the order given: what similarity to the query finds is taken at its word.

    Examples
    --------
    >>> [kept] = NoRecognition().recognise(["Who sailed?"], [[Triple("Nansen", "sailed", "Fram")]])
    >>> kept.status, kept.kept
    ('done', (0,))
    """

    def recognise(self, queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> list[Recognition]:
        """Keep the candidates of each query.

        Raises
        ------
        InputError
            If there are not as many lists of triples as queries.
        """
        check_candidates(queries, triples)
        return [_recognition(range(len(candidates)), usage=Usage()) for candidates in triples]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEncoderRecognition:
    """Keep the triples that a cross-encoder, reading query and triple together, finds relevant.

    A triple is read as a sentence. Nothing is kept if none is relevant enough.

    Parameters
    ----------
    encoder
        Reads query and triple together.
    threshold
        Score that a triple needs to be kept, in the units of the encoder; minus infinity keeps the best `most` whatever
        they score. The default is for the logits of ms-marco-MiniLM-L-12-v2 and the five candidates of HippoRAG 2:
        between -6 and -3 it improved recall@2 and recall@5 on each of MuSiQue, HotpotQA and 2WikiMultihopQA.
    most
        How many triples are kept at most, the highest scores first; None for all that reach the threshold.

    Raises
    ------
    InputError
        If `threshold` is no number, or `most` is below 1.

    References
    ----------
    HippoRAG 2, "From RAG to Memory" (Gutiérrez et al., ICML 2025), section 3.2, has a language model do this. Nogueira
    and Cho, "Passage Re-ranking with BERT", 2019, arXiv:1901.04085, reads two texts together.

    Examples
    --------
    >>> from hippograph.testing.doubles import OverlapCrossEncoder
    >>> memory = CrossEncoderRecognition(encoder=OverlapCrossEncoder(), threshold=0.0)
    >>> triples = [Triple("Oslo", "lies in", "Norway"), Triple("Nansen", "sailed", "Fram")]
    >>> [found] = memory.recognise(["Who sailed the Fram?"], [triples])
    >>> found.status, found.kept
    ('done', (1,))
    """

    encoder: CrossEncoder
    threshold: float = -4.0
    most: int | None = None

    def __post_init__(self) -> None:
        if isnan(self.threshold):
            raise InputError(f"threshold is {self.threshold}; give a score, or -inf to keep whatever scores best")
        if self.most is not None and self.most < 1:
            raise InputError(f"most is {self.most}; give at least 1, or None for no bound")

    def recognise(self, queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> list[Recognition]:
        """Judge the candidates of each query.

        Returns
        -------
        `done`, with the highest score first and equal ones in the order given, or `empty`.

        Raises
        ------
        InputError
            If there are not as many lists of triples as queries.
        ModelError
            If the encoder does not work at all.
        """
        check_candidates(queries, triples)
        started = perf_counter()
        pairs = [
            (query, sentence(triple))
            for query, candidates in zip(queries, triples, strict=True)
            for triple in candidates
        ]
        scores = self.encoder.score(pairs)
        seconds = (perf_counter() - started) / max(1, len(pairs))
        bounds = pairwise(accumulate((len(candidates) for candidates in triples), initial=0))
        return [self._chosen(scores[start:stop], seconds) for start, stop in bounds]

    def _chosen(self, scores: FloatArray, seconds: float) -> Recognition:
        ranked = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        kept = [place for place in ranked if scores[place] >= self.threshold][: self.most]
        return _recognition(kept, usage=Usage(items=len(scores), seconds=seconds * len(scores)))


def sentence(triple: Triple) -> str:
    """Write a triple as a sentence.

    Examples
    --------
    >>> sentence(Triple("Nansen", "sailed", "Fram"))
    'Nansen sailed Fram.'
    """
    return f"{triple.subject} {triple.relation} {triple.object}."


def check_candidates(queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> None:
    """Refuse candidates that do not belong to queries.

    Raises
    ------
    InputError
        If there are not as many lists of triples as queries.
    """
    if len(queries) != len(triples):
        raise InputError(f"{len(queries)} queries came with {len(triples)} lists of triples; give one list per query")


def _recognition(kept: Sequence[int], *, usage: Usage) -> Recognition:
    return Recognition(status="done" if kept else "empty", kept=tuple(kept), usage=usage)
