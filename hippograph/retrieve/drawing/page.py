"""An explanation as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Final

from hippograph.retrieve.drawing.lettering import share
from hippograph.retrieve.drawing.markup import Markup, element
from hippograph.retrieve.drawing.walk import draw, walk_style
from hippograph.retrieve.trace import FIRST_WALK
from hippograph.types import ExplainedHit, ExplainedPath, Explanation, RankMoves

__all__ = ["accounted_for", "begun_again", "moved", "page", "settled"]

_GIVERS: Final = 8


def page(explanation: Explanation) -> str:
    """Write an explanation as a page of HTML.

    What comes from the index is escaped, and the page forbids scripts and whatever is not in it
    (Content-Security-Policy), so that no passage can do anything but be read.

    Parameters
    ----------
    explanation
        The explanation.
    """
    style = Markup((files(__package__) / "page.css").read_text(encoding="utf-8"))
    sections = [_head(explanation), _figure(explanation), _hits(explanation), _seeds(explanation)]
    sections += [_triples(explanation), _hubs(explanation), _timings(explanation)]
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        digests=" ".join(f"'sha256-{_digest(text)}'" for text in (style, walk_style())),
        title=element("title", f"Why: {explanation.query}")[len("<title>") : -len("</title>")],
        style=style,
        content="\n".join(section for section in sections if section),
    )


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _head(explanation: Explanation) -> Markup:
    walk = explanation.walk
    if not explanation.walked:
        told = "This retriever did not walk for this query: there are hits, and no seeds or paths to them."
    else:
        ended = f", ended after {walk.iterations} iterations ({walk.engine})" if walk is not None else ""
        told = f"Personalized PageRank with damping {explanation.damping:g}{ended}. {begun_again(explanation)}"
    return element("header", element("h1", explanation.query), element("p", told, class_="dim"))


def begun_again(explanation: Explanation) -> str:
    """Say in a sentence that this is the second of two walks, if it is."""
    found = [seed for seed in explanation.seeds if FIRST_WALK in seed.reason]
    if not found:
        return ""
    part = share(sum(seed.weight for seed in found))
    return f"It is the second walk: {part} of its restarts are at passages chosen from what the first one found."


def _figure(explanation: Explanation) -> Markup:
    if not explanation.map.nodes:
        return Markup()
    return element("figure", Markup(draw(explanation)), class_="card")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> Markup:
    """Write a table; the columns in `numbers` are set to the right."""

    def row(name: str, cells: Sequence[str]) -> Markup:
        return element(
            "tr", *(element(name, cell, class_="number" if at in numbers else None) for at, cell in enumerate(cells))
        )

    return element("table", element("thead", row("th", heads)), element("tbody", *(row("td", cells) for cells in rows)))


def _section(head: str, *content: str) -> Markup:
    return element("section", element("h2", head), element("div", *content, class_="card"))


def _name(kind: str, label: str) -> Markup:
    return element("span", label, class_=kind)


def _hits(explanation: Explanation) -> Markup:
    stages = list(explanation.depths)
    walked = ["mass", *(["through hubs"] if explanation.hubs else [])] if explanation.walked else []
    heads = ["place", "passage", "score", *(f"after {stage}" for stage in stages), *walked]
    asked = explanation.passage
    told = [*explanation.hits, *([asked] if asked is not None and asked not in explanation.hits else [])]
    rows = [
        [
            "–" if hit.place is None else str(hit.place),
            _name("passage", hit.passage.title or hit.passage.id),
            "–" if hit.score is None else f"{hit.score:.4g}",
            *(_rank(hit, stage, explanation) for stage in stages),
            *[f"{hit.mass:.4g}", share(hit.through_hubs) if hit.accounted else "–"][: len(walked)],
        ]
        for hit in told
    ]
    numbers = [0, *range(2, len(heads))]
    notes = [*(moved(move, len(explanation.hits)) for move in explanation.moves), *settled(explanation)]
    told = [hit for hit in told if hit.accounted] if explanation.walked else told
    return Markup(
        _section("Hits", _table(heads, rows, numbers=numbers), *(element("p", note, class_="dim") for note in notes))
        + _section(
            "How each came to its place",
            *(element("p", note, class_="dim") for note in accounted_for(explanation)),
            *(_account(hit, explanation) for hit in told),
        )
    )


def settled(explanation: Explanation) -> list[str]:
    """Say in a sentence why scores are not the masses, where one can see that they are not."""
    if not explanation.walked or all(f"{hit.score:.4g}" == f"{hit.mass:.4g}" for hit in explanation.hits):
        return []
    return [
        "Masses are shares of the walk once it has settled. Scores are the retriever's own: it may end its walk a "
        "little earlier, or count other things too."
    ]


def accounted_for(explanation: Explanation) -> list[str]:
    """Say which hits are accounted for, if not all are."""
    first = explanation.accounted
    if not explanation.walked or first >= len(explanation.hits):
        return []
    asked = "" if explanation.passage is None else " and of the passage asked for"
    return [f"Paths of the first {first} hits{asked}; sums over hits are over the first {first}."]


def moved(move: RankMoves, k: int) -> str:
    """Say in a sentence how far a step moved the best `k`."""
    known = k - move.unknown
    far = f"; the {known} whose ranks are known moved {move.mean:.1f} places on average" if known > 0 else ""
    new = "is" if move.entered == 1 else "are"
    return f"From {move.before} to {move.after}: {move.entered} of the best {k} {new} new{far}."


def _rank(hit: ExplainedHit, stage: str, explanation: Explanation) -> str:
    rank = hit.ranks.get(stage)
    return f"> {explanation.depths[stage]}" if rank is None else str(rank)


def _account(hit: ExplainedHit, explanation: Explanation) -> Markup:
    place = f"{hit.place}. " if hit.place is not None else ""
    parts = [
        element(
            "summary",
            place,
            element("b", hit.passage.title or hit.passage.id),
            " ",
            element("span", hit.passage.id, class_="dim"),
        )
    ]
    parts += [element("p", remark) for remark in hit.remarks]
    ways = [path for path in explanation.paths if path.passage == hit.passage.id]
    if ways:
        parts.append(element("ol", *(_way(path) for path in ways), class_="ways"))
    givers = sorted(zip(hit.from_seeds, range(len(hit.from_seeds)), strict=True), key=lambda one: (-one[0], one[1]))
    rows = [
        _given(_name(explanation.seeds[at].kind, explanation.seeds[at].label), mass, hit)
        for mass, at in givers[:_GIVERS]
    ]
    rest = sum(mass for mass, _ in givers[_GIVERS:]) + hit.from_others
    if givers and hit.mass > 0:
        parts.append(_table(["mass from", "part", ""], [*rows, _given("all other seeds", rest, hit)], numbers=[1]))
    parts.append(element("p", hit.passage.text, class_="dim", dir="auto"))
    opened = hit.place == 1 or (explanation.passage is not None and hit == explanation.passage)
    return element("details", *parts, open="open" if opened else None)


def _given(name: str, mass: float, hit: ExplainedHit) -> list[str]:
    part = mass / hit.mass if hit.mass > 0 else 0.0
    return [name, share(part), element("meter", share(part), min=0.0, max=1.0, value=part)]


def _way(path: ExplainedPath) -> Markup:
    steps: list[str] = [share(path.share), " "]
    for step in path.steps:
        if step is not path.steps[0]:
            arrow = f"← {step.link} —" if step.inverse else f"— {step.link} →" if step.link else "—"
            steps.append(element("span", arrow, class_="link"))
        steps.append(_name(step.kind, step.label))
    if len(path.steps) == 1:
        steps.append(element("span", "is itself a seed", class_="link"))
    return element("li", *steps)


def _seeds(explanation: Explanation) -> Markup:
    if not explanation.seeds:
        return Markup()
    total = sum(seed.mass for seed in explanation.seeds) + explanation.other_seeds.mass
    rows = [
        [
            _name(seed.kind, seed.label),
            element("span", seed.reason, class_="found") if FIRST_WALK in seed.reason else seed.reason,
            share(seed.weight),
            f"{seed.mass:.4g}",
            element("meter", f"{seed.mass:.4g}", min=0.0, max=max(total, 1e-12), value=seed.mass),
        ]
        for seed in explanation.seeds
    ]
    if (others := explanation.other_seeds).count:
        rows.append([f"{others.count} more seeds", "", share(others.weight), f"{others.mass:.4g}", ""])
    gives = f"gives to the first {explanation.accounted}" if accounted_for(explanation) else "gives to the hits"
    table = _table(["seed", "why", "weight", gives, ""], rows, numbers=[2, 3])
    return _section("Seeds", table)


def _triples(explanation: Explanation) -> Markup:
    if not explanation.triples:
        return Markup()
    verdict = explanation.recognition
    said = [] if verdict is None else [element("p", f"Recognition: {verdict.status}. {verdict.error}", class_="dim")]
    rows = [
        [
            element("span", "kept" if fact.kept else "dropped", class_="kept" if fact.kept else "dropped"),
            f"{fact.similarity:.3f}",
            " – ".join(fact.triple),
        ]
        for fact in explanation.triples
    ]
    return _section("Facts near the query", *said, _table(["", "cosine", "fact"], rows, numbers=[1]))


def _hubs(explanation: Explanation) -> Markup:
    if not explanation.hubs:
        return Markup()
    told = (
        f"The {len(explanation.hubs)} entities with the most edges hold {share(explanation.hub_mass)} of the walk, and "
        f"{share(explanation.through_hubs)} of what the hits have came through them."
    )
    rows = [[_name("entity", hub.node), str(hub.edges), f"{hub.mass:.4g}"] for hub in explanation.hubs]
    return _section("Hubs", element("p", told), _table(["entity", "edges", "mass"], rows, numbers=[1, 2]))


def _timings(explanation: Explanation) -> Markup:
    told = " · ".join(f"{step} {milliseconds:.1f} ms" for step, milliseconds in explanation.timings.items())
    return element("p", told, class_="dim") if told else Markup()
