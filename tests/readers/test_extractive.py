import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.protocols import Reader
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.extracting.candidates import candidates, features
from hippograph.readers.extracting.close_reading import SPAN_WEIGHTS, extracted, scene_of
from hippograph.readers.extracting.lines import Wording, asked_words, coverage, lines_of
from hippograph.readers.extracting.mentions import written_mentions
from hippograph.readers.extracting.subjects import Subjects
from hippograph.readers.extractive import ExtractiveReader
from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import normalize
from hippograph.types import Hit, Passage, Ranking

TALES = {
    "Fram": "The Fram is a wooden ship. She was designed by Colin Archer and launched in 1892.",
    "Colin Archer": "Colin Archer (22 July 1832 – 8 February 1921) was a Norwegian shipwright. He was born in Larvik.",
    "Gjøa": "The Gjøa is a sloop. She was designed by Knut Skaale and launched in 1872.",
    "Knut Skaale": "Knut Skaale (3 May 1833 – 4 June 1900) was a Norwegian builder from Rosendal.",
    "Discovery": "The Discovery is a ship designed by William Smith.",
    "William Smith": "William Smith (10 May 1850 – 1930) was an English naval architect.",
}


class Shelf:
    """Finds all it has, in one order, whatever is asked."""

    def __init__(self, tales=TALES):
        passages = [Passage(id=title, document=title, title=title, text=text) for title, text in tales.items()]
        self.hits = tuple(Hit(passage=passage, score=1 / rank) for rank, passage in enumerate(passages, start=1))

    def retrieve(self, queries, *, k):
        return [Ranking(query=query, hits=self.hits[:k]) for query in queries]


def content(text):
    return set(normalize(text).split()) - FUNCTION_WORDS


class Sharing:
    """Scores a pair by the words of content that the two texts share."""

    fingerprint = "sharing"

    def __init__(self):
        self.pairs = []

    def score(self, pairs):
        self.pairs += pairs
        shared = (len(content(one) & content(two)) for one, two in pairs)
        return np.array([3.0 * count for count in shared], dtype=np.float32)


def reader(**options: Any) -> ExtractiveReader:
    given: dict[str, Any] = {"retriever": Shelf(), "cross_encoder": Sharing(), "mentions": written_mentions}
    given.update(options)
    return ExtractiveReader(**given)


@pytest.mark.parametrize(
    ("question", "text", "cited"),
    [
        ("Who designed the Fram?", "Colin Archer", "Fram"),
        ("In which year was the Gjøa launched?", "1872", "Gjøa"),
        ("When did Colin Archer die?", "8 February 1921", "Colin Archer"),
        ("When was Colin Archer born?", "22 July 1832", "Colin Archer"),
        ("Where was Colin Archer born?", "Larvik", "Colin Archer"),
        ("What nationality was Colin Archer?", "Norwegian", "Colin Archer"),
    ],
)
def test_a_span_of_the_kind_that_is_asked_for_answers(question, text, cited):
    answer = reader().read(question)
    assert (answer.text, answer.reader) == (text, "extractive")
    assert cited in [passage.id for passage in answer.citations]
    assert [step.kind for step in answer.steps] == ["retrieve", "sentences", "span"]


def test_a_question_over_two_passages_is_followed_and_both_are_cited():
    answer = reader().read("When did the designer of the Fram die?")
    assert answer.text == "8 February 1921"
    assert [passage.id for passage in answer.citations] == ["Fram", "Colin Archer"]


@pytest.mark.parametrize(
    ("question", "text", "cited"),
    [
        ("Who was older, Colin Archer or Knut Skaale?", "Colin Archer", ["Colin Archer", "Knut Skaale"]),
        ("Who was born later, Colin Archer or Knut Skaale?", "Knut Skaale", ["Colin Archer", "Knut Skaale"]),
        ("Who lived longer, Colin Archer or Knut Skaale?", "Colin Archer", ["Colin Archer", "Knut Skaale"]),
        ("Which ship was launched first, Fram or Gjøa?", "Gjøa", ["Fram", "Gjøa"]),
        ("Are Colin Archer and Knut Skaale of the same nationality?", "yes", ["Colin Archer", "Knut Skaale"]),
        ("Are Colin Archer and William Smith of the same nationality?", "no", ["Colin Archer", "William Smith"]),
        ("Are Fram and Discovery both ships?", "yes", ["Fram", "Discovery"]),
        ("Are Fram and Gjøa both sloops?", "no", ["Fram", "Gjøa"]),
    ],
)
def test_two_things_are_compared_by_the_same(question, text, cited):
    answer = reader().read(question)
    assert (answer.text, answer.complete) == (text, True)
    assert [passage.id for passage in answer.citations] == cited
    assert answer.steps[-1].kind == "comparison"


def test_what_two_things_lead_to_is_compared():
    answer = reader().read("Which ship has the designer who was born earlier, Fram or Gjøa?")
    assert answer.text == "Fram"
    assert [passage.id for passage in answer.citations] == ["Fram", "Colin Archer", "Gjøa", "Knut Skaale"]
    assert answer.steps[-1].reason.startswith("birth of each: 1832-7-22 and 1833-5-3")


def test_of_two_that_nothing_tells_apart_one_is_a_guess():
    answer = reader(least_certainty=0.1).read("Which is prettier, Fram or Gjøa?")
    assert answer.text in {"Fram", "Gjøa"}
    assert (answer.complete, answer.outcome) == (False, "not enough evidence")


def test_other_languages_are_answered_with_a_sentence():
    answer = reader().read("Wer war Colin Archer?")
    assert answer.text in " ".join(TALES.values())
    assert answer.text.endswith(".")
    assert (answer.steps[-1].kind, answer.complete) == ("sentence", False)


def test_without_a_cross_encoder_every_answer_says_so():
    answer = reader(cross_encoder=None).read("Who designed the Fram?")
    assert answer.text == "Colin Archer"
    assert "no cross-encoder" in answer.steps[1].remark


def test_too_little_evidence_is_told():
    answer = reader(least_score=6.0).read("Who tamed a giraffe?")
    assert (answer.complete, answer.outcome) == (False, "not enough evidence")
    nothing = reader(retriever=Shelf({})).read("Who designed the Fram?")
    assert (nothing.text, nothing.outcome, nothing.citations) == ("not enough evidence", "not enough evidence", ())
    empty = reader(retriever=Shelf({"Fram": " "})).read("Who designed the Fram?")
    assert (empty.text, empty.complete) == ("not enough evidence", False)


def test_only_so_many_sentences_are_scored():
    encoder = Sharing()
    reader(cross_encoder=encoder, sentences=3).read("Who designed the Fram?")
    assert len(encoder.pairs) == 3
    assert all(question == "Who designed the Fram?" for question, _ in encoder.pairs)


def test_budgets_hold():
    answer = reader(budget=ReadingBudget(steps=2)).read("Who designed the Fram?")
    assert [step.kind for step in answer.steps] == ["retrieve", "span"]
    assert answer.text == "Colin Archer"


class Slow(Sharing):
    """Takes longer for the first sentences than there is time."""

    def score(self, pairs):
        time.sleep(0.06)
        return super().score(pairs)


def test_time_that_is_up_ends_the_reading_with_the_nearest_sentence():
    encoder = Slow()
    answer = reader(cross_encoder=encoder, budget=ReadingBudget(seconds=0.05)).read("Who designed the Fram?")
    assert (answer.outcome, answer.complete) == ("budget", False)
    assert answer.text
    assert "0.05 seconds" in answer.ended
    assert len(encoder.pairs) <= 8


def test_a_reading_can_be_stopped():
    reading = reader().steps("Who designed the Fram?")
    next(reading)
    answer = reading.stop()
    assert (answer.outcome, len(answer.steps)) == ("stopped", 1)


@pytest.mark.parametrize("options", [{"k": 0}, {"sentences": 0}, {"least_certainty": 2.0}])
def test_wrong_numbers_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        reader(**options)


def test_a_blank_question_is_refused():
    with pytest.raises(InputError, match="blank"):
        reader().read(" ")


def test_it_is_a_reader():
    assert isinstance(reader(), Reader)


def test_every_feature_has_a_weight():
    scene = scene_of("When was Colin Archer born?", [hit.passage for hit in Shelf().hits], score=None, most=50)
    found = candidates(scene, written_mentions([line.text for line in scene.lines]))
    told = features(scene, found)
    assert len(told) == len(found) > 3
    assert all(one.keys() == SPAN_WEIGHTS.keys() for one in told)
    assert all(np.isfinite(value) for one in told for value in one.values())


def test_passages_are_tied_by_the_relation_that_is_asked_along():
    passages = [hit.passage for hit in Shelf().hits]
    lines = lines_of(passages)
    subjects = Subjects(
        wording=Wording(question="When did the designer of the Fram die?"), passages=passages, lines=lines
    )
    assert subjects.named == {0}
    assert subjects.relations == {"design"}
    assert list(subjects.linked) == [1]
    assert subjects.linked[1] > 0.5
    link = subjects.link_line(1)
    assert link is not None
    assert link.passage.id == "Fram"


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Where was the designer of the Fram born?", ("born",)),
        ("When did the Fram's builder die?", ("die",)),
        ("Who is the brother of Bo Lund?", ("brother",)),
        ("What is the place of death of Bo Lund?", ("death",)),
        ("Who founded the yard?", ("founded",)),
        ("", ()),
    ],
)
def test_what_is_asked_of_something_is_told(question, asked):
    assert asked_words(question) == asked


texts = st.text(alphabet="Fram Oslo.19(),–? born", max_size=60)


@given(question=texts, bodies=st.lists(texts, max_size=4), titles=st.lists(texts, min_size=4, max_size=4))
def test_any_texts_give_the_same_extract_twice(question, bodies, titles):
    passages = [
        Passage(id=str(at), document=str(at), title=title, text=text)
        for at, (text, title) in enumerate(zip(bodies, titles, strict=False))
    ]
    made = [extracted(scene_of(question, passages, score=None, most=8), mentions=written_mentions) for _ in range(2)]
    assert made[0] == made[1]
    if made[0] is not None:
        assert 0.0 <= made[0].certainty <= 1.0
        assert all(line.passage in passages for line in made[0].lines)
    cover = coverage(Wording(question=question), lines_of(passages))
    assert all(0.0 <= share <= 1.0 + 1e-9 for share in cover)
