"""How a memory reader looks things up in all layers, and what it remembers of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hippograph.completions import Completion, ModelRequest
from hippograph.protocols import Embedder, Retriever
from hippograph.readers.answering import told
from hippograph.readers.curtailing import CurtailedCompletion
from hippograph.readers.desk import Desk
from hippograph.readers.fusion import fused
from hippograph.readers.memory_nearness import content_words, nearness
from hippograph.readers.memory_pool import LAYERS, Finding, Layer, MemoryPool, in_story_order, taken_in_turns
from hippograph.readers.memory_replies import CueReply, cue_schema
from hippograph.readers.queries import as_query
from hippograph.readers.tasks import listed, one_line, task_request
from hippograph.text.sentences import sentence_spans
from hippograph.types import Hit, MemoryNode, Step

__all__ = ["Library", "account", "left_out", "looked_up", "material", "remembered", "settled"]

# So much of a layer is remembered if no cue could be written.
_SENTENCES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where a memory reader looks, and how much of it it takes in.

    Parameters
    ----------
    layers
        Who looks things up, by layer; the passages themselves first.
    k
        How many are looked up at a time, of each layer.
    tokens
        How many tokens of each layer are taken in at a time.
    rankings
        The passages found for the question and each probe, best first, those that were seen before included.
    read
        The ids of the passages that an attempt was made from.
    """

    layers: Mapping[Layer, Retriever]
    k: int
    tokens: int
    rankings: tuple[tuple[Hit, ...], ...] = field(default=())
    read: frozenset[str] = frozenset()

    def knowing(self, rankings: Sequence[tuple[Hit, ...]]) -> Library:
        """Return a library that has found these, too."""
        return replace(self, rankings=(*self.rankings, *rankings))


def settled(desk: Desk, library: Library, pool: MemoryPool) -> None:
    """Have a desk answer from what an attempt was made from, and of what else was taken in the best that fits."""
    seen = pool.seen_in("veridical")
    best = [hit for hit in fused(library.rankings) if hit.passage.id in seen]
    [others] = taken_in_turns([best], seen=library.read, tokens=library.tokens)
    desk.evidence = tuple(hit for hit in best if hit.passage.id in library.read or hit in others)


def left_out(desk: Desk, findings: Sequence[Finding]) -> list[Finding]:
    """Gather what of findings no prompt has had room for, as one finding, for it takes one call; none if there is none.

    What only the model's failure has kept from being read is not told again.
    """
    unsent = {passage.id for passage in desk.exhibits.left_out}
    hits = {hit.passage.id: hit for finding in findings for hit in finding.of(unsent)}
    if not hits:
        return []
    probes = [finding.probe for finding in findings if finding.of(unsent) and finding.probe != desk.question]
    probe = as_query(" ".join(dict.fromkeys(probes))) or desk.question
    return [Finding(probe=probe, layers={"veridical": tuple(hits.values())})]


def looked_up(
    desk: Desk, probes: Sequence[str], *, library: Library, pool: MemoryPool, or_stop: str = ""
) -> Generator[Step, None, tuple[list[Finding], Library, MemoryPool]]:
    """Look probes up in all layers; take in what was not seen before, and the best of it first.

    Parameters
    ----------
    desk
        Where the question is read; its evidence is set.
    probes
        What to look for.
    library
        Where.
    pool
        What was seen.
    or_stop
        Why the reading is to stop if there is nothing new; empty if it is not.

    Returns
    -------
    What is new for each probe, and the library and the pool that know of it.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.
    """
    new: list[dict[Layer, tuple[Hit, ...]]] = [{} for _ in probes]
    *_, last = library.layers
    for layer, retriever in library.layers.items():
        seen = pool.seen_in(layer)
        steps = desk.look_up(probes, k=library.k + len(seen), retriever=retriever)
        taken = taken_in_turns([step.hits for step in steps], seen=seen, tokens=library.tokens)
        for place, hits in enumerate(taken):
            if hits:
                new[place][layer] = hits
                pool = pool.see(layer, hits)
        if layer == "veridical":
            library = library.knowing([step.hits for step in steps])
            settled(desk, library, pool)
        stops = bool(or_stop) and layer == last and not any(new)
        for number, (step, hits) in enumerate(zip(steps, taken, strict=True), start=1):
            told_of = replace(step, hits=hits, reason=account(layer, step.hits, hits))
            if stops and number == len(steps):
                told_of = replace(told_of, decision="stop", reason=f"{told_of.reason}; {or_stop}")
            yield told_of
    findings = [Finding(probe=probe, layers=layers) for probe, layers in zip(probes, new, strict=True)]
    return findings, library, pool


def account(layer: Layer, found: Sequence[Hit], taken: Sequence[Hit]) -> str:
    """Say how much of what was found is taken in."""
    return f"{layer} layer: {len(taken)} taken in of {len(found)} found"


def material(desk: Desk, layers: Mapping[Layer, Sequence[Hit]]) -> dict[str, object]:
    """Lay out evidence for a prompt, each document's passages in their order; summaries get no numbers."""
    shown: dict[str, object] = {"question": desk.question}
    for layer in LAYERS:
        hits = layers.get(layer, ())
        if not hits:
            continue
        # Best at both ends or in the order of the story: both cannot be.
        ordered = in_story_order(layer, hits) if desk.arrangement == "ranked" else tuple(hits)
        if layer == "veridical":
            shown["passages"] = desk.shown(ordered)
        else:
            shown[f"{layer} summaries"] = [hit.passage.text for hit in ordered]
    return shown


def remembered(
    desk: Desk, findings: Sequence[Finding], *, pool: MemoryPool, embedder: Embedder | None
) -> Generator[Step, None, MemoryPool]:
    """Have the model write down what findings say, all at a time, and remember it.

    Where the model fails, the sentences that are nearest to the probe are remembered instead.

    Parameters
    ----------
    desk
        Where the question is read.
    findings
        What was found; those with nothing are passed over.
    pool
        What is remembered.
    embedder
        Tells how near memories are to the question.

    Returns
    -------
    The pool that remembers it.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.
    """
    told_of = [finding for finding in findings if finding.layers]
    requests = [_request(desk, finding) for finding in told_of]
    completions = desk.ask(requests) if requests else []
    for finding, completion in zip(told_of, completions, strict=True):
        step = _step(desk, finding, completion)
        pool = pool.remember(step.memory, nearness(desk.question, step.memory, embedder=embedder))
        yield step
    return pool


def _request(desk: Desk, finding: Finding) -> ModelRequest:
    layers = tuple(layer for layer in LAYERS if layer in finding.layers)
    shown = material(desk, finding.layers) | {"probe": finding.probe}
    return task_request("cue", shown, schema=cue_schema(layers), sampling=desk.sampling)


def _step(desk: Desk, finding: Finding, completion: Completion) -> Step:
    if isinstance(completion, CurtailedCompletion):
        # Nothing is remembered of what the model was not shown.
        finding = finding.without(completion.unseen)
    hits, reply = finding.hits, completion.value
    if not isinstance(reply, CueReply):
        nodes = _nearest(desk.question, finding)
        step = told("cue", finding.probe, completion, hits=hits)
        instead = "the nearest sentences are remembered instead" if nodes else "nothing is remembered"
        return replace(step, memory=nodes, remark=f"{step.remark}; {instead}")
    numbers = {desk.exhibits.number(hit.passage) for hit in finding.layers.get("veridical", ())}
    passages, _ = desk.exhibits.cited(number for number in reply.supported if number in numbers)
    sources = tuple(passage.id for passage in passages)
    nodes = tuple(
        MemoryNode(probe=finding.probe, kind=layer, cue=cue, sources=sources if layer == "veridical" else ())
        for layer in LAYERS
        if (cue := reply.of(layer))
    )
    text = "\n".join(f"{node.kind}: {node.cue}" for node in nodes) or "nothing"
    dropped = sorted({number for number in reply.supported if number not in numbers})
    remark = f"cites passages that were not shown: {listed(dropped)}" if dropped else ""
    return replace(told("cue", finding.probe, completion, hits=hits, text=text, remark=remark), memory=nodes)


def _nearest(question: str, finding: Finding) -> tuple[MemoryNode, ...]:
    """Make memories of the sentences that share most words with the probe and the question, without a model."""
    wanted = content_words(f"{finding.probe} {question}")
    nodes = []
    for layer, hits in finding.layers.items():
        sentences = [
            (one_line(hit.passage.text[first:last]), hit.passage.id)
            for hit in hits
            for first, last in sentence_spans(hit.passage.text)
        ]
        shared = [len(wanted & content_words(sentence)) for sentence, _ in sentences]
        best = sorted(range(len(sentences)), key=lambda place: (-shared[place], place))[:_SENTENCES]
        chosen = [sentences[place] for place in sorted(best) if shared[place]]
        if chosen:
            sources = tuple(dict.fromkeys(id for _, id in chosen)) if layer == "veridical" else ()
            cue = " ".join(sentence for sentence, _ in chosen)
            nodes.append(MemoryNode(probe=finding.probe, kind=layer, cue=cue, sources=sources))
    return tuple(nodes)
