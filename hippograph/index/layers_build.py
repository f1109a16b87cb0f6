"""A run that builds layers: level by level, what is lacking is summarised, embedded, and published with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

import numpy as np

from hippograph.index.budget import Allowance, RunEndedError
from hippograph.index.layers_embedding import EMBED, embedded
from hippograph.index.layers_plan import LayerShape, Plan, PlannedSummary
from hippograph.index.report import LayersReport, Progress
from hippograph.index.summaries import SummarisedText, Summariser, SummaryRequest
from hippograph.protocols import Embedder
from hippograph.store.arrays import StringTable
from hippograph.store.index_directory import Session
from hippograph.store.layers import Layers, publish_layers
from hippograph.store.layers_manifest import LayersManifest, SummaryFailure
from hippograph.store.ragged import indptr_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, IntArray, SkippedItem, Usage

__all__ = ["LayersBuild"]

_CLUSTER: Final = "cluster"
_SUMMARISE: Final = "summarise"


@dataclass(slots=True, kw_only=True, eq=False)
class LayersBuild:
    """A run while it goes on: texts and vectors by key, which summaries of the same texts share.

    Parameters
    ----------
    session
        The index, and the right to change it.
    snapshot
        What is published.
    summariser, embedder, shape
        Who summarises, who embeds, and what is brought together.
    former
        The layers that there are; None if there are none.
    allowance
        Says how long the run may go on.
    progress
        Is told how far each stage is.
    """

    session: Session
    snapshot: Snapshot
    summariser: Summariser
    embedder: Embedder
    shape: LayerShape
    former: Layers | None
    allowance: Allowance
    progress: Progress | None
    texts: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, FloatArray] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> LayersReport:
        """Make and publish what is lacking."""
        if self.former is not None and self._is_current(self.former.manifest):
            return self._report(self.former.manifest, made=0, published=False)
        with self._stage(_CLUSTER):
            self._tell(_CLUSTER, 0, None)
            plan = self.shape.plan(self.snapshot, summariser=self.summariser.fingerprint)
            self._recall(plan)
            known = len(self._present(plan))
        with self._stage(_SUMMARISE):
            self._summarise(plan)
        with self._stage(EMBED):
            self._embed(plan)
        layers = self._layers(plan)
        former, manifest = self.former, layers.manifest
        made = manifest.summaries - known
        if former is not None and not made and former.manifest == _published(manifest, former.manifest):
            return self._report(former.manifest, made=0, published=False)
        generation = publish_layers(self.session.directory, layers)
        return self._report(manifest.model_copy(update={"generation": generation}), made=made, published=True)

    def _is_current(self, former: LayersManifest) -> bool:
        """Tell whether there is nothing to do, without looking at the passages."""
        built = (former.embedder, former.summariser, former.shape, former.state)
        given = (
            self.embedder.fingerprint,
            self.summariser.fingerprint,
            self.shape.digest,
            self.snapshot.manifest.state,
        )
        return built == given and not former.lacking

    def _recall(self, plan: Plan) -> None:
        """Take over what was made before, as far as it is still wanted."""
        if self.former is None:
            return
        wanted = {one.key for one in plan.summaries}
        embedded = self.former.manifest.embedder == self.embedder.fingerprint
        for row, key in enumerate(self.former.keys):
            if key in wanted:
                self.texts[key] = self.former.texts[row]
                if embedded:
                    self.vectors[key] = self.former.vectors[row]

    def _present(self, plan: Plan) -> list[int]:
        """Return the places of the summaries that there are, with all that they are made of."""
        there: set[int] = set()
        for place, one in enumerate(plan.summaries):
            if one.key in self.texts and (one.level == 1 or there.issuperset(one.children)):
                there.add(place)
        return sorted(there)

    def _summarise(self, plan: Plan) -> None:
        """Make what is lacking, level by level; what is above something lacking has to wait."""
        total = len({one.key for one in plan.summaries} - self.texts.keys())
        done = 0
        for level in range(1, 1 + max((one.level for one in plan.summaries), default=0)):
            there = set(self._present(plan))
            # Summaries of the same texts are made once.
            lacking = {
                one.key: one
                for one in plan.summaries
                if one.level == level and one.key not in self.texts and (level == 1 or there.issuperset(one.children))
            }
            for _ in self._made(list(lacking.values()), plan):
                done += 1
                self._tell(_SUMMARISE, done, total)

    def _made(self, wanted: Sequence[PlannedSummary], plan: Plan) -> Iterator[None]:
        """Have some summaries made, as many as may be; yield as each is there."""
        expected: list[Usage] = []

        def requests() -> Iterator[SummaryRequest]:
            for one in wanted:
                request = self._request(one, plan)
                cost = self.summariser.expected(request) if self.allowance.foresees else Usage()
                if not self.allowance.may_begin(cost):
                    return
                expected.append(cost)
                yield request

        started, spent = perf_counter(), Usage()
        try:
            for number, summary in self.summariser.summarise(requests()):
                self.allowance.finish(summary.usage, expected=expected[number])
                spent += summary.usage
                key = wanted[number].key
                if summary.status == "done" and summary.text:
                    self.texts[key] = summary.text
                else:
                    self.failures[key] = summary.error or "there is nothing to summarise"
                yield
        finally:
            self._book(_SUMMARISE, self.summariser.fingerprint, spent, started)

    def _request(self, one: PlannedSummary, plan: Plan) -> SummaryRequest:
        passages = self.snapshot.passages
        if one.level > 1:
            texts = [SummarisedText("", self.texts[plan.summaries[child].key]) for child in one.children]
        else:
            texts = [SummarisedText(passages.titles[row], passages.texts[row]) for row in one.children]
        return SummaryRequest(layer=one.layer, texts=tuple(texts))

    def _embed(self, plan: Plan) -> None:
        """Embed what was made; what an interruption leaves without a vector is as if it were not made."""
        missing = list(dict.fromkeys(one.key for one in plan.summaries if one.key in self.texts))
        missing = [key for key in missing if key not in self.vectors]
        blocks = embedded(
            [self.texts[key] for key in missing],
            session=self.session,
            embedder=self.embedder,
            allowance=self.allowance,
            progress=self.progress,
        )
        done = 0
        try:
            for rows, spent in blocks:
                self.usage += spent
                self.vectors.update(zip(missing[done : done + len(rows)], rows, strict=True))
                done += len(rows)
        except RunEndedError:
            for key in missing[done:]:
                del self.texts[key]

    def _layers(self, plan: Plan) -> Layers:
        """Put everything that there is together."""
        places = self._present(plan)
        chosen = [plan.summaries[place] for place in places]
        numbers = {place: number for number, place in enumerate(places)}
        below = {row for one in chosen for row in one.passages}
        order = [row for row in plan.order.tolist() if row in below]
        passages = {row: number for number, row in enumerate(order)}
        children = [[passages[child] if one.level == 1 else numbers[child] for child in one.children] for one in chosen]
        width = self.snapshot.manifest.dimension if chosen else 0
        vectors = [self.vectors[one.key] for one in chosen]
        return Layers(
            manifest=self._manifest(plan, chosen, passages=len(order), width=width),
            levels=np.array([one.level for one in chosen], dtype=np.int64),
            keys=StringTable.of(one.key for one in chosen),
            texts=StringTable.of(self.texts[one.key] for one in chosen),
            child_indptr=_starts(children),
            children=_joined(children),
            passage_indptr=_starts([one.passages for one in chosen]),
            passages=_joined([[passages[row] for row in one.passages] for one in chosen]),
            passage_ids=StringTable.of(self.snapshot.passages.ids[row] for row in order),
            contents=self.snapshot.evidence.contents[np.array(order, dtype=np.int64)],
            vectors=np.array(vectors, dtype=np.float32).reshape(len(chosen), width),
        )

    def _manifest(self, plan: Plan, chosen: Sequence[PlannedSummary], *, passages: int, width: int) -> LayersManifest:
        semantic = [one.level for one in chosen if one.layer == "semantic"]
        return LayersManifest(
            embedder=self.embedder.fingerprint,
            summariser=self.summariser.fingerprint,
            dimension=width,
            shape=self.shape.digest,
            state=self.snapshot.manifest.state,
            semantic=len(semantic),
            episodic=len(chosen) - len(semantic),
            levels=max(semantic, default=0),
            passages=passages,
            lacking=len(plan.summaries) - len(chosen),
            failures=tuple(
                SummaryFailure(layer=one.layer, level=one.level, key=one.key, error=self.failures[one.key])
                for one in plan.summaries
                if one.key in self.failures
            ),
        )

    def _report(self, manifest: LayersManifest, *, made: int, published: bool) -> LayersReport:
        return LayersReport(
            semantic=manifest.semantic,
            episodic=manifest.episodic,
            levels=manifest.levels,
            made=made,
            kept=manifest.summaries - made,
            failures=tuple(
                SkippedItem(where=f"{one.layer} summary {one.key} on level {one.level}", reason=one.error)
                for one in manifest.failures
            ),
            lacking=manifest.lacking,
            stopped=self.allowance.stopped,
            summariser=self.summariser.fingerprint,
            usage=self.usage,
            generation=manifest.generation,
            published=published,
            seconds=dict(self.seconds),
        )

    def _tell(self, stage: str, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)

    def _book(self, stage: str, model: str, usage: Usage, started: float) -> None:
        spent = replace(usage, seconds=perf_counter() - started)
        self.usage += spent
        self.session.catalog.usage.add(stage, model, spent)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = perf_counter()
        yield
        self.seconds[name] = perf_counter() - started


def _published(manifest: LayersManifest, former: LayersManifest) -> LayersManifest:
    """Return what a manifest would be in the place of the former one."""
    return manifest.model_copy(update={"generation": former.generation, "files": former.files})


def _starts(lists: Sequence[Sequence[int]]) -> IntArray:
    return indptr_of(np.array([len(one) for one in lists], dtype=np.int64))


def _joined(lists: Sequence[Sequence[int]]) -> IntArray:
    return np.array([number for one in lists for number in one], dtype=np.int64)
