"""How readings are shown and told: their steps, and what comes of them."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from hippograph.cli.retrieve import hit_values, passage_values
from hippograph.index.standing import usage_values
from hippograph.types import Answer, MemoryNode, Step

__all__ = ["answer_values", "show_answer", "show_step", "step_values"]

# More of a text is not shown in a terminal, characters.
_SHOWN = 600
_SHOWN_HITS = 10


def answer_values(answer: Answer) -> dict[str, object]:
    """Return an answer as JSON values."""
    return {
        "question": answer.question,
        "text": answer.text,
        "complete": answer.complete,
        "outcome": answer.outcome,
        "reader": answer.reader,
        "citations": [passage_values(passage) for passage in answer.citations],
        "steps": [step_values(step) for step in answer.steps],
        "usage": usage_values(answer.usage),
        "error": answer.error,
        "ended": answer.ended,
    }


def step_values(step: Step) -> dict[str, object]:
    """Return a step as JSON values."""
    return {
        "kind": step.kind,
        "query": step.query,
        "hits": [hit_values(hit) for hit in step.hits],
        "text": step.text,
        "note_before": step.note_before,
        "note_after": step.note_after,
        "memory": [_node_values(node) for node in step.memory],
        "decision": step.decision,
        "reason": step.reason,
        "remark": step.remark,
        "usage": usage_values(step.usage),
        "seconds": round(step.seconds, 3),
    }


def _node_values(node: MemoryNode) -> dict[str, object]:
    return {"probe": node.probe, "kind": node.kind, "cue": node.cue, "sources": list(node.sources)}


def show_step(console: Console, step: Step, number: int) -> None:
    """Show a step in a few lines."""
    console.print(f"[bold]{number} {escape(step.kind)}[/bold]  {escape(step.query)}", soft_wrap=True, highlight=False)
    lines = []
    if step.hits:
        shown = [f"{hit.passage.title or hit.passage.id} ({hit.score:.3g})" for hit in step.hits[:_SHOWN_HITS]]
        more = f" and {len(step.hits) - _SHOWN_HITS} more" if len(step.hits) > _SHOWN_HITS else ""
        lines.append("passages: " + "; ".join(shown) + more)
    elif step.kind == "retrieve":
        lines.append("nothing new was found")
    has_new_note = step.note_after and step.note_after != step.note_before
    if has_new_note:
        lines.append(f"note: {_cut(step.note_after)}")
    # Some say the note, and what they make of it.
    if said := step.text.removeprefix(step.note_after).strip() if has_new_note else step.text:
        lines.append(f"says: {_cut(said)}")
    lines += [f"remembers ({node.kind}; {node.probe}): {_cut(node.cue)}" for node in step.memory]
    if step.decision:
        lines.append(f"decides to {step.decision}: {step.reason}" if step.reason else f"decides to {step.decision}")
    elif step.reason:
        lines.append(f"because: {step.reason}")
    if step.remark:
        lines.append(f"remark: {_cut(step.remark)}")
    for line in lines:
        console.print(f"    {line}", markup=False, soft_wrap=True, highlight=False)
    spent = f", {step.usage.calls} calls, {step.usage.tokens:,} tokens" if step.usage.calls else ""
    known = ", known before" if step.usage.reused else ""
    console.print(f"    {step.seconds:.2f} s{spent}{known}", style="dim", highlight=False)


def show_answer(console: Console, answer: Answer, *, remarks: bool = True) -> None:
    """Show an answer, what it rests on, what went wrong on the way, and what it cost."""
    if answer.error:
        console.print(f"No answer: {answer.error}", markup=False, soft_wrap=True)
    if answer.text:
        console.print(f"[bold]{escape(answer.text)}[/bold]", soft_wrap=True)
    if doubt := _doubt(answer):
        console.print(doubt, style="dim", markup=False, soft_wrap=True)
    for passage in answer.citations:
        where = f"{passage.source or passage.document}, {passage.id}, characters {passage.span[0]} to {passage.span[1]}"
        console.print(f"  {passage.title or passage.id}: {where}", markup=False, soft_wrap=True)
    for step in answer.steps if remarks else ():
        if step.remark:
            console.print(f"  {step.kind}: {step.remark}", style="dim", markup=False, soft_wrap=True)
    spent = answer.usage
    cost = f", {spent.cost:.6f} dollars" if spent.cost else ""
    console.print(
        f"{answer.reader}: {len(answer.steps)} steps, {spent.calls} calls, {spent.reused} answers known before, "
        f"{spent.tokens:,} tokens{cost}; {sum(step.seconds for step in answer.steps):.1f} s",
        style="dim",
        highlight=False,
    )


def _doubt(answer: Answer) -> str:
    """Say what an answer is worth that is not complete."""
    if answer.outcome == "budget":
        return f"The best answer so far: {answer.ended or 'the budget is spent'}."
    if answer.outcome == "stopped":
        return "The best answer so far."
    if answer.outcome == "not enough evidence" and answer.text != "not enough evidence":
        return "The passages do not tell enough; this is a guess."
    return ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " …"
