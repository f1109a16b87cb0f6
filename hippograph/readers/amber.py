"""The reader with a memory that three agents keep, over passages from which all else was filtered out (Amber)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from hippograph.completions import Completion
from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder
from hippograph.readers.amber_agents import Brief, conferred, revised
from hippograph.readers.amber_filter import (
    Kept,
    SiftReply,
    Thresholds,
    excerpt,
    kept_by_reply,
    kept_by_scores,
    numbered,
    united,
)
from hippograph.readers.answering import Loop, answered, never_shown, remarked, told
from hippograph.readers.clues import first_look
from hippograph.readers.curtailing import CurtailedCompletion
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.exhibits import arranged
from hippograph.readers.fusion import fused
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.tasks import AnswerReply, task_request
from hippograph.types import Hit, Passage, Step

__all__ = ["AmberReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read so far: the passages, what is kept of them, and how many looks in a row brought nothing new.

    Of what there was no room for, `unsifted` are passages that the filter has not judged, and `untold` is what was kept
    and the agents were not told.
    """

    seen: tuple[Hit, ...] = ()
    kept: Kept = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    stalled: int = 0
    unsifted: tuple[Hit, ...] = ()
    untold: Kept = field(default_factory=dict)

    @property
    def evidence(self) -> tuple[Hit, ...]:
        return tuple(hit for hit in self.seen if hit.passage.id in self.kept)


@dataclass(frozen=True, kw_only=True)
class AmberReader(ModelReader):
    """Answer a question from a memory that grows with each look, of filtered passages (Amber).

    The question is looked up. A filter drops the passages that do not bear on it, and of the others the sentences that
    do not. With what is left, a reviewer, a challenger and a refiner bring the memory up to date, and a collector says
    whether it suffices, or what to look up next. Passages that were seen do not come again; but what was dropped of
    them is judged anew with every new question, for a name that meant nothing at first may be what is asked for next.

    Calls: for each look 1, in which all agents speak in turn; without a cross-encoder 1 more, in which the model
    filters. None at the end if the memory suffices; else 1 for the answer: after `max_steps` looks, after `patience`
    looks that brought nothing new, if nothing at all is kept (the last of these looks asks the filter alone), or if
    there is nothing new to ask. At most `max_steps` + 1, without a cross-encoder 2 * `max_steps` + 1. With
    `parity`, for each look 1 for each passage and 4, and 1 for the answer: at most `max_steps` * (`k` + 4) + 1. `clue`
    takes 1 more.

    Parameters
    ----------
    k
        How many passages of a look are read. Ours, as for the other readers.
    max_steps
        How often to look at most. Ours; Adaptive-Note, with which the authors compare, runs with 3.
    patience
        Stop after so many looks in a row of which nothing new was kept. Ours.
    max_queries
        How many questions to look up in one further look; the authors' collector asks 1. Ours: two things that are to
        be compared are both to be found.
    cross_encoder
        Filters, in place of the model; the authors train a model for it.
    thresholds
        From which of its scores on something is kept.
    parity
        Do as published: the model filters each passage apart, each agent is asked apart, one question is looked up at a
        time, passages may come again, only the collector or `max_steps` ends the reading, and the answer is asked for
        apart, from the memory alone.

    References
    ----------
    Qin et al., Towards Adaptive Memory-Based Optimization for Enhanced Retrieval-Augmented Generation (Findings of ACL
    2025). Its program is no longer to be had.

    Examples
    --------
    >>> from hippograph.testing.doubles import OverlapCrossEncoder
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> from hippograph.types import Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         hit = Hit(passage=Passage(id="fram", document="fram", text="The Fram lies in Oslo. Tea."), score=1.0)
    ...         return [Ranking(query=query, hits=(hit,)) for query in queries]
    >>> said = '{"review": "", "challenge": "", "memory": "The Fram lies in Oslo [1].", "sufficient": true, '
    >>> model = ScriptedModel(answers=[said + '"answer": "Oslo", "support": [1], "queries": []}'])
    >>> reader = AmberReader(retriever=Nearest(), model=model, cross_encoder=OverlapCrossEncoder())
    >>> answer = reader.read("Where does the Fram lie?")
    >>> answer.text, answer.complete, answer.usage.calls, answer.steps[-1].note_after
    ('Oslo', True, 1, 'The Fram lies in Oslo [1].')
    """

    name: ClassVar[str] = "amber"

    max_steps: int = 3
    patience: int = 2
    max_queries: int = 2
    cross_encoder: CrossEncoder | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    parity: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_steps", "patience", "max_queries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")

    def _loop(self, desk: Desk) -> Loop:
        hits = yield from first_look(desk, k=self.k, clue=self.clue)
        if not hits:
            return Draft(text="")
        read = _Read(asked=(desk.question,))
        queries: tuple[str, ...] = ()
        update_by = conferred if self.parity else revised
        for look in range(1, self.max_steps + 1):
            read, news = yield from self._filtered(desk, read, hits, queries)
            desk.evidence = read.evidence or read.seen[: self.k]
            queries, hits = (), ()
            has_any = self.parity or bool(news or desk.note)
            if not has_any and read.unsifted and look < self.max_steps:
                continue
            if not has_any or (not self.parity and read.stalled >= self.patience):
                why = f"{_counted(read.stalled, 'look')} in a row brought nothing new"
                return (yield from _for_a_reason(answered(desk), why if read.stalled else "nothing bears on it"))
            most = 0 if look == self.max_steps else 1 if self.parity else self.max_queries
            update = yield from update_by(desk, self._brief(desk, read, news, most))
            read = replace(read, untold={id: news[id] for id in news if id in update.unseen and not self.parity})
            desk.note, desk.draft = update.memory, update.draft or desk.draft
            if update.draft is not None and update.draft.sufficient:
                return update.draft
            queries = update.queries
            if not queries and not (read.unsifted or read.untold):
                break
            if not queries:
                continue
            found = desk.look_up(queries, k=self.k, exclude=() if self.parity else _ids(read.seen))
            yield from found
            read = replace(read, asked=(*read.asked, *queries))
            hits = fused([step.hits for step in found])[: self.k]
        return (yield from (self._answered_from_memory(desk) if self.parity else answered(desk)))

    def _filtered(
        self, desk: Desk, read: _Read, hits: Sequence[Hit], queries: Sequence[str]
    ) -> Generator[Step, None, tuple[_Read, Kept]]:
        """Filter what was found; return what is read then, and what of it is new."""
        known = _ids(read.seen)
        fresh = tuple(hit for hit in hits if hit.passage.id not in known)
        seen, unsifted = (*read.seen, *fresh), tuple[Hit, ...]()
        if self.parity:
            judged, unsifted = yield from self._sift(desk, [[hit] for hit in hits], fresh=hits, queries=queries)
        elif not (fresh or queries or read.unsifted):
            judged = {}
        elif self.cross_encoder is None:
            # Where there is too little room, what was judged is not judged anew.
            to_judge = (*read.unsifted, *fresh) if read.unsifted else seen
            fresh = (*read.unsifted, *fresh)
            judged, unsifted = yield from self._sift(desk, [to_judge], fresh=fresh, queries=queries)
        else:
            old = kept_by_scores(self.cross_encoder, queries, _passages(read.seen), self.thresholds) if queries else {}
            own = [desk.question, *queries]
            judged = united(old, kept_by_scores(self.cross_encoder, own, _passages(fresh), self.thresholds))
        kept = united(read.kept, judged)
        news: Kept = {
            id: tuple(place for place in places if place not in read.kept.get(id, ())) for id, places in judged.items()
        }
        news = {id: places for id, places in news.items() if places}
        news = united(read.untold, news)
        stalled = 0 if news or unsifted else read.stalled + 1
        return replace(read, seen=seen, kept=kept, stalled=stalled, unsifted=unsifted), judged if self.parity else news

    def _sift(
        self, desk: Desk, groups: Sequence[Sequence[Hit]], *, fresh: Sequence[Hit], queries: Sequence[str]
    ) -> Generator[Step, None, tuple[Kept, tuple[Hit, ...]]]:
        """Have the model filter groups of passages, each apart; where it does not, what is fresh is kept whole.

        Returned besides is what of the fresh there was no room for.
        """
        laid = [[(desk.exhibits.number(hit.passage), hit.passage) for hit in group] for group in groups]
        requests = [
            task_request(
                "sift",
                {"question": desk.question, "passages": numbered(group), "queries": list(queries)},
                schema=SiftReply,
                sampling=desk.sampling,
            )
            for group in laid
        ]
        judged: Kept = {}
        unseen: set[str] = set()
        for group, shown, completion in zip(laid, groups, desk.ask(requests), strict=True):
            kept, step = _read_reply(desk, group, tuple(shown), completion, unread=_ids(fresh))
            judged = united(judged, kept)
            if isinstance(completion, CurtailedCompletion):
                unseen |= completion.unseen - kept.keys()
            yield step
        return judged, tuple(hit for hit in fresh if hit.passage.id in unseen)

    def _brief(self, desk: Desk, read: _Read, news: Kept, most: int) -> Brief:
        hits = tuple(hit for hit in read.seen if hit.passage.id in news)
        evidence: list[dict[str, str | int]] = [
            {
                "number": desk.exhibits.number(hit.passage),
                "title": hit.passage.title,
                "text": excerpt(hit.passage, news[hit.passage.id]),
            }
            for hit in hits
        ]
        # Where the model filters, its own step says what is kept.
        found = "" if self.cross_encoder is None or self.parity else f"new evidence: {_amount(news)}"
        return Brief(
            evidence=arranged(evidence, desk.arrangement),
            hits=hits,
            asked=read.asked,
            most=most,
            found=found,
            waits=bool(read.unsifted),
        )

    def _answered_from_memory(self, desk: Desk) -> Loop:
        material = {"question": desk.question, "note": desk.note}
        request = task_request("answer", material, schema=AnswerReply, sampling=desk.sampling)
        [completion] = desk.ask([request], closing=True)
        step = told("answer", desk.question, completion)
        if completion.status != "done":
            yield step
        draft, remark = desk.close_with(completion)
        reason = "the memory is enough" if draft.sufficient else "the memory is not enough"
        remark = "; ".join(filter(None, [remark, never_shown(desk)]))
        yield replace(remarked(step, remark), decision="stop", reason=reason)
        return draft


def _read_reply(
    desk: Desk, laid: Sequence[tuple[int, Passage]], hits: tuple[Hit, ...], completion: Completion, *, unread: set[str]
) -> tuple[Kept, Step]:
    """Return what the model keeps, and the step in which it said so."""
    step = told("sift", desk.question, completion, hits=hits)
    reply = completion.value
    if isinstance(reply, SiftReply):
        unseen = completion.unseen if isinstance(completion, CurtailedCompletion) else frozenset()
        kept, remark = kept_by_reply(reply, laid, unseen=unseen)
        return kept, replace(remarked(step, remark), decision=f"keep {_amount(kept)}")
    fresh = [(number, passage) for number, passage in laid if passage.id in unread]
    kept, _ = kept_by_reply(SiftReply(passages=[number for number, _ in fresh], sentences=[]), fresh)
    return kept, replace(step, decision="keep all that is new")


def _for_a_reason(closing: Loop, why: str) -> Loop:
    """Tell with the answer why it is asked for now."""
    while True:
        try:
            step = next(closing)
        except StopIteration as end:
            draft: Draft = end.value
            return draft
        yield replace(step, reason="; ".join(filter(None, [why, step.reason])))


def _ids(hits: Sequence[Hit]) -> set[str]:
    return {hit.passage.id for hit in hits}


def _passages(hits: Sequence[Hit]) -> list[Passage]:
    return [hit.passage for hit in hits]


def _amount(kept: Kept) -> str:
    return f"{_counted(sum(map(len, kept.values())), 'sentence')} of {_counted(len(kept), 'passage')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
