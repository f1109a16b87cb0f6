"""The cycle of memory and probing as the published program does it, for comparison: more calls for the same ends."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from hippograph.protocols import Embedder
from hippograph.readers.answering import Loop, told
from hippograph.readers.budget import ReadingEndedError
from hippograph.readers.desk import Desk, Draft, failure
from hippograph.readers.memory_attempts import judged, told_memories
from hippograph.readers.memory_cues import Library, account, material, remembered, settled
from hippograph.readers.memory_nearness import nearness
from hippograph.readers.memory_pool import Finding, Layer, MemoryPool, in_story_order
from hippograph.readers.memory_replies import FusionReply, ProbeReply
from hippograph.readers.queries import new_queries
from hippograph.readers.tasks import AnswerReply, task_request
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Hit, MemoryNode, Step

__all__ = ["published"]


def published(desk: Desk, library: Library, *, embedder: Embedder | None, max_cycles: int) -> Loop:
    """Read a question as the published program does; that an attempt was in vain is told by a field, not by a mark.

    What it does after the last attempt, probing and looking up what no attempt will read, is left out.

    Parameters
    ----------
    desk
        Where the question is read.
    library
        Where things are looked up.
    embedder
        Tells how near memories are to the question.
    max_cycles
        How many cycles follow the first attempt at most.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it, or the model fails at an attempt.
    """
    asked_first = [desk.question]
    [own], library, pool = yield from _looked_up(desk, asked_first, asked_first, library=library, pool=MemoryPool())
    if not own.layers:
        return Draft(text="")
    pool = yield from remembered(desk, _apart([own]), pool=pool, embedder=embedder)
    shown, hits, numbers = material(desk, own.layers), own.hits, range(0)
    asked: list[str] = []
    for cycle in range(max_cycles + 1):
        request = task_request("answer", shown, schema=AnswerReply, sampling=desk.sampling)
        [completion] = desk.ask([request], closing=True)
        step = told("attempt", desk.question, completion, hits=hits)
        reply = completion.value
        if not isinstance(reply, AnswerReply):
            yield step
            raise ReadingEndedError("failed", failure(completion))
        ends = f"{cycle} cycles are over" if cycle == max_cycles else ""
        verdict = judged(desk, step, reply, library=library, pool=pool, ends=ends)
        yield verdict.step
        if verdict.step.decision == "stop":
            break
        probes = yield from _probes(desk, shown, asked)
        asked += probes
        first, hits = len(pool), ()
        queries = [f"{desk.question} {probe}" for probe in probes]
        found, library, pool = yield from _looked_up(desk, queries, probes, library=library, pool=pool)
        pool = yield from remembered(desk, _apart(found), pool=pool, embedder=embedder)
        numbers = range(first + 1, len(pool) + 1)
        pool = yield from _fused(desk, pool, first=first, embedder=embedder)
        fusions = [node.cue for node in pool.nodes if node.kind == "fusion"]
        shown = {"question": desk.question, "memories": told_memories(desk, pool, numbers), "notes": fusions}
    return desk.draft or verdict.draft


def _looked_up(
    desk: Desk, queries: Sequence[str], probes: Sequence[str], *, library: Library, pool: MemoryPool
) -> Generator[Step, None, tuple[list[Finding], Library, MemoryPool]]:
    """Look queries up in all layers; take in what fits, in the order of the documents."""
    layers: list[dict[Layer, tuple[Hit, ...]]] = [{} for _ in queries]
    for layer, retriever in library.layers.items():
        steps = desk.look_up(queries, k=library.k, retriever=retriever)
        taken = [_cut(step.hits, layer=layer, tokens=library.tokens) for step in steps]
        pool = pool.see(layer, [hit for hits in taken for hit in hits])
        if layer == "veridical":
            library = library.knowing([step.hits for step in steps])
            settled(desk, library, pool)
        for step, hits, found in zip(steps, taken, layers, strict=True):
            if hits:
                found[layer] = hits
            yield replace(step, hits=hits, reason=account(layer, step.hits, hits))
    findings = [Finding(probe=probe, layers=some) for probe, some in zip(probes, layers, strict=True)]
    return findings, library, pool


def _cut(hits: Sequence[Hit], *, layer: Layer, tokens: int) -> tuple[Hit, ...]:
    ordered = in_story_order(layer, hits)
    if layer == "veridical":
        ordered = tuple(sorted(hits, key=lambda hit: (hit.passage.document, hit.passage.span)))
    kept: list[Hit] = []
    for hit in ordered:
        tokens -= estimate_tokens(hit.passage.headed_text)
        if kept and tokens < 0:
            break
        kept.append(hit)
    return tuple(kept)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """Take findings apart by layers, each of which has a cue of its own."""
    return [
        Finding(probe=finding.probe, layers={layer: hits})
        for finding in findings
        for layer, hits in finding.layers.items()
    ]


def _probes(desk: Desk, shown: Mapping[str, object], asked: Sequence[str]) -> Generator[Step, None, list[str]]:
    """Ask what to look up next; if the model fails, nothing is."""
    material = {**shown, "asked before": list(asked)}
    [completion] = desk.ask([task_request("probe", material, schema=ProbeReply, sampling=desk.sampling)])
    reply = completion.value
    probes = new_queries(reply.probes, []) if isinstance(reply, ProbeReply) else []
    yield told("probe", desk.question, completion, decision=f"look up {len(probes)} probes")
    return probes


def _fused(desk: Desk, pool: MemoryPool, *, first: int, embedder: Embedder | None) -> Generator[Step, None, MemoryPool]:
    """Bring the nearest half of the older memories together; if the model fails, nothing is remembered."""
    numbers = pool.nearest_half(first)
    if not numbers:
        return pool
    shown = {"question": desk.question, "memories": told_memories(desk, pool, numbers)}
    [completion] = desk.ask([task_request("fuse", shown, schema=FusionReply, sampling=desk.sampling)])
    step = told("fuse", desk.question, completion)
    reply, before = completion.value, desk.note
    if not isinstance(reply, FusionReply) or not reply.summary:
        yield replace(step, note_before=before, note_after=before)
        return pool
    sources = dict.fromkeys(id for number in numbers for id in pool.nodes[number - 1].sources)
    node = MemoryNode(probe=desk.question, kind="fusion", cue=reply.summary, sources=tuple(sources))
    desk.note = reply.summary
    yield replace(step, text=reply.summary, note_before=before, note_after=reply.summary, memory=(node,))
    return pool.remember([node], nearness(desk.question, [node], embedder=embedder))
