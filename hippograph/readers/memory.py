"""A reader that remembers: it probes, looks up, notes what it found, and tries again to answer (ComoRAG)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Literal, TypeAlias

from hippograph.completions import Sampling
from hippograph.errors import InputError
from hippograph.protocols import Embedder, Retriever
from hippograph.readers.answering import Loop, told
from hippograph.readers.budget import ReadingEndedError
from hippograph.readers.clues import first_look
from hippograph.readers.desk import Desk, Draft, failure
from hippograph.readers.fusion import fused
from hippograph.readers.memory_attempts import Verdict, judged, told_memories
from hippograph.readers.memory_cues import Library, account, left_out, looked_up, material, remembered, settled
from hippograph.readers.memory_nearness import nearness
from hippograph.readers.memory_pool import LAYERS, Finding, Layer, MemoryPool, taken_in_turns
from hippograph.readers.memory_published import published
from hippograph.readers.memory_replies import AttemptReply, SecondAttemptReply
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.tasks import task_request
from hippograph.types import Hit, MemoryNode, Step

__all__ = ["MemoryReader", "SummaryLayer"]

SummaryLayer: TypeAlias = Literal["semantic", "episodic"]
"""A layer of summaries: of clusters of passages, or of stretches of them."""

_IDLE: Final = 2
_NOTHING_NEW: Final = "two cycles in a row have found nothing new"


@dataclass(frozen=True, kw_only=True)
class MemoryReader(ModelReader):
    """Answer a question in cycles of probing, looking up, remembering and trying again.

    The first attempt is made from the passages and summaries that the question finds: one call. If they do not suffice,
    it tells what is missing. In each cycle these probes are looked up in all layers, each apart; what was seen before
    is left out. The model writes down what is new, one call for each probe and all at a time, which becomes memories.
    From these, and the half of the older ones that is nearest to the question, it writes a summary and tries again: one
    call. So the first attempt takes 1 call, the first cycle up to 5, and each further one up to 4.

    The reading stops when the evidence is enough, there is nothing new to look up, two cycles in a row have found
    nothing new, or the cycles or the budget are spent; the best answer so far then stands.

    Parameters
    ----------
    k
        How many are looked up at a time, of each layer; the best that fit are taken in. ComoRAG looks up 50.
    sampling
        How the model chooses its words; ComoRAG gives a cue 500 tokens, and three are written at a time.
    layers
        Who looks up summaries. Without them, it is passages alone.
    embedder
        Tells how near memories are to the question; without one, shared words do.
    max_cycles
        How many cycles follow the first attempt at most. ComoRAG: 5 (`max_meta_loop_max_iterations`); in the paper,
        nothing is gained after three.
    layer_tokens
        How many tokens of each layer are taken in for a probe, by estimate: 2,000 (ComoRAG's 6k context).
    parity
        Read as the published program does: one cue for each layer and probe, calls of their own for probes and for
        the fusion, which knows older memories only; attempts from cues and all earlier fusions; the question looked
        up with each probe; passages in the order of the documents cut at the tokens; nothing left out as seen.

    Raises
    ------
    InputError
        If a number is below 1, a layer is not known, or `parity` is to use a clue, which the published program has not.

    References
    ----------
    Wang et al., ComoRAG: A Cognitive-Inspired Memory-Organized RAG for Stateful Long Narrative Reasoning (2025),
    section 3.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> from hippograph.types import Passage, Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         found = {"Where does the Fram lie?": "museum", "Where is the museum?": "oslo"}
    ...         passages = [Passage(id=found[query], document=found[query], text="...") for query in queries]
    ...         hits = [(Hit(passage=passage, score=1.0),) for passage in passages]
    ...         return [Ranking(query=query, hits=some) for query, some in zip(queries, hits)]
    >>> model = ScriptedModel(answers=[
    ...     '{"answer": "", "support": [], "sufficient": false, "probes": ["Where is the museum?"]}',
    ...     '{"veridical": "The Fram lies in a museum.", "support": [1]}',
    ...     '{"veridical": "The museum is in Oslo.", "support": [2]}',
    ...     '{"summary": "It lies in a museum in Oslo.", "answer": "Oslo", "memories": [1, 2], "support": [],'
    ...     ' "sufficient": true, "probes": []}',
    ... ])
    >>> answer = MemoryReader(retriever=Nearest(), model=model).read("Where does the Fram lie?")
    >>> answer.text, [passage.id for passage in answer.citations], model.calls
    ('Oslo', ['museum', 'oslo'], 4)
    """

    name: ClassVar[str] = "memory"

    k: int = 50
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=1500))
    layers: Mapping[SummaryLayer, Retriever] = field(default_factory=dict)
    embedder: Embedder | None = None
    max_cycles: int = 5
    layer_tokens: int = 2000
    parity: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_cycles", "layer_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")
        for layer in self.layers:
            if layer not in LAYERS[1:]:
                raise InputError(f"there is no layer {layer!r} of summaries; the layers are {', '.join(LAYERS[1:])}")
        if self.parity and self.clue:
            raise InputError("the published memory reader has no clues; leave clue or parity out")

    def _loop(self, desk: Desk) -> Loop:
        layers: dict[Layer, Retriever] = {"veridical": self.retriever}
        layers |= {layer: self.layers[layer] for layer in ("semantic", "episodic") if layer in self.layers}
        library = Library(layers=layers, k=self.k, tokens=self.layer_tokens)
        if self.parity:
            return (yield from published(desk, library, embedder=self.embedder, max_cycles=self.max_cycles))
        own, library, pool = yield from self._first_look(desk, library)
        if not own.layers:
            return Draft(text="")
        verdict, library = yield from _attempted(desk, own, library=library, pool=pool, waiting=[own])
        waiting, idle = [own], 0
        asked: list[str] = []
        for cycle in range(1, self.max_cycles + 1):
            if verdict.step.decision == "stop":
                break
            asked += verdict.probes
            or_stop = _NOTHING_NEW if idle == _IDLE - 1 and not waiting else ""
            found: list[Finding] = []
            if verdict.probes:
                found, library, pool = yield from looked_up(
                    desk, verdict.probes, library=library, pool=pool, or_stop=or_stop
                )
            is_new = any(finding.layers for finding in found) or (cycle > 1 and bool(waiting))
            idle = 0 if is_new else idle + 1
            if idle == _IDLE:
                break
            first, waiting = len(pool), [*waiting, *found]
            pool = yield from remembered(desk, waiting, pool=pool, embedder=self.embedder)
            waiting = left_out(desk, waiting)
            ends = f"{cycle} cycles are over" if cycle == self.max_cycles else ""
            if pool.nodes:
                verdict, pool = yield from self._attempted_again(
                    desk, library=library, pool=pool, first=first, asked=asked, ends=ends, has_more=bool(waiting)
                )
            else:
                # Nothing is remembered at all.
                best = Finding(
                    probe=desk.question, layers={"veridical": desk.evidence} if desk.evidence else own.layers
                )
                verdict, library = yield from _attempted(
                    desk, best, library=library, pool=pool, waiting=waiting, asked=asked, ends=ends
                )
        return desk.draft or verdict.draft

    def _first_look(self, desk: Desk, library: Library) -> Generator[Step, None, tuple[Finding, Library, MemoryPool]]:
        """Look the question up in all layers, the passages with clues if these are wanted."""
        steps = []
        for step in first_look(desk, k=self.k, clue=self.clue):
            # What was found is told when it is known how much of it is taken in.
            if step.kind == "retrieve":
                steps.append(step)
            else:
                yield step
        library = library.knowing([step.hits for step in steps])
        [taken] = taken_in_turns([fused(library.rankings)], seen=(), tokens=self.layer_tokens)
        pool = MemoryPool().see("veridical", taken)
        settled(desk, library, pool)
        ids = {hit.passage.id for hit in taken}
        for step in steps:
            kept = tuple(hit for hit in step.hits if hit.passage.id in ids)
            yield replace(step, hits=kept, reason=account("veridical", step.hits, kept))
        layers: dict[Layer, tuple[Hit, ...]] = {"veridical": taken} if taken else {}
        summaries = replace(library, layers={key: held for key, held in library.layers.items() if key != "veridical"})
        if summaries.layers:
            [found], _, pool = yield from looked_up(desk, [desk.question], library=summaries, pool=pool)
            layers |= found.layers
        return Finding(probe=desk.question, layers=layers), library, pool

    def _attempted_again(
        self,
        desk: Desk,
        *,
        library: Library,
        pool: MemoryPool,
        first: int,
        asked: Sequence[str],
        ends: str,
        has_more: bool,
    ) -> Generator[Step, None, tuple[Verdict, MemoryPool]]:
        """Bring the memories together and try to answer; those after the first so many are new."""
        shown = [*(pool.recalled(first) if first else ()), *range(first + 1, len(pool) + 1)]
        told_of = {"question": desk.question, "memories": told_memories(desk, pool, shown), "asked before": asked}
        request = task_request("attempt_again", told_of, schema=SecondAttemptReply, sampling=desk.sampling)
        [completion] = desk.ask([request], closing=True)
        step = told("attempt", desk.question, completion)
        reply = completion.value
        if not isinstance(reply, SecondAttemptReply):
            yield step
            raise ReadingEndedError("failed", failure(completion))
        verdict = judged(
            desk, step, reply, library=library, pool=pool, shown=shown, asked=asked, ends=ends, has_more=has_more
        )
        before, nodes = desk.note, []
        if reply.summary:
            desk.note = reply.summary
            sources = tuple(passage.id for passage in verdict.draft.citations)
            nodes = [MemoryNode(probe=desk.question, kind="fusion", cue=reply.summary, sources=sources)]
        pool = pool.remember(nodes, nearness(desk.question, nodes, embedder=self.embedder))
        yield replace(verdict.step, note_before=before, note_after=desk.note, memory=tuple(nodes))
        return verdict, pool


def _attempted(
    desk: Desk,
    own: Finding,
    *,
    library: Library,
    pool: MemoryPool,
    waiting: Sequence[Finding],
    asked: Sequence[str] = (),
    ends: str = "",
) -> Generator[Step, None, tuple[Verdict, Library]]:
    """Try to answer from passages and summaries; return what comes of it, and the library that knows what was read."""
    told_of = material(desk, own.layers) | ({"asked before": list(asked)} if asked else {})
    request = task_request("attempt", told_of, schema=AttemptReply, sampling=desk.sampling)
    [completion] = desk.ask([request], closing=True)
    step = told("attempt", desk.question, completion, hits=own.hits)
    reply = completion.value
    if not isinstance(reply, AttemptReply):
        yield step
        raise ReadingEndedError("failed", failure(completion))
    has_more = bool(left_out(desk, waiting))
    verdict = judged(desk, step, reply, library=library, pool=pool, asked=asked, ends=ends, has_more=has_more)
    yield verdict.step
    return verdict, replace(library, read=library.read.union(hit.passage.id for hit in step.hits))
