"""Where everything is drawn: seeds on the left, hits on the right, what lies between them in the middle."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from hippograph.retrieve.drawing.lettering import fitted
from hippograph.types import MapNode, WalkMap

__all__ = ["BOX_WIDTH", "LINE", "Box", "Curve", "Layout", "layout"]

Point: TypeAlias = tuple[float, float]

BOX_WIDTH: Final = 232.0
"""Width of a node's box."""

LINE: Final = 17.0
"""Distance of lines of text."""

LABEL_SIZE: Final = 13.0
"""Height of a label's font."""

_GAP: Final = 150.0
_ROW_GAP: Final = 14.0
_MARGIN: Final = 20.0
_SWING: Final = 76.0
_TOP: Final = 56.0
_BOTTOM: Final = 58.0
_BADGE: Final = 44.0
_LANE: Final = 6.0
_SWEEPS: Final = 12
_NARROWEST: Final = 680.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node's place.

    Parameters
    ----------
    x, y
        The upper left corner.
    width, height
        Its size.
    column
        0 for seeds, 1 for what lies between, 2 for hits.
    lines
        The label, broken to fit.
    """

    x: float
    y: float
    width: float
    height: float
    column: int
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        """The height at which its middle is."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """An edge's way: cubic curves, each beginning where the one before ends.

    Parameters
    ----------
    points
        The start, and for each curve two controls and its end.
    """

    points: tuple[Point, ...]

    def at(self, part: float) -> Point:
        """Return the point after a part of the way, 0 to 1."""
        pieces = len(self.points) // 3
        piece = min(int(part * pieces), pieces - 1)
        t = part * pieces - piece
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        held = self.points[3 * piece : 3 * piece + 4]
        x, y = (sum(w * point[axis] for w, point in zip(weights, held, strict=True)) for axis in (0, 1))
        return x, y


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A drawing without ink.

    Parameters
    ----------
    width, height
        Its size.
    boxes
        One for each node of the map.
    curves
        One for each edge of the map.
    columns
        What stands where: the middle of each column that is not empty, by its number.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    columns: dict[int, float]


def layout(drawn: WalkMap) -> Layout:
    """Lay out a map; the same map is laid out alike.

    Seeds and hits keep the order of the map. What lies between them is put near what it is joined to, the stronger
    the nearer (the barycentre heuristic), so that few edges cross.

    Parameters
    ----------
    drawn
        The map.

    References
    ----------
    Sugiyama, Tagawa, Toda: Methods for Visual Understanding of Hierarchical System Structures (1981).

    Examples
    --------
    >>> from hippograph.types import MapEdge
    >>> ship = MapNode(node="Fram", kind="entity", label="Fram", weight=1.0)
    >>> hit = MapNode(node="fram", kind="passage", label="Fram (ship)", place=1)
    >>> edge = MapEdge(source=0, target=1, flow=0.5, link="in", inverse=False, on_path=True)
    >>> [(box.column, box.lines) for box in layout(WalkMap(nodes=(ship, hit), edges=(edge,))).boxes]
    [(0, ('Fram',)), (2, ('Fram (ship)',))]
    """
    labels = [tuple(fitted(node.label, size=LABEL_SIZE, room=_room(node))) for node in drawn.nodes]
    heights = [LINE * (len(lines) + 1) + 14.0 for lines in labels]
    columns = [_column(node) for node in drawn.nodes]
    used = sorted(set(columns))
    within = {columns[edge.source] for edge in drawn.edges if columns[edge.source] == columns[edge.target]}
    lefts, right = {}, _MARGIN
    for column in used:
        # Edges within the first column swing out to its left, those within another to its right.
        lefts[column] = right + (_SWING if column in within and column == used[0] else 0.0)
        swings = column in within and column != used[0]
        right = lefts[column] + BOX_WIDTH + (_GAP if column != used[-1] else _SWING if swings else 0.0)
    lanes = _lanes(drawn, columns)
    order = _ordered(drawn, columns, lanes)
    sizes = {**dict(enumerate(heights)), **dict.fromkeys(lanes, _LANE)}
    tall = {c: sum(sizes[node] + _ROW_GAP for node in order[c]) - _ROW_GAP for c in used}
    tops: dict[int, float] = {}
    for column in used:
        y = _TOP + (max(tall.values()) - tall[column]) / 2
        for node in order[column]:
            tops[node] = y
            y += sizes[node] + _ROW_GAP
    boxes = tuple(
        Box(x=lefts[column], y=tops[node], width=BOX_WIDTH, height=heights[node], column=column, lines=labels[node])
        for node, column in enumerate(columns)
    )
    lines = {edge: (lefts[1], tops[lane] + _LANE / 2) for lane, (edge, _, _) in lanes.items()}
    return Layout(
        width=max(right + _MARGIN, _NARROWEST),
        height=_TOP + max(tall.values(), default=0.0) + _BOTTOM,
        boxes=boxes,
        curves=_curves(drawn, boxes, lines, first=used[0] if used else 0),
        columns={column: left + BOX_WIDTH / 2 for column, left in lefts.items()},
    )


def _room(node: MapNode) -> float:
    return BOX_WIDTH - (_BADGE if node.place is not None or node.asked else 0.0) - 26.0


def _column(node: MapNode) -> int:
    if node.place is not None or node.asked:
        return 2
    return 0 if node.weight > 0 else 1


def _lanes(drawn: WalkMap, columns: list[int]) -> dict[int, tuple[int, int, int]]:
    """Reserve room between what stands in the middle for the edges that go past it.

    Returns
    -------
    Numbers after those of the nodes, and the edge and its two ends.
    """
    if 1 not in columns:
        return {}
    long = [at for at, edge in enumerate(drawn.edges) if {columns[edge.source], columns[edge.target]} == {0, 2}]
    return {len(columns) + at: (at, drawn.edges[at].source, drawn.edges[at].target) for at in long}


def _ordered(drawn: WalkMap, columns: list[int], lanes: dict[int, tuple[int, int, int]]) -> dict[int, list[int]]:
    """Order each column: hits by their places, the others near what they are joined to."""
    order: defaultdict[int, list[int]] = defaultdict(list)
    for node, column in enumerate(columns):
        order[column].append(node)
    order[1] += lanes
    order[2].sort(key=lambda node: (drawn.nodes[node].place is None, drawn.nodes[node].place or 0, node))
    joined: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    passing = {edge: lane for lane, (edge, _, _) in lanes.items()}
    for number, edge in enumerate(drawn.edges):
        ends = [edge.source, edge.target]
        if columns[edge.source] == columns[edge.target]:
            continue
        stops = [ends[0], passing[number], ends[1]] if number in passing else ends
        for one, other in pairwise(stops):
            joined[one].append((other, edge.flow))
            joined[other].append((one, edge.flow))
    height = {node: (at + 0.5) / len(members) for members in order.values() for at, node in enumerate(members)}
    for _ in range(_SWEEPS):
        for column in (1, 0):
            wanted = {node: _centre(joined[node], height, height[node]) for node in order[column]}
            order[column].sort(key=lambda node: (wanted[node], node))
            height.update({node: (at + 0.5) / len(order[column]) for at, node in enumerate(order[column])})
    return order


def _centre(joined: list[tuple[int, float]], height: dict[int, float], otherwise: float) -> float:
    """Average the heights of what a node is joined to, by the square root of the flow."""
    total = sum(flow**0.5 for _, flow in joined)
    return sum(height[other] * flow**0.5 for other, flow in joined) / total if total > 0 else otherwise


def _curves(drawn: WalkMap, boxes: tuple[Box, ...], lines: dict[int, Point], *, first: int) -> tuple[Curve, ...]:
    """Draw each edge between two sides of boxes, those at the same side apart from each other."""
    sides: list[tuple[bool, bool]] = []
    ports: defaultdict[tuple[int, bool], list[tuple[float, int, int]]] = defaultdict(list)
    for number, edge in enumerate(drawn.edges):
        one, other = boxes[edge.source], boxes[edge.target]
        if one.column == other.column:
            side = (one.column != first, one.column != first)
        else:
            side = (one.column < other.column, other.column < one.column)
        sides.append(side)
        passed = lines.get(number)
        ports[edge.source, side[0]].append((passed[1] if passed else other.middle, number, 0))
        ports[edge.target, side[1]].append((passed[1] if passed else one.middle, number, 1))
    ends: dict[tuple[int, int], tuple[float, float]] = {}
    for (node, to_right), meeting in ports.items():
        box = boxes[node]
        for at, (_, number, end) in enumerate(sorted(meeting)):
            y = box.y + box.height * (0.15 + 0.7 * (at + 0.5) / len(meeting))
            ends[number, end] = (box.x + (box.width if to_right else 0.0), y)
    return tuple(
        _curve(ends[number, 0], ends[number, 1], sides=side, lane=lines.get(number))
        for number, side in enumerate(sides)
    )


def _curve(start: Point, end: Point, *, sides: tuple[bool, bool], lane: Point | None) -> Curve:
    """Lead an edge from one side of a box (True is its right) to another, through a lane if there is one."""
    leaves_right, arrives_right = sides
    if lane is None:
        return Curve(points=(start, *_bend(start, end, leaves_right, arrives_right), end))
    entry, way_out = lane, (lane[0] + BOX_WIDTH, lane[1])
    if not leaves_right:
        entry, way_out = way_out, entry
    there = _bend(start, entry, leaves_right, arrives_right)
    on = _bend(way_out, end, leaves_right, arrives_right)
    return Curve(points=(start, *there, entry, entry, way_out, way_out, *on, end))


def _bend(start: Point, end: Point, from_right: bool, to_right: bool) -> tuple[Point, Point]:
    """Return the controls of a curve that leaves and arrives level, on the given sides."""
    swing = _SWING * 0.95 if from_right == to_right else max(40.0, abs(end[0] - start[0]) * 0.45)
    return (start[0] + (swing if from_right else -swing), start[1]), (end[0] + (swing if to_right else -swing), end[1])
