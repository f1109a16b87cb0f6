"""How an explanation is printed: as JSON values, and as text that needs no colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from textwrap import wrap

from rich.cells import set_cell_size

from hippograph.cli.retrieve import passage_values
from hippograph.retrieve.drawing.lettering import readable, share
from hippograph.retrieve.drawing.page import accounted_for, begun_again, moved, settled
from hippograph.types import ExplainedHit, ExplainedPath, ExplainedSeed, Explanation, PathStep, Recognition

__all__ = ["explanation_lines", "explanation_values"]

_WIDTH = 100
_SEEDS = 15
_GIVERS = 4


def explanation_values(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as JSON values."""
    return {
        "query": explanation.query,
        "walked": explanation.walked,
        "accounted": explanation.accounted,
        "damping": explanation.damping,
        "walk": None if explanation.walk is None else asdict(explanation.walk),
        "seeds": [asdict(seed) for seed in explanation.seeds],
        "other_seeds": asdict(explanation.other_seeds),
        "triples": [
            {"triple": list(fact.triple), "similarity": fact.similarity, "kept": fact.kept}
            for fact in explanation.triples
        ],
        "recognition": _recognition_values(explanation.recognition),
        "paths": [asdict(path) for path in explanation.paths],
        "hits": [_hit_values(hit, explanation) for hit in explanation.hits],
        "passage": None if explanation.passage is None else _hit_values(explanation.passage, explanation),
        "hubs": [asdict(hub) for hub in explanation.hubs],
        "hub_mass": explanation.hub_mass,
        "through_hubs": explanation.through_hubs,
        "moves": [asdict(move) for move in explanation.moves],
        "depths": dict(explanation.depths),
        "map": asdict(explanation.map),
        "timings_ms": dict(explanation.timings),
    }


def _recognition_values(recognition: Recognition | None) -> dict[str, object] | None:
    if recognition is None:
        return None
    return {
        "status": recognition.status,
        "kept": recognition.kept,
        "error": recognition.error,
        "usage": asdict(recognition.usage),
    }


def _hit_values(hit: ExplainedHit, explanation: Explanation) -> dict[str, object]:
    given = [
        {"node": seed.node, "kind": seed.kind, "mass": mass}
        for seed, mass in zip(explanation.seeds, hit.from_seeds, strict=False)
        if mass > 0
    ]
    return {
        **passage_values(hit.passage),
        "place": hit.place,
        "score": hit.score,
        "ranks": dict(hit.ranks),
        "accounted": hit.accounted,
        "mass": hit.mass,
        "from_seeds": given,
        "from_others": hit.from_others,
        "through_hubs": hit.through_hubs,
        "remarks": list(hit.remarks),
    }


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """Write an explanation in lines of at most 100 columns, long names aside.

    Entities stand as they are, passages in brackets.
    """
    if not explanation.walked:
        yield "This retriever did not walk for this query: there are hits, and no seeds or paths to them."
        yield ""
    yield from _hits(explanation)
    yield from _seeds(explanation)
    yield from _triples(explanation)
    yield from _walk(explanation)
    yield from _wrapped(", ".join(f"{step} {spent:.1f} ms" for step, spent in explanation.timings.items()), 0)


def _hits(explanation: Explanation) -> Iterator[str]:
    yield f"{'HITS' if explanation.hits else 'NOTHING FOUND'} for: {readable(explanation.query)}"
    for hit in explanation.hits:
        yield from _hit(hit, explanation)
    yield from _moves(explanation)
    asked = explanation.passage
    if asked is not None and asked not in explanation.hits:
        yield "THE PASSAGE ASKED FOR"
        yield from _hit(asked, explanation)
        yield ""


def _hit(hit: ExplainedHit, explanation: Explanation) -> Iterator[str]:
    place = "-" if hit.place is None else str(hit.place)
    name = f"[{hit.passage.title or hit.passage.id}]"
    facts = [] if hit.score is None else [f"score {hit.score:.4g}"]
    facts += [f"{stage} {_rank(rank, explanation.depths[stage])}" for stage, rank in hit.ranks.items()]
    if explanation.walked:
        facts.append(f"mass {hit.mass:.4g}")
        facts += [f"{share(hit.through_hubs)} of it through hubs"] if explanation.hubs and hit.accounted else []
    yield f"{place:>3}  {readable(name)}  {readable(hit.passage.id)}"
    yield from _wrapped(", ".join(facts), 5)
    for remark in hit.remarks:
        yield from _wrapped(remark, 5)
    for path in explanation.paths:
        if path.passage == hit.passage.id:
            yield from _wrapped(f"{share(path.share):>8}  {_way(path)}", 5, hang=10)
    if given := _given(hit, explanation):
        yield from _wrapped(f"{'from':>8}  {given}", 5, hang=10)


def _rank(rank: int | None, depth: int) -> str:
    return f"beyond {depth}" if rank is None else f"#{rank}"


def _wrapped(text: str, indent: int, *, hang: int = 0) -> list[str]:
    first, later = " " * indent, " " * (indent + hang)
    return wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _named(node: PathStep | ExplainedSeed) -> str:
    label = readable(node.label)
    return f"[{label}]" if node.kind == "passage" else label


def _way(path: ExplainedPath) -> str:
    said = _named(path.steps[0])
    if len(path.steps) == 1:
        return f"{said} is itself a seed"
    for step in path.steps[1:]:
        link = readable(step.link)
        arrow = f"<- {link} --" if step.inverse else f"-- {link} ->" if link else "--"
        said = f"{said} {arrow} {_named(step)}"
    return said


def _given(hit: ExplainedHit, explanation: Explanation) -> str:
    """Say who gave most, and add up the rest."""
    if hit.mass <= 0 or not hit.accounted:
        return ""
    givers = sorted(zip(hit.from_seeds, range(len(hit.from_seeds)), strict=True), key=lambda one: (-one[0], one[1]))
    told = [f"{_named(explanation.seeds[at])} {share(mass / hit.mass)}" for mass, at in givers[:_GIVERS] if mass > 0]
    rest = sum(mass for mass, _ in givers[_GIVERS:]) + hit.from_others
    return ", ".join([*told, *([f"all others {share(rest / hit.mass)}"] if rest > 0 else [])])


def _moves(explanation: Explanation) -> Iterator[str]:
    if explanation.hits:
        for move in explanation.moves:
            yield from _wrapped(moved(move, len(explanation.hits)), 5)
        for note in (*settled(explanation), *accounted_for(explanation)):
            yield from _wrapped(note, 5)
    yield ""


def _seeds(explanation: Explanation) -> Iterator[str]:
    if not explanation.seeds:
        return
    yield f"SEEDS {'':54} {'weight':>9} {'gives':>9}  why"
    shown, hidden = explanation.seeds[:_SEEDS], explanation.seeds[_SEEDS:]
    for seed in shown:
        yield f"  {set_cell_size(_named(seed), 58)} {share(seed.weight):>9} {seed.mass:>9.4g}  {seed.reason}"
    others = explanation.other_seeds
    if count := len(hidden) + others.count:
        weight = sum(seed.weight for seed in hidden) + others.weight
        mass = sum(seed.mass for seed in hidden) + others.mass
        yield f"  {f'{count} more seeds':58} {share(weight):>9} {mass:>9.4g}"
    yield ""


def _triples(explanation: Explanation) -> Iterator[str]:
    if not explanation.triples:
        return
    verdict = explanation.recognition
    yield "FACTS NEAR THE QUERY" + ("" if verdict is None else f" (recognition: {verdict.status})")
    if verdict is not None and verdict.error:
        yield from _wrapped(readable(verdict.error), 2)
    for fact in explanation.triples:
        said = " - ".join(readable(part) for part in fact.triple)
        yield from _wrapped(f"{'kept' if fact.kept else 'dropped':7}  {fact.similarity:.3f}  {said}", 2, hang=16)
    yield ""


def _walk(explanation: Explanation) -> Iterator[str]:
    if not explanation.walked:
        return
    walk = explanation.walk
    ended = "" if walk is None else f", {walk.iterations} iterations ({walk.engine})"
    yield f"WALK with damping {explanation.damping:g}{ended}"
    yield from _wrapped(begun_again(explanation), 2)
    if explanation.hubs:
        named = ", ".join(f"{readable(hub.node)} ({hub.edges} edges)" for hub in explanation.hubs[:3])
        yield from _wrapped(
            f"The {len(explanation.hubs)} entities with the most edges have {share(explanation.hub_mass)} of it, and "
            f"{share(explanation.through_hubs)} of what the hits have came through them: {named}"
            + (", ..." if len(explanation.hubs) > 3 else "."),
            2,
        )
    yield ""
