"""Summaries without a language model: the sentences that say most of what the texts have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from hippograph.errors import InputError
from hippograph.index.summaries import SummarisedText, Summary, SummaryRequest, SummarySizes, within
from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import NORMALIZER_VERSION, normalize, tokens
from hippograph.text.sentences import sentence_spans
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import DoubleArray, Usage

__all__ = ["ExtractiveSummariser"]

_VERSION: Final = 1
# Values are compared in steps of this, so that how a sum was rounded decides nothing.
_STEP: Final = 2.0**-30
# Sentences more alike than this are one said twice.
_SAME: Final = 0.95


class _Sentence(NamedTuple):
    """A sentence, the place of its text, and what it is compared and counted by."""

    owner: int
    text: str
    words: tuple[str, ...]
    size: int


@dataclass(frozen=True, kw_only=True)
class ExtractiveSummariser:
    """Summarise by picking sentences, and put them in the order of the texts; no model is asked.

    Each text in turn gives a sentence, over and over, as long as one fits: the one that is most like all sentences
    together and least like those that are taken already (maximal marginal relevance [1]_). Sentences are compared by
    their words, each counting the more the fewer of the sentences have it; compared by vectors of an embedder, the
    summaries are no better found, and take fifty times as long (`docs/design.md`). A sentence that does not name the
    title of its text is put under it.

    Parameters
    ----------
    sizes
        How long summaries may be.
    relevance
        How much it counts that a sentence is like all, against that it is unlike those taken; 0 to 1.
    lead
        What the first sentence of a text is given in advance, as a cosine: it says as a rule who or what is spoken of.

    Raises
    ------
    InputError
        If `relevance` is not between 0 and 1, or `lead` is negative.

    References
    ----------
    .. [1] Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
       Summaries", SIGIR 1998.

    Examples
    --------
    >>> texts = (SummarisedText("Oslo", "Oslo is a town of Norway. It is old."),)
    >>> requests = [SummaryRequest(layer="semantic", texts=texts)]
    >>> [summary.text for _, summary in ExtractiveSummariser(sizes=SummarySizes(semantic=16)).summarise(requests)]
    ['Oslo is a town of Norway. Oslo: It is old.']
    """

    sizes: SummarySizes = field(default_factory=SummarySizes)
    relevance: float = 0.7
    lead: float = 0.1

    def __post_init__(self) -> None:
        if not self.lead >= 0.0:
            raise InputError(f"lead is {self.lead}; give 0 or more")
        if not 0.0 <= self.relevance <= 1.0:
            raise InputError(f"relevance is {self.relevance}; give a number from 0 to 1")

    @property
    def fingerprint(self) -> str:
        """Names the rules and their settings."""
        sizes = f"{self.sizes.semantic}:{self.sizes.episodic}"
        return f"extractive:{_VERSION}:{NORMALIZER_VERSION}:{sizes}:{self.relevance:g}:{self.lead:g}"

    def summarise(self, requests: Iterable[SummaryRequest]) -> Iterator[tuple[int, Summary]]:
        """Yield the number of each request, and its summary, in their order; texts without a word have an empty one."""
        for number, request in enumerate(requests):
            yield number, Summary(status="done", text=self._pick(request), usage=Usage(items=1))

    def expected(self, request: SummaryRequest) -> Usage:
        """Expect nothing: no model is asked."""
        return Usage()

    def _pick(self, request: SummaryRequest) -> str:
        room = self.sizes.of(request.layer)
        sentences = [sentence for place, text in enumerate(request.texts) for sentence in _sentences(place, text)]
        taken = self._taken(sentences, room)
        if taken or not sentences:
            return " ".join(sentences[place].text for place in sorted(taken))
        # Not even one sentence fits.
        ((_, cut),) = within([SummarisedText("", sentences[0].text)], room)
        return cut

    def _taken(self, sentences: Sequence[_Sentence], room: int) -> list[int]:
        """Choose sentences, from one text after the other, over and over, as long as any fits."""
        if not sentences:
            return []
        vectors = _vectors([sentence.words for sentence in sentences])
        middle = vectors.sum(axis=0)
        alike = vectors @ (middle / max(1e-9, float(np.sqrt(middle @ middle))))
        owners, sizes = (np.array(column) for column in zip(*[(one.owner, one.size) for one in sentences], strict=True))
        alike[np.diff(owners, prepend=-1) > 0] += self.lead
        nearest, fits, taken = np.zeros(len(sentences)), sizes <= room, []
        while fits.any():
            for owner in np.unique(owners[fits]).tolist():
                mine = fits & (owners == owner)
                if not mine.any():
                    continue
                values = np.round((self.relevance * alike - (1.0 - self.relevance) * nearest) / _STEP)
                best = int(np.where(mine, values, -np.inf).argmax())
                taken.append(best)
                room -= sentences[best].size
                likeness = vectors @ vectors[best]
                nearest = np.maximum(nearest, likeness)
                fits &= (sizes <= room) & (likeness < _SAME)
                fits[best] = False
        return taken


def _sentences(owner: int, text: SummarisedText) -> Iterator[_Sentence]:
    title = normalize(text.title.partition(" (")[0])
    spans = sentence_spans(text.text)
    for sentence in [" ".join(text.text[start:end].split()) for start, end in spans] or [text.title]:
        written = sentence if title in normalize(sentence) else f"{text.title}: {sentence}"
        words = tuple(token.key for token in tokens(written) if token.key not in FUNCTION_WORDS)
        yield _Sentence(owner, written, words, estimate_tokens(written) + 1)


def _vectors(sentences: list[tuple[str, ...]]) -> DoubleArray:
    """Count words, the rare ones more; rows of length 1, or 0 for no words."""
    numbers: dict[str, int] = {}
    rows = [[numbers.setdefault(word, len(numbers)) for word in words] for words in sentences]
    counts = np.zeros((len(rows), len(numbers)))
    for row, words in enumerate(rows):
        np.add.at(counts[row], words, 1.0)
    weights = np.log1p(len(rows) / np.maximum(1, np.count_nonzero(counts, axis=0)))
    vectors: DoubleArray = counts * weights
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    lengths[lengths == 0.0] = 1.0
    vectors /= lengths
    return vectors
