"""The shape of the layers: every passage once on each level, windows as long as ComoRAG's, keys of what is below."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.index.clusters import NeighbourMerging
from hippograph.index.layers_plan import LayerShape, Plan, document_order, window_size
from hippograph.store.snapshot import Snapshot
from hippograph.types import Extraction, Passage
from tests.index.builds import built

PLACES = ("Oslo", "Bergen", "Larvik", "Horten", "Tromsø", "Vardø", "Hamar")


def passage(number: int, *, document: str | None = None, position: int = 0, text: str = "") -> Passage:
    id = document or f"d{number}"
    one, other = PLACES[number % 7], PLACES[number // 3 % 7]
    said = text or f"{one} lies {number} miles from {other}."
    return Passage(
        id=id if document is None else f"{id}#{position}",
        document=id,
        title=f"Stage {number}",
        text=said,
        span=(100 * position, 100 * position + len(said)),
    )


def snapshot_of(passages: list[Passage]) -> Snapshot:
    names = {one.id: tuple(place for place in PLACES if place in one.text) for one in passages}
    return built([(one, Extraction(status="done", entities=names[one.id])) for one in passages])


def of(plan: Plan, layer: str, level: int = 1) -> list[tuple[int, ...]]:
    return [one.passages for one in plan.summaries if (one.layer, one.level) == (layer, level)]


def keys(plan: Plan) -> set[str]:
    return {one.key for one in plan.summaries}


@given(count=st.integers(0, 60), most=st.integers(2, 8), levels=st.integers(1, 5), fixed=st.booleans())
def test_each_level_and_the_episodes_hold_every_passage_once(count, most, levels, fixed):
    snapshot = snapshot_of([passage(number) for number in range(count)])
    shape = LayerShape(merging=NeighbourMerging(most=most), levels=levels, fixed=fixed)
    plan = shape.plan(snapshot, summariser="s")
    heights = sorted({one.level for one in plan.summaries if one.layer == "semantic"})
    assert heights == list(range(1, len(heights) + 1))
    assert len(heights) <= levels
    groups = [of(plan, "semantic", level) for level in heights] + [of(plan, "episodic")]
    for level in groups:
        assert sorted(row for group in level for row in group) == list(range(count))
    if count and len(heights) < levels:
        assert len(groups[len(heights) - 1]) <= most
    for place, one in enumerate(plan.summaries):
        if one.level > 1:
            assert max(one.children) < place
            below = {row for child in one.children for row in plan.summaries[child].passages}
            assert below == set(one.passages)
            assert {plan.summaries[child].level for child in one.children} == {one.level - 1}
        else:
            assert set(one.children) == set(one.passages)


@pytest.mark.parametrize("count", [1, 4, 21, 77, 205])
@pytest.mark.parametrize("fixed", [True, False])
def test_episodes_are_windows_of_documents_in_order(count, fixed):
    snapshot = snapshot_of([passage(number % 90, document=f"d{number}") for number in range(count)])
    plan = LayerShape(fixed=fixed).plan(snapshot, summariser="s")
    episodes = of(plan, "episodic")
    size = window_size(count)
    assert [row for episode in episodes for row in episode] == document_order(snapshot).tolist()
    assert all(len(episode) <= size for episode in episodes)
    shortest = size if fixed else max(2, (size + 1) // 2)
    assert all(len(episode) >= shortest for episode in episodes[:-1])


def test_documents_are_in_the_order_of_their_numbers_and_passages_as_they_stand():
    passages = [
        passage(0, document=document, position=position)
        for document in ("ch-10", "ch-9", "prologue", "9")
        for position in (0, 10, 2)
    ]
    snapshot = snapshot_of(passages)
    ids = [snapshot.passages.ids[row] for row in document_order(snapshot)]
    named = ["9#0", "9#2", "9#10", "ch-9#0", "ch-9#2", "ch-9#10", "ch-10#0", "ch-10#2", "ch-10#10"]
    assert ids == [*named, "prologue#0", "prologue#2", "prologue#10"]


def test_an_episode_ends_with_a_document_if_it_can():
    passages = [passage(n, document=f"d{d}", position=n) for d, length in enumerate((7, 6, 9)) for n in range(length)]
    plan = LayerShape(window=8).plan(snapshot_of(passages), summariser="s")
    assert [len(episode) for episode in of(plan, "episodic")] == [7, 6, 9] or of(plan, "episodic")[0] == tuple(range(7))


def test_windows_are_comorags():
    sizes = {
        0: 2,
        5: 2,
        6: 3,
        20: 3,
        21: 5,
        50: 5,
        51: 8,
        100: 8,
        101: 10,
        200: 10,
        201: 15,
        512: 18,
        1024: 20,
        10**6: 20,
    }
    assert {count: window_size(count) for count in sizes} == sizes


def test_one_passage_more_moves_few_windows():
    many = [passage(number) for number in range(160)]
    shape, fixed = LayerShape(window=10), LayerShape(window=10, fixed=True)
    whole = shape.plan(snapshot_of(many), summariser="s")
    for gone in (0, 57, 159):
        rest = shape.plan(snapshot_of(many[:gone] + many[gone + 1 :]), summariser="s")
        new = {one.key for one in whole.summaries if one.layer == "episodic"} - keys(rest)
        assert 1 <= len(new) <= 6
    here, late = (fixed.plan(snapshot_of(passages), summariser="s") for passages in (many, many[1:]))
    assert len({one.key for one in here.summaries if one.layer == "episodic"} - keys(late)) == 16


def test_keys_tell_who_summarises_and_what_in_which_order():
    passages = [passage(number) for number in range(30)]
    plan = LayerShape().plan(snapshot_of(passages), summariser="one")
    assert keys(plan) == keys(LayerShape().plan(snapshot_of(passages), summariser="one"))
    assert not keys(plan) & keys(LayerShape().plan(snapshot_of(passages), summariser="other"))
    # The same text in other places, under other ids, has the same keys below.
    renamed = [passage(number, document=f"x{number:03}") for number in range(30)]
    assert keys(LayerShape().plan(snapshot_of(renamed), summariser="one")) >= {
        one.key for one in plan.summaries if one.layer == "episodic"
    }
    changed = [*passages[:-1], passage(29, text="Vardø was besieged.")]
    other = LayerShape().plan(snapshot_of(changed), summariser="one")
    row = 29
    touched = [one for one in plan.summaries if _speaks_of(one.passages, row, plan, passages)]
    assert all(one.key not in keys(other) for one in touched)


def _speaks_of(rows: tuple[int, ...], number: int, plan: Plan, passages: list[Passage]) -> bool:
    ids = sorted(one.id for one in passages)
    return ids.index(passages[number].id) in rows


def test_the_digest_tells_shapes_apart():
    shapes = [LayerShape(), LayerShape(levels=2), LayerShape(fixed=True), LayerShape(window=4)]
    shapes.append(LayerShape(merging=NeighbourMerging(most=5)))
    assert len({shape.digest for shape in shapes}) == len(shapes)
    assert LayerShape().digest == LayerShape().digest


@pytest.mark.parametrize(("wrong", "told"), [({"levels": 0}, "levels is 0"), ({"window": 1}, "window is 1")])
def test_impossible_shapes_are_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        LayerShape(**wrong)
