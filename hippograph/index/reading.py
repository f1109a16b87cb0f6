"""Reading: passages go to the extractor as it has room for them, and what it finds is kept as it comes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from threading import Lock
from time import monotonic
from typing import Final

from hippograph.errors import ModelError
from hippograph.index.budget import Allowance
from hippograph.index.expectation import Expectation
from hippograph.index.report import Tally
from hippograph.index.saving import Saving
from hippograph.protocols import Extractor
from hippograph.store.catalog import Catalog
from hippograph.types import Extraction, ExtractionStatus, Passage, SkippedItem, Usage

__all__ = ["RETRY", "read_passages"]

RETRY: Final[tuple[ExtractionStatus, ...]] = ("failed",)
"""Passages whose extraction ended so are read again by the next run, unless it is told otherwise."""

_STAGE: Final = "extract"
# Seconds between two reports of progress while nothing is saved.
_REPORT: Final = 0.2


def read_passages(
    extractor: Extractor,
    catalog: Catalog,
    *,
    retry: Collection[ExtractionStatus],
    reread: bool,
    expectation: Expectation,
    allowance: Allowance,
    tally: Tally,
) -> None:
    """Have an extractor read what it has not read yet, and prefer it to others from then on.

    Whatever ends it, an error of the extractor too, what was read by then is kept, and what that cost with it. What
    other language models have read is not read again by another one, for it was paid for, unless that is wanted.

    Parameters
    ----------
    extractor
        Reads.
    catalog
        Holds the passages, and keeps what was read out of them.
    retry
        Passages whose extraction ended so are read again.
    reread
        Whether a language model reads also what others have read.
    expectation
        Says what a passage is expected to cost.
    allowance
        Says how long passages are handed out.
    tally
        Is told what was done.

    Raises
    ------
    ModelError
        If the extractor gives anything but one extraction for each passage that it took, or cannot work at all.
    """
    name = extractor.fingerprint
    others = catalog.extractors.other_language_models(name)
    pending = catalog.extractions.pending(name, retry=retry, kept=() if reread else others)
    total, done, told = len(pending), 0, 0
    if not total:
        catalog.extractors.prefer(name, then=others)
        return
    tally.tell(_STAGE, 0, total)
    results = _extractions(extractor, _HandedOut(iter(pending), expectation, allowance))

    def save(pairs: list[tuple[Passage, Extraction]], seconds: float) -> None:
        catalog.extractions.save(name, pairs, stage=_STAGE, seconds=seconds)

    reported, seconds = monotonic(), 0.0
    try:
        with Saving(save) as saving:
            while True:
                asked = monotonic()
                with tally.model(_STAGE):
                    pair = next(results, None)
                now = monotonic()
                seconds += now - asked
                if pair is None:
                    break
                if not done:
                    # One that has read nothing, for want of a key, say, is preferred to nobody.
                    catalog.extractors.prefer(name, then=others)
                done += 1
                usage = pair[1].usage
                tally.failures.extend(_failure(*pair))
                saved = saving.add(pair, waited=now - asked, dear=usage.calls > 0 or usage.tokens > 0)
                if saved or now - reported >= _REPORT:
                    tally.tell(_STAGE, done, total)
                    told, reported = done, now
    finally:
        tally.spend(replace(allowance.spent, items=done, seconds=seconds))
    if told < done:
        tally.tell(_STAGE, done, total)


class _HandedOut(Iterator[Passage]):
    """Hands passages out one by one, as long as there are any and the allowance lasts; threads may share it."""

    def __init__(self, pending: Iterator[Passage], expectation: Expectation, allowance: Allowance) -> None:
        self._pending = pending
        self._expectation = expectation
        self._allowance = allowance
        self._lock = Lock()
        self._held_back: Passage | None = None
        self.waiting: dict[str, tuple[Passage, Usage]] = {}

    def __next__(self) -> Passage:
        with self._lock:
            passage = self._held_back or next(self._pending)
            expected = then = Usage()
            if self._allowance.foresees:
                expected, then = self._expectation.reading(passage), self._expectation.embedding(passage)
            if not self._allowance.may_begin(expected, then=then):
                self._held_back = passage
                raise StopIteration
            self._held_back = None
            self.waiting[passage.id] = passage, expected
            return passage

    def finish(self, name: str, usage: Usage) -> Passage | None:
        """Take note of what a passage has cost, and return it as it was handed out; None if it was not."""
        passage, expected = self.waiting.pop(name, (None, Usage()))
        if passage is not None:
            self._allowance.finish(usage, expected=expected)
        return passage

    def resume(self) -> bool:
        """Tell whether more is handed out after all."""
        return self._held_back is not None and self._allowance.resume()


def _extractions(extractor: Extractor, passages: _HandedOut) -> Iterator[tuple[Passage, Extraction]]:
    """Yield passages with their extractions, as long as the allowance lasts."""
    yield from _round(extractor, passages)
    while passages.resume():
        yield from _round(extractor, passages)


def _round(extractor: Extractor, passages: _HandedOut) -> Iterator[tuple[Passage, Extraction]]:
    """Complain of an extractor that does not give one extraction for each passage."""
    for given, extraction in extractor.extract(passages):
        passage = passages.finish(given.id, extraction.usage)
        if passage is None:
            raise ModelError(
                f"the extractor {extractor.fingerprint!r} gave an extraction of passage {given.id!r}, which it was not "
                "asked for, or gave before; make it give one for each passage"
            )
        yield passage, extraction
    if waiting := passages.waiting:
        raise ModelError(
            f"the extractor {extractor.fingerprint!r} gave no extraction of passage {next(iter(waiting))!r} and "
            f"{len(waiting) - 1} others; make it give one for each passage"
        )


def _failure(passage: Passage, extraction: Extraction) -> Iterator[SkippedItem]:
    if extraction.status in {"failed", "invalid"}:
        retry = "" if extraction.status == "failed" else " with --retry-invalid"
        reason = f"the extraction is {extraction.status}: {extraction.error}; run the same command again{retry}"
        yield SkippedItem(where=passage.id, reason=reason)
