"""What an indexing run did, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, Protocol

from hippograph.index.budget import Stopped
from hippograph.types import ExtractionStatus, SkippedItem, Usage

__all__ = ["IndexReport", "LayersReport", "Progress", "Tally"]


class Progress(Protocol):
    """Is told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Take note that `done` of `total` items of a stage are finished; the total may not be known yet."""
        ...


@dataclass(frozen=True, kw_only=True)
class LayersReport:
    """What became of the layers of an index.

    Parameters
    ----------
    semantic, episodic
        Summaries in each layer.
    levels
        Levels of the semantic layer.
    made, kept
        Summaries made in this run, and those that were there already.
    failures
        Summaries that the model failed at; the next run tries again.
    lacking
        Summaries that are still to be made: those that failed, those above them, and those that a run did not come to
        that ended before.
    stopped
        What ended the run before everything was done; empty if nothing did.
    summariser
        The fingerprint of who summarises.
    usage
        What was spent on summaries and their vectors.
    generation
        The number of the layers.
    published
        Whether this run published them; otherwise nothing had changed.
    seconds
        Wall time by stage.
    """

    semantic: int
    episodic: int
    levels: int
    made: int
    kept: int
    failures: tuple[SkippedItem, ...]
    lacking: int
    stopped: Stopped
    summariser: str
    usage: Usage
    generation: int
    published: bool
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """What an indexing run did.

    Parameters
    ----------
    added, replaced, unchanged, removed
        Documents by what became of them.
    skipped
        What could not be indexed, and why.
    extraction
        Passages of the whole index by how the extractor of this run, now or earlier, ended with them.
    failures
        Passages whose extraction failed or gave nothing usable in this run, and why.
    generation
        The published generation.
    published
        Whether this run published it; otherwise nothing had changed, or the run was stopped before.
    stopped
        What ended the run before everything was done: `max-tokens`, `max-cost`, `max-minutes` or `interrupted`; empty
        if nothing did.
    pending
        Passages that are still to be read, or tried again, by the extractor of this run.
    kept
        Passages that rest on what other language models have read, and are therefore not read by this one.
    kept_by
        The fingerprints of those, the most preferred one first.
    awaits
        The fingerprint of the extractor that `pending` passages wait for, as it was not at hand; empty otherwise.
    usage
        What this run has spent on all models together.
    model_seconds, other_seconds
        Wall time inside the extractor and embedder, and outside, by stage.
    layers
        What became of the summaries; None if none were to be made.
    """

    added: int
    replaced: int
    unchanged: int
    removed: int
    skipped: tuple[SkippedItem, ...]
    extraction: Mapping[ExtractionStatus, int]
    failures: tuple[SkippedItem, ...]
    generation: int
    published: bool
    stopped: Stopped
    pending: int
    kept: int
    kept_by: tuple[str, ...]
    awaits: str
    usage: Usage
    model_seconds: Mapping[str, float]
    other_seconds: Mapping[str, float]
    layers: LayersReport | None = None


@dataclass(kw_only=True)
class Tally:
    """Counts and times of a run while it goes on.

    Parameters
    ----------
    progress
        Is told how far each stage is; None tells nobody.
    """

    progress: Progress | None = None
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: list[SkippedItem] = field(default_factory=list)
    failures: list[SkippedItem] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    model_seconds: dict[str, float] = field(default_factory=dict)
    _all_seconds: dict[str, float] = field(default_factory=dict)
    _without_total: dict[str, int] = field(default_factory=dict)

    def tell(self, stage: str, done: int, total: int | None) -> None:
        """Report progress."""
        if total is None:
            self._without_total[stage] = done
        if self.progress is not None:
            self.progress(stage, done, total)

    def count(self, verdict: Literal["added", "replaced", "unchanged"] | SkippedItem) -> None:
        """Book what became of a document."""
        if isinstance(verdict, SkippedItem):
            self.skipped.append(verdict)
        elif verdict == "added":
            self.added += 1
        elif verdict == "replaced":
            self.replaced += 1
        else:
            self.unchanged += 1

    def spend(self, usage: Usage) -> None:
        """Book what a model was asked to do."""
        self.usage += usage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; at its end, what was done is the total where none was known."""
        with _timed(self._all_seconds, name):
            yield
        if name in self._without_total:
            done = self._without_total.pop(name)
            self.tell(name, done, done)

    @contextmanager
    def model(self, stage: str) -> Iterator[None]:
        """Time a model's work within a stage."""
        with _timed(self.model_seconds, stage):
            yield

    def report(
        self,
        extraction: Mapping[ExtractionStatus, int],
        *,
        pending: int,
        kept: Mapping[str, int],
        awaits: str,
        generation: int,
        published: bool,
        stopped: Stopped,
    ) -> IndexReport:
        """Close the books."""
        return IndexReport(
            added=self.added,
            replaced=self.replaced,
            unchanged=self.unchanged,
            removed=self.removed,
            skipped=tuple(self.skipped),
            extraction=extraction,
            failures=tuple(self.failures),
            generation=generation,
            published=published,
            stopped=stopped,
            pending=pending,
            kept=sum(kept.values()),
            kept_by=tuple(kept),
            awaits=awaits,
            usage=self.usage,
            model_seconds=dict(self.model_seconds),
            other_seconds={
                stage: seconds - self.model_seconds.get(stage, 0.0) for stage, seconds in self._all_seconds.items()
            },
        )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + perf_counter() - started
