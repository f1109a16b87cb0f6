"""What a run would ask of a language model and of a paid embedder, before anything is asked or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from math import ceil
from typing import Final

from hippograph.index.cut_documents import Source, gather, parts_of
from hippograph.index.formats import Found
from hippograph.index.loading import find
from hippograph.prompts.prompt import Prompt
from hippograph.store.catalog import Catalog
from hippograph.store.schema import digest_of_texts
from hippograph.text.chunking import SentenceChunker
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Passage, SkippedItem, Usage

__all__ = ["EMBEDDED_PER_TOKEN", "Estimate", "Reading", "estimate", "minutes_within"]

# Fitted to what GPT-3.5-turbo read out of the 1,890 passages of MuSiQue's first 100 training questions (108 tokens on
# average, seldom above 300), as the JSON that the prompts ask for and in tokens of o200k_base: names 29 + 0.21 for each
# token of the passage, facts 71 + 0.72; together 203 for a passage. It is the sum over many passages that is estimated;
# for a single one this is off by 25% on average.
_NAMES: Final = (29.0, 0.21)
_FACTS: Final = (71.0, 0.72)
EMBEDDED_PER_TOKEN: Final = 1.2
"""In the same extractions: tokens of all distinct names and facts, which are embedded too, per token of passages."""
# Chat formats put some tokens around each message.
_PER_MESSAGE: Final = 4
_EMPTY: Final = '{"title": "", "text": ""}'
_DOCUMENTS_AT_A_TIME: Final = 256
_PASSAGES_AT_A_TIME: Final = 900
# What the books call the work of extractors.
_STAGE: Final = "extract"
# Fewer passages than this tell less than the ratios above.
_FEWEST_MEASURED: Final = 20


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a language model reads passages.

    Parameters
    ----------
    prompts
        What it is told, one prompt a call; none if no model is asked.
    window
        Most tokens of a piece; longer passages are read in several.
    extractor
        The extractor's fingerprint, whose work the index may hold already; empty if it is not known.
    reread
        Whether what other language models have read is read again.
    """

    prompts: Sequence[Prompt] = ()
    window: int = 1500
    extractor: str = ""
    reread: bool = False

    def of(self, tokens: int) -> Usage:
        """Expect what it takes to read one passage of so many tokens.

        Examples
        --------
        >>> from hippograph.prompts.prompt import load_prompt
        >>> Reading(prompts=[load_prompt("extract")]).of(100).output_tokens
        193
        """
        if not self.prompts:
            return Usage()
        pieces = max(1, ceil(tokens / self.window))
        names, facts = (round(pieces * fixed + each * tokens) for fixed, each in (_NAMES, _FACTS))
        read = 0
        for prompt in self.prompts:
            read += pieces * _overhead(prompt) + tokens + (names if "names" in prompt.fields else 0)
        return Usage(calls=pieces * len(self.prompts), items=1, input_tokens=read, output_tokens=names + facts)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What an index run is expected to do.

    Parameters
    ----------
    documents, passages
        Those of the sources; and of the index, as far as they are still to be read and not in the sources.
    unread
        Passages that the extractor is asked to read: different texts that the index has no extraction of.
    extraction
        Calls and tokens of the language model.
    embedding
        Texts and tokens of the embedder: `items` counts the passages, tokens also names and facts.
    measured
        Passages whose real use, from the index's own books, the extraction is scaled by; 0 if the ratios of another
        corpus were used.
    skipped
        What could not be indexed, and why.
    """

    documents: int
    passages: int
    unread: int
    extraction: Usage
    embedding: Usage
    measured: int = 0
    skipped: tuple[SkippedItem, ...] = ()


def estimate(
    sources: Sequence[Source],
    *,
    reading: Reading,
    chunker: SentenceChunker | None = None,
    catalog: Catalog | None = None,
    embedder: str = "",
) -> Estimate:
    """Count what indexing would ask of the models; sources are loaded and cut as `index` does it.

    Parameters
    ----------
    sources
        Files, folders, documents and passages.
    reading
        How passages are read.
    chunker
        Cuts documents into passages.
    catalog
        That of the index, if there is one; it is read only.
    embedder
        The embedder's fingerprint, whose vectors the index may hold; empty if it is not known.

    Raises
    ------
    InputError
        If a source does not exist.

    Examples
    --------
    >>> from hippograph.prompts.prompt import load_prompt
    >>> from hippograph.testing.toy_corpus import toy_passages
    >>> found = estimate(toy_passages(), reading=Reading(prompts=[load_prompt("extract")]))
    >>> found.passages == found.unread == found.extraction.calls
    True
    """
    count = _Count(reading=reading, catalog=catalog, embedder=embedder)
    gathered, cut = gather(sources)
    chunker = chunker or SentenceChunker()
    items = find(gathered)
    while block := list(islice(items, _DOCUMENTS_AT_A_TIME)):
        passages: list[Passage] = []
        for item in block:
            if isinstance(item, Found):
                count.documents.add(item.document.id)
                passages.extend(parts_of(item.document, cut) or chunker.chunk(item.document))
            else:
                count.skipped.append(item)
        count.add(passages)
    count.add_waiting()
    return count.estimate()


def minutes_within(
    usage: Usage, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
) -> float | None:
    """Return how long work takes at least within a server's limits; None without any.

    Examples
    --------
    >>> work = Usage(calls=1200, input_tokens=900_000, output_tokens=300_000)
    >>> minutes_within(work, requests_per_minute=500, tokens_per_minute=200_000)
    6.0
    """
    bounds = [
        amount / limit
        for amount, limit in ((usage.calls, requests_per_minute), (usage.tokens, tokens_per_minute))
        if limit is not None
    ]
    return max(bounds, default=None)


@dataclass(kw_only=True)
class _Count:
    reading: Reading
    catalog: Catalog | None
    embedder: str
    documents: set[str] = field(default_factory=set)
    skipped: list[SkippedItem] = field(default_factory=list)
    passages: int = 0
    unread: int = 0
    spent: Usage = field(default_factory=Usage)
    embedded: int = 0
    to_embed: int = 0
    derived: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def add(self, passages: Sequence[Passage]) -> None:
        """Count passages of documents that the index is to hold."""
        self.passages += len(passages)
        new: dict[bytes, Passage] = {}
        for passage in passages:
            content = digest_of_texts(passage.title, passage.text)
            if content not in self._seen:
                new[content] = passage
        self._seen.update(new)
        known: set[bytes] = set()
        if self.catalog is not None:
            extractions = self.catalog.extractions
            known = extractions.known([self.reading.extractor], new) - self._waiting
            known |= extractions.known(self._kept, new, usably=True)
        texts = [passage.headed_text for passage in new.values()]
        missing = set(texts if self.catalog is None else self.catalog.vectors.missing(self.embedder, "passage", texts))
        for content, passage in new.items():
            tokens = estimate_tokens(passage.headed_text)
            if content not in known:
                self.unread += 1
                self.spent += self.reading.of(tokens)
                self.derived += tokens
            if passage.headed_text in missing:
                self.embedded += 1
                self.to_embed += tokens

    def add_waiting(self) -> None:
        """Count what the index holds and the extractor has not read, of documents that were not loaded."""
        loaded = frozenset(self.documents)
        left = (passage for passage in self._held if passage.document not in loaded)
        while block := list(islice(left, _PASSAGES_AT_A_TIME)):
            self.documents.update(passage.document for passage in block)
            self.add(block)

    def estimate(self) -> Estimate:
        """Put it all together."""
        extraction, measured = self._as_measured()
        texts = Usage(items=self.embedded, input_tokens=self.to_embed + round(EMBEDDED_PER_TOKEN * self.derived))
        return Estimate(
            documents=len(self.documents),
            passages=self.passages,
            unread=self.unread,
            extraction=extraction,
            embedding=texts,
            measured=measured,
            skipped=tuple(self.skipped),
        )

    @property
    def _held(self) -> Sequence[Passage]:
        """Passages of the index that the extractor has still to read, texts in memory a few at a time."""
        if self.catalog is None:
            return ()
        return self.catalog.extractions.pending(self.reading.extractor, kept=self._kept, repeated=True)

    @cached_property
    def _kept(self) -> Sequence[str]:
        """The language models whose work is not done again."""
        if self.catalog is None or self.reading.reread or not self.reading.prompts:
            return ()
        # Whichever model it will be, if none is named yet, it is one.
        return self.catalog.extractors.other_language_models(self.reading.extractor or "llm:")

    @cached_property
    def _waiting(self) -> set[bytes]:
        """The contents of these: failed ones are known to the index, and read again."""
        return {digest_of_texts(passage.title, passage.text) for passage in self._held}

    def _as_measured(self) -> tuple[Usage, int]:
        """Scale what other passages have really taken, if the index has books on enough of them."""
        calls = len(self.reading.prompts)
        if self.catalog is None or not calls:
            return self.spent, 0
        booked = self.catalog.usage.totals().get((_STAGE, self.reading.extractor), Usage())
        asked = booked.items - booked.reused // calls
        if asked < _FEWEST_MEASURED or not booked.output_tokens:
            return self.spent, 0
        each = self.unread / asked
        scaled = Usage(
            calls=round(each * booked.calls),
            items=self.unread,
            input_tokens=round(each * booked.input_tokens),
            output_tokens=round(each * booked.output_tokens),
        )
        return scaled, asked


@cache
def _overhead(prompt: Prompt) -> int:
    """Estimate the tokens of a prompt without what fills it."""
    messages = prompt.fill(**dict.fromkeys(prompt.fields, _EMPTY))
    return sum(estimate_tokens(message.text) + _PER_MESSAGE for message in messages)
