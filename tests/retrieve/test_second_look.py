"""Where the second walk begins, worked out by hand."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError, ModelError
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.seeding import Reset
from hippograph.testing.doubles import OverlapCrossEncoder
from hippograph.types import Passage


class Judge:
    """Gives each pair the next score, and remembers what it was asked."""

    fingerprint = "judge"

    def __init__(self, *scores):
        self.scores, self.calls = scores, []

    def score(self, pairs):
        self.calls.append(list(pairs))
        return np.array(self.scores[: len(pairs)], dtype=np.float32)


def look(**parameters):
    """One in which everything counts as it is, whatever the defaults are."""
    return SecondLook(**{"candidates": 4, "anchors": 2, "verdict": 1.0, "sharpness": 1.0, **parameters})


def anchored(rows, mass, scores=None, **parameters):
    scores = np.zeros(len(rows)) if scores is None else np.array(scores, dtype=float)
    chosen = look(**parameters).anchored(np.array(rows, dtype=np.int64), np.array(mass, dtype=float), scores)
    return chosen.rows.tolist(), chosen.shares.tolist()


def test_without_a_verdict_the_first_walk_decides():
    assert anchored([7, 3, 5], [0.5, 0.25, 0.125]) == ([7, 3], pytest.approx([2 / 3, 1 / 3]))


def test_a_verdict_multiplies_the_mass():
    # exp(1 * log 8) times 0.125 is 1, twice as much as 0.5.
    assert anchored([7, 3, 5], [0.5, 0.25, 0.125], [0, 0, log(8)]) == ([5, 7], pytest.approx([2 / 3, 1 / 3]))
    # With half the weight it is sqrt(8) times 0.125, and so between 0.25 and 0.5.
    rows, shares = anchored([7, 3, 5], [0.5, 0.25, 0.125], [0, 0, log(8)], verdict=0.5, anchors=3)
    assert rows == [7, 5, 3]
    total = 0.5 + 0.125 * 8**0.5 + 0.25
    assert shares == pytest.approx([0.5 / total, 0.125 * 8**0.5 / total, 0.25 / total])
    assert anchored([7, 3, 5], [0.5, 0.25, 0.125], [0, 0, log(8)], verdict=0.0)[0] == [7, 3]


@pytest.mark.parametrize(("sharpness", "shares"), [(0.0, [1 / 2, 1 / 2]), (1.0, [2 / 3, 1 / 3]), (2.0, [4 / 5, 1 / 5])])
def test_shares_are_worth_to_a_power(sharpness, shares):
    assert anchored([7, 3], [0.5, 0.25], sharpness=sharpness) == ([7, 3], pytest.approx(shares))


def test_equals_are_taken_by_row():
    assert anchored([9, 2, 4], [0.25, 0.25, 0.25]) == ([2, 4], pytest.approx([1 / 2, 1 / 2]))
    # The verdict makes up for the mass.
    assert anchored([9, 2], [0.25, 0.25], [3.0, 3.0], anchors=1) == ([2], [1.0])


def test_what_the_walk_has_not_reached_is_no_anchor_whatever_the_verdict():
    assert anchored([7, 3], [0.5, 0.0], [0.0, 100.0]) == ([7], [1.0])
    assert anchored([7, 3], [0.0, 0.0], [5.0, 5.0]) == ([], [])
    assert anchored([], []) == ([], [])


def test_fewer_candidates_than_anchors_are_all_anchors():
    assert anchored([7], [0.001], candidates=9, anchors=9) == ([7], [1.0])


walks = st.dictionaries(
    st.integers(0, 40),
    st.tuples(st.sampled_from([0.0, 1e-300, 1e-9, 0.125, 0.25, 0.5]), st.integers(-12, 12)),
    max_size=12,
)


@given(walks, st.integers(1, 12), st.floats(0, 3), st.floats(0, 3), st.randoms(use_true_random=False))
def test_shares_sum_to_one_and_do_not_depend_on_the_order_of_the_candidates(found, anchors, verdict, sharpness, random):
    parameters = {"candidates": 12, "anchors": anchors, "verdict": verdict, "sharpness": sharpness}
    order = list(found)
    asked = [order, random.sample(order, len(order))]
    (rows, shares), other = (
        anchored(rows, [found[row][0] for row in rows], [found[row][1] for row in rows], **parameters) for rows in asked
    )
    assert (rows, shares) == other
    reached = {row for row, (mass, _) in found.items() if mass > 0}
    assert len(rows) == len(set(rows)) == min(anchors, len(reached))
    assert set(rows) <= reached
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0 if reached else 0.0)
    worth = {row: log(found[row][0]) + verdict * found[row][1] for row in reached}
    assert all(worth[row] >= worth[other] - 1e-9 for row in rows for other in reached - set(rows))


@given(walks, st.integers(-5, 5))
def test_a_judge_that_finds_all_equal_changes_nothing(found, score):
    rows, mass = list(found), [mass for mass, _ in found.values()]
    chosen, shares = anchored(rows, mass, [float(score)] * len(rows), anchors=4)
    plain, plain_shares = anchored(rows, mass, anchors=4)
    assert (chosen, shares) == (plain, pytest.approx(plain_shares))


def passages(*texts):
    return [Passage(id=text, document=text, title=f"on {text}", text=text) for text in texts]


def told(scores):
    return [part.tolist() for part in scores]


def test_the_judge_reads_titles_and_texts_of_all_queries_at_once():
    judge = Judge(1.0, 2.0, 3.0)
    found = [passages("a", "b"), [], passages("a")]
    assert told(look(judge=judge).judged(["one", "two", "three"], found)) == [[1.0, 2.0], [], [3.0]]
    headed = [passage.headed_text for passage in passages("a", "b")]
    assert "on a" in headed[0]
    assert judge.calls == [[("one", headed[0]), ("one", headed[1]), ("three", headed[0])]]


@pytest.mark.parametrize("parameters", [{"judge": None}, {"judge": Judge(1.0, 2.0), "verdict": 0.0}])
def test_nobody_is_asked_where_no_verdict_counts(parameters):
    chosen = look(**parameters)
    assert told(chosen.judged(["one", "two"], [passages("a", "b"), passages("c")])) == [[0.0, 0.0], [0.0]]
    assert chosen.judge is None or chosen.judge.calls == []


def test_nothing_to_read_asks_nobody():
    judge = Judge()
    assert told(look(judge=judge).judged(["one", "two"], [[], []])) == [[], []]
    assert look(judge=judge).judged([], []) == []
    assert judge.calls == []


def test_scores_are_counted_in_double_precision():
    [scores] = look(judge=OverlapCrossEncoder()).judged(["a or b"], [passages("a", "c")])
    assert (scores.dtype, scores.shape) == (np.float64, (2,))


def test_a_judge_that_fails_is_not_taken_for_one_that_is_silent():
    class Broken:
        fingerprint = "broken"

        def score(self, pairs):
            raise ModelError("the weights are gone")

    with pytest.raises(ModelError, match="the weights are gone"):
        look(judge=Broken()).judged(["one"], [passages("a")])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"anchors": 0}, "anchors is 0 of 4 candidates"),
        ({"anchors": 5}, "anchors is 5 of 4 candidates; give 1 to all of them"),
        ({"candidates": 0}, "anchors is 2 of 0 candidates"),
        ({"share": -0.1}, "share -0.1 is not a share from 0 to 1"),
        ({"share": 1.1}, "share 1.1 "),
        ({"share": NAN}, "share nan "),
        ({"verdict": -1.0}, "verdict=-1.0 is not a number from 0 upwards"),
        ({"verdict": INF}, "verdict=inf"),
        ({"sharpness": NAN}, "sharpness=nan"),
        ({"sharpness": -0.5}, "sharpness=-0.5"),
        ({"damping": 1.0}, "damping is 1.0; give a probability from 0 to below 1"),
        ({"damping": -0.1}, "damping is -0.1"),
        ({"damping": NAN}, "damping is nan"),
        ({"focus": 5.5}, "focus is 5.5; give a number from 0 to 5"),
        ({"focus": NAN}, "focus is nan"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, complaint):
    with pytest.raises(InputError, match=complaint):
        look(**parameters)


def test_the_ends_of_the_ranges_are_not():
    look(anchors=4, share=0.0, verdict=0.0, sharpness=0.0, damping=0.0, focus=0.0)
    look(anchors=1, candidates=1, share=1.0, focus=5.0)


FIRST = Reset(weights=np.array([0.5, 0.0, 0.5, 0.0]), reasons={0: "mention", 2: "title, dense"})


def shared(share, nodes=(2, 3), shares=(0.75, 0.25)):
    return FIRST.shared_with(np.array(nodes, dtype=np.int64), np.array(shares), share=share, reason="first walk")


def test_a_reset_is_shared_by_hand():
    reset = shared(0.5)
    # Half of what was there, and half of 0.75 and 0.25.
    assert reset.weights.tolist() == [0.25, 0.0, 0.25 + 0.375, 0.125]
    assert reset.reasons == {0: "mention", 2: "title, dense, first walk", 3: "first walk"}
    assert FIRST.weights.tolist() == [0.5, 0.0, 0.5, 0.0]
    assert FIRST.reasons == {0: "mention", 2: "title, dense"}


def test_a_share_of_nothing_and_of_everything():
    nothing, everything = shared(0.0), shared(1.0)
    assert (nothing.weights.tolist(), nothing.reasons) == (FIRST.weights.tolist(), FIRST.reasons)
    assert everything.weights.tolist() == [0.0, 0.0, 0.75, 0.25]
    assert everything.reasons == {2: "first walk", 3: "first walk"}
    assert shared(0.5, nodes=(), shares=()) is FIRST


@given(st.floats(0, 1), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_shares_of_restarts_sum_to_one(share, weights, random):
    nodes = random.sample(range(4), len(weights))
    reset = shared(share, nodes, np.array(weights) / sum(weights))
    assert reset.weights.sum() == pytest.approx(1.0)
    assert set(reset.weights.nonzero()[0].tolist()) <= set(reset.reasons)
