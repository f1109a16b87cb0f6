"""Drawings in which nothing lies on anything else."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.retrieve.drawing.layout import Box, layout
from hippograph.retrieve.drawing.lettering import fitted, readable, share, width
from hippograph.types import MapEdge, MapNode, WalkMap
from tests.retrieve.drawing.maps import labels, maps


@given(maps())
def test_no_boxes_overlap_and_all_is_inside(drawn):
    plan = layout(drawn)
    assert len(plan.boxes) == len(drawn.nodes)
    assert len(plan.curves) == len(drawn.edges)
    for one, other in combinations(plan.boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y
    for box in plan.boxes:
        assert box.x >= 0
        assert box.y >= 40
        assert box.x + box.width <= plan.width
        assert box.y + box.height <= plan.height - 40
    for curve in plan.curves:
        for part in range(21):
            x, y = curve.at(part / 20)
            assert 0 <= x <= plan.width
            assert 0 <= y <= plan.height


@given(maps())
def test_edges_begin_and_end_at_their_boxes_and_cross_no_other(drawn):
    plan = layout(drawn)
    for edge, curve in zip(drawn.edges, plan.curves, strict=True):
        one, other = plan.boxes[edge.source], plan.boxes[edge.target]
        assert touches(one, curve.points[0])
        assert touches(other, curve.points[-1])
        for part in range(1, 60):
            x, y = curve.at(part / 60)
            for box in plan.boxes:
                inside = box.x + 1 < x < box.x + box.width - 1 and box.y < y < box.y + box.height
                assert not inside


def touches(box: Box, point: tuple[float, float]) -> bool:
    x, y = point
    return x in {box.x, box.x + box.width} and box.y <= y <= box.y + box.height


@given(maps())
def test_hits_stand_in_their_order_and_the_layout_is_always_the_same(drawn):
    plan = layout(drawn)
    tops = [box.y for node, box in zip(drawn.nodes, plan.boxes, strict=True) if node.place is not None]
    assert tops == sorted(tops)
    assert layout(drawn) == plan


def test_what_lies_between_is_put_near_what_it_is_joined_to():
    nodes = [MapNode(node=str(n), kind="entity", label=str(n), weight=1.0 if n < 2 else 0.0) for n in range(4)]
    crossed = [MapEdge(source=s, target=t, flow=1.0, link="", inverse=False, on_path=True) for s, t in ((0, 3), (1, 2))]
    boxes = layout(WalkMap(nodes=tuple(nodes), edges=tuple(crossed))).boxes
    assert (boxes[0].y < boxes[1].y) == (boxes[3].y < boxes[2].y)


@given(labels, st.integers(1, 3), st.floats(30, 300))
def test_labels_fit(text, lines, room):
    broken = fitted(text, size=13, room=room, lines=lines)
    assert len(broken) <= lines
    for line in broken:
        assert width(line, size=13) <= room or len(line) <= 3
    kept = "".join(broken).replace("…", "")
    assert "".join(readable(text).split()).startswith("".join(kept.split())) or "…" in text


def test_a_mark_is_not_torn_from_its_letter():
    [line] = fitted("e\u0301" * 40, size=10, room=75, lines=1)
    assert line.count("e") == line.count("\u0301")


@pytest.mark.parametrize(("value", "said"), [(0.9999, "100%"), (0.5, "50.0%"), (-0.0, "0%")])
def test_shares(value, said):
    assert share(value) == said
