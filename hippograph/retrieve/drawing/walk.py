"""The drawing of a walk: one SVG, which a notebook or a page can show as it is."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from hippograph.retrieve.drawing.layout import LINE, Box, Curve, Layout, layout
from hippograph.retrieve.drawing.lettering import fitted, share, width
from hippograph.retrieve.drawing.markup import Markup, element
from hippograph.retrieve.trace import FIRST_WALK
from hippograph.types import Explanation, MapEdge, MapNode

__all__ = ["draw", "walk_style"]

_HEADS: Final = {0: "SEEDS", 1: "BETWEEN", 2: "HITS"}
_WIDEST: Final = 11.0
_SAID: Final = 11.0
_PLACES: Final = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)


@cache
def walk_style() -> Markup:
    """Return the style sheet of the drawing."""
    return Markup((files(__package__) / "walk.css").read_text(encoding="utf-8"))


def draw(explanation: Explanation) -> str:
    """Draw a walk: the seeds that gave most, the hits, and the ways between them.

    In a notebook, `IPython.display.SVG(draw(explanation))` shows it.

    Parameters
    ----------
    explanation
        The explanation, of a query for which there was a walk; of another, the drawing says that there was none.

    Returns
    -------
    An SVG element that refers to nothing outside of it; labels from the index are escaped.
    """
    drawn = explanation.map
    plan = layout(drawn)
    name = "hg-" + sha256(repr(drawn).encode("utf-8", "replace")).hexdigest()[:8]
    if not drawn.nodes:
        note = element("text", "There was no walk to draw.", x=20, y=36)
        return _frame(explanation, name, 480.0, 60.0, note)
    flows = [edge.flow for edge in drawn.edges]
    strokes = [1.0 + (_WIDEST - 1.0) * (flow / max(flows)) ** 0.5 if flow > 0 else 1.0 for flow in flows]
    order = sorted(range(len(flows)), key=lambda at: (drawn.edges[at].on_path, at))
    edges = [_edge(explanation, drawn.edges[at], plan.curves[at], strokes[at]) for at in order]
    heads = [
        element("text", _HEADS[column], class_="head", x=middle, y=34, text_anchor="middle")
        for column, middle in plan.columns.items()
    ]
    nodes = [_node(node, box) for node, box in zip(drawn.nodes, plan.boxes, strict=True)]
    parts = [*edges, *_relations(explanation, plan), *heads, *nodes, *_legend(explanation, plan)]
    return _frame(explanation, name, plan.width, plan.height, *parts)


def _frame(explanation: Explanation, name: str, wide: float, high: float, *parts: Markup) -> Markup:
    seeds = sum(node.weight > 0 for node in explanation.map.nodes)
    ways = sum(edge.on_path for edge in explanation.map.edges)
    told = (
        f"{len(explanation.map.nodes)} nodes, {seeds} of them seeds, and {len(explanation.map.edges)} edges, {ways} of "
        "them on the strongest paths; the broader an edge, the more of the walk passes over it."
    )
    return element(
        "svg",
        element("title", f"How the walk came to its hits: {explanation.query}", id=f"{name}-title"),
        element("desc", told, id=f"{name}-desc"),
        element("style", walk_style()),
        element("rect", class_="ground", width=wide, height=high),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="hg",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        viewBox=f"0 0 {wide:g} {high:g}",
        width=wide,
        height=high,
    )


def _edge(explanation: Explanation, edge: MapEdge, curve: Curve, stroke: float) -> Markup:
    one, other = (explanation.map.nodes[end].label for end in (edge.source, edge.target))
    arrow = f"← {edge.link} —" if edge.inverse else f"— {edge.link} →" if edge.link else "—"
    (x0, y0), *rest = curve.points
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in rest)
    return element(
        "path",
        element("title", f"{one} {arrow} {other}: {edge.flow:.3g} of the walk"),
        class_="edge way" if edge.on_path else "edge",
        d=f"M{x0:.1f},{y0:.1f} C{way}",
        stroke_width=stroke,
        stroke_dasharray=None if edge.on_path else "2 5",
    )


def _node(node: MapNode, box: Box) -> Markup:
    found = FIRST_WALK in node.reason
    classes = [node.kind, *(["seed"] if node.weight > 0 else []), *(["found"] if found else [])]
    classes += ["asked"] if node.asked else []
    told = [f"seed {share(node.weight)}"] if node.weight > 0 else []
    told.append(f"mass {node.mass:.3g}")
    more = [f"seeded for: {node.reason}"] if node.reason else []
    more += ["asked for"] if node.asked else []
    left = box.x + 14.0
    parts = [
        element("title", f"{node.label} ({node.kind} {node.node}): {', '.join([*told, *more])}"),
        element(
            "rect",
            class_="shape",
            x=box.x,
            y=box.y,
            width=box.width,
            height=box.height,
            rx=box.height / 2 if node.kind == "entity" and len(box.lines) == 1 else 18 if node.kind == "entity" else 4,
        ),
    ]
    if node.place is not None or node.asked:
        said = "?" if node.place is None else str(node.place)
        at = box.x + box.width - 24.0
        parts.append(element("circle", class_="badge", cx=at, cy=box.middle, r=15))
        parts.append(element("text", said, class_="place", x=at, y=box.middle + 4.5, text_anchor="middle"))
    for number, line in enumerate(box.lines):
        parts.append(element("text", line, class_="label", x=left, y=box.y + 19.0 + number * LINE))
    y = box.y + 18.0 + len(box.lines) * LINE
    if node.weight > 0:
        parts.append(element("circle", class_="dot", cx=left + 4, cy=y - 4, r=4))
    indent = 13.0 if node.weight > 0 else 0.0
    parts.append(element("text", " · ".join(told), class_="small", x=left + indent, y=y))
    return element("g", *parts, class_=" ".join(classes))


def _relations(explanation: Explanation, plan: Layout) -> list[Markup]:
    """Write on the facts of paths what they say, where there is room; elsewhere the edge's title says it."""
    taken = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in plan.boxes]
    written = []
    for edge, curve in zip(explanation.map.edges, plan.curves, strict=True):
        kinds = {explanation.map.nodes[end].kind for end in (edge.source, edge.target)}
        if not edge.on_path or kinds != {"entity"} or not edge.link:
            continue
        [text] = fitted(edge.link, size=_SAID, room=130.0, lines=1)
        half = width(text, size=_SAID) / 2 + 3
        for part in _PLACES:
            x, y = curve.at(part)
            corners = (x - half, y - 9.0, x + half, y + 7.0)
            inside = corners[0] >= 0 and corners[2] <= plan.width
            if inside and not any(_overlap(corners, other) for other in taken):
                taken.append(corners)
                written.append(element("text", text, class_="said", x=x, y=y + 4.0, text_anchor="middle"))
                break
    return written


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _legend(explanation: Explanation, plan: Layout) -> list[Markup]:
    y = plan.height - 24.0
    parts: list[Markup] = []
    x = 20.0
    for kind, text in (("entity", "entity"), ("passage", "passage")):
        shape = element("rect", class_="shape", x=x, y=y - 11, width=26, height=16, rx=8 if kind == "entity" else 3)
        parts.append(element("g", shape, class_=kind))
        parts.append(element("text", text, class_="small", x=x + 33, y=y + 1))
        x += 33 + width(text, size=11) + 22
    found = any(FIRST_WALK in node.reason for node in explanation.map.nodes)
    for classes, text in (("seed", "seed"), *([("seed found", "seed that the first walk found")] if found else [])):
        parts.append(element("g", element("circle", class_="dot", cx=x + 4, cy=y - 3, r=4), class_=classes))
        parts.append(element("text", text, class_="small", x=x + 14, y=y + 1))
        x += 14 + width(text, size=11) + 22
    for classes, dash, text in (
        ("edge way", None, "on a path; broader: more of the walk"),
        ("edge", "2 5", "other edge"),
    ):
        line = f"M{x:.1f},{y - 3:.1f} h30"
        parts.append(
            element("path", class_=classes, d=line, stroke_width=4 if dash is None else 2, stroke_dasharray=dash)
        )
        parts.append(element("text", text, class_="small", x=x + 38, y=y + 1))
        x += 38 + width(text, size=11) + 22
    return parts
