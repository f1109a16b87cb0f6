from hypothesis import given
from hypothesis import strategies as st

from hippograph.readers.fusion import fused
from hippograph.types import Hit, Passage


def ranking(**scores):
    hits = [Hit(passage=Passage(id=id, document=id, text=id), score=score) for id, score in scores.items()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))


def ids(hits):
    return [hit.passage.id for hit in hits]


RANKINGS = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(min_value=-5, max_value=5), max_size=8).map(
        lambda scores: ranking(**scores)
    ),
    max_size=4,
)


@given(rankings=RANKINGS)
def test_every_passage_is_there_once_and_the_order_is_that_of_the_scores(rankings):
    hits = fused(rankings)
    assert sorted(ids(hits)) == sorted({id for ranking in rankings for id in ids(ranking)})
    assert [(-hit.score, hit.passage.id) for hit in hits] == sorted((-hit.score, hit.passage.id) for hit in hits)


@given(rankings=RANKINGS)
def test_a_ranking_alone_keeps_its_order_but_for_ties(rankings):
    for one in rankings:
        assert ids(fused([one])) == ids(one)


def test_a_ranking_that_is_sure_counts_for_more():
    sure, unsure = ranking(a=0.6, b=0.01), ranking(c=0.02, d=0.015, e=0.01)
    assert ids(fused([unsure, sure])) == ["a", "c", "d", "b", "e"]
    assert ids(fused([unsure, sure], weights=[100.0, 1.0])) == ["c", "d", "e", "a", "b"]


def test_one_ranking_of_another_scale_has_all_fused_by_ranks():
    cosines, shares = ranking(a=0.8, b=0.7), ranking(c=0.6, b=0.01)
    assert [(hit.passage.id, round(hit.score, 3)) for hit in fused([cosines, shares])] == [
        ("b", 0.667),
        ("a", 0.5),
        ("c", 0.5),
    ]


def test_the_first_of_one_is_before_what_is_far_down_in_two():
    one, other = ranking(**{name: 9.0 - place for place, name in enumerate("abcdex")}), ranking(y=3.0, z=2.0, x=1.0)
    assert ids(fused([one, other]))[:2] == ["a", "y"]
