import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.errors import InputError, ModelError
from hippograph.protocols import Retriever
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.memory import MemoryReader, SummaryLayer
from hippograph.testing.doubles import HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Hit, Passage, Ranking, Usage
from tests.readers.reading import Shelf

QUESTION = "Where does the Fram lie?"
LAYERS: dict[int, tuple[SummaryLayer, ...]] = {0: (), 1: ("episodic",), 2: ("semantic", "episodic")}


class Endless:
    """Finds other things for every query, and the same for the same."""

    def __init__(self, layer="", size=4):
        self.layer, self.size, self.asked = layer, size, []

    def retrieve(self, queries, *, k):
        self.asked += [(query, k) for query in queries]
        return [Ranking(query=query, hits=tuple(self._hits(query, min(k, self.size)))) for query in queries]

    def _hits(self, query, count):
        for place in range(count):
            id = f"{self.layer}:{query}:{place}" if self.layer else f"{query}:{place}"
            document = "" if self.layer else query
            # The best stands last in its document.
            span = (100 - place, 101 - place)
            text = f"{self.layer or 'veridical'} text {place} on {query}. It goes on."
            yield Hit(passage=Passage(id=id, document=document, text=text, span=span), score=0.5 / 2**place)


def first(**values):
    return {"answer": "Bergen", "support": [1], "sufficient": False, "probes": ["Who owns it?"]} | values


def again(**values):
    return {
        "summary": "It is kept in a museum.",
        "answer": "Oslo",
        "memories": [1],
        "support": [],
        "sufficient": True,
        "probes": [],
    } | values


def fields(request):
    return list(request.schema.model_fields)


def task(request):
    """Name the task of a request by what it asks for."""
    if "probes" in fields(request):
        return "again" if "summary" in fields(request) else "first"
    return "answer" if "answer" in fields(request) else "cue"


class Mind:
    """Answers each task in turn from a list of its own; the last answer is given again and again."""

    def __init__(self, **answers):
        self.answers = {name: list(given) for name, given in answers.items()}

    def __call__(self, request):
        name = task(request)
        given = self.answers.get(name)
        if given:
            answer = given.pop(0) if len(given) > 1 else given[0]
            return json.dumps(answer) if isinstance(answer, dict) else answer
        if name == "cue":
            said = {field: f"what {field} says" for field in fields(request)} | {"support": numbers(request)[:1]}
            return json.dumps({field: said[field] for field in fields(request)})
        return json.dumps(first() if name == "first" else again())


def shown(request):
    return json.JSONDecoder().raw_decode(request.messages[-1].text)[0]


def numbers(request):
    return [one["number"] for one in shown(request).get("passages", [])]


def reader(mind=None, *, layers=0, retriever=None, **options):
    model = ScriptedModel(answers=mind or Mind())
    held: dict[SummaryLayer, Retriever] = {layer: Endless(layer) for layer in LAYERS[layers]}
    return MemoryReader(retriever=retriever or Endless(), model=model, layers=held, **options), model


def probing(*, count=3, cycles=9):
    """Never has enough, and always asks something new."""
    later = [
        again(sufficient=False, probes=[f"What {cycle} {probe}?" for probe in range(count)])
        for cycle in range(1, cycles + 1)
    ]
    return Mind(first=[first(probes=[f"What 0 {probe}?" for probe in range(count)])], again=later)


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize(
    ("mind", "options", "calls"),
    [
        (lambda: Mind(first=[first(sufficient=True)]), {}, 1),
        (lambda: Mind(first=[first(probes=[])]), {}, 1),
        (lambda: Mind(first=[first(probes=["where does the FRAM lie", " ? "])]), {}, 1),
        (lambda: Mind(), {}, 1 + 3),
        (lambda: Mind(first=[first(probes=["Ann?", "Bob?", "Cid?"])]), {}, 1 + 5),
        (lambda: Mind(first=[first(probes=["Ann?", "Bob?", "Cid?", "Dan?", "Eve?"])]), {}, 1 + 5),
        (lambda: probing(), {"max_cycles": 1}, 1 + 5),
        (lambda: probing(), {"max_cycles": 3}, 1 + 5 + 2 * 4),
        (lambda: probing(count=1), {}, 1 + 3 + 4 * 2),
        (lambda: probing(), {}, 22),
    ],
)
def test_calls(layers, mind, options, calls):
    reading, model = reader(mind(), layers=layers, **options)
    answer = reading.read(QUESTION)
    assert model.calls == answer.usage.calls == calls
    assert answer.text
    assert not answer.error


def test_nothing_found_asks_nothing():
    reading, model = reader(retriever=Endless(size=0))
    answer = reading.read(QUESTION)
    assert (answer.text, answer.outcome, model.calls) == ("not enough evidence", "not enough evidence", 0)


def test_summaries_alone_are_read_too_and_what_rests_on_them_is_a_guess():
    mind = Mind(first=[first(sufficient=True, support=[1], probes=[])])
    reading, model = reader(mind, layers=2, retriever=Endless(size=0))
    answer = reading.read(QUESTION)
    assert (answer.text, answer.complete, answer.citations) == ("Bergen", False, ())
    assert answer.steps[-1].remark == "cites passages that were not shown: 1; cites nothing that was shown"
    assert list(shown(model.requests[0])) == ["question", "semantic summaries", "episodic summaries"]


def test_a_cycle_probes_remembers_and_answers():
    mind = Mind(first=[first(probes=["Who owns it?", "Who built it?"])], again=[again(memories=[2], support=[1])])
    reading, model = reader(mind, layers=2)
    answer = reading.read(QUESTION)
    kinds = ["retrieve"] * 3 + ["attempt"] + ["retrieve"] * 6 + ["cue"] * 3 + ["attempt"]
    assert [step.kind for step in answer.steps] == kinds
    assert [step.query for step in answer.steps if step.kind == "cue"] == [QUESTION, "Who owns it?", "Who built it?"]
    assert (answer.text, answer.outcome) == ("Oslo", "answered")
    first_try, last = answer.steps[3], answer.steps[-1]
    assert (first_try.decision, first_try.reason) == ("go on", "the evidence is not enough")
    assert (last.decision, last.reason) == ("stop", "the evidence is enough")
    assert (last.note_before, last.note_after) == ("", "It is kept in a museum.")
    remembered = [node for step in answer.steps for node in step.memory]
    assert [node.kind for node in remembered] == ["veridical", "semantic", "episodic"] * 3 + ["fusion"]
    assert [node.cue for node in remembered[:3]] == [f"what {kind} says" for kind in ("veridical", *LAYERS[2])]
    assert remembered[0].sources == (f"{QUESTION}:3",)
    assert not remembered[1].sources
    assert remembered[-1].sources == tuple(passage.id for passage in answer.citations)
    # What the last attempt is shown: cues alone, with their numbers and those of their passages.
    told = shown(model.requests[-1])
    assert list(told) == ["question", "memories", "asked before"]
    assert told["memories"][0] == {
        "memory": 1, "kind": "veridical", "probe": QUESTION, "text": "what veridical says", "passages": [1],
    }  # fmt: skip
    assert "passages" not in told["memories"][1]
    assert told["asked before"] == ["Who owns it?", "Who built it?"]


def test_probes_are_looked_up_alone_in_one_batch():
    retriever = Endless()
    reader(Mind(first=[first(probes=["Who owns it?", "Who built it?"])]), retriever=retriever)[0].read(QUESTION)
    assert [query for query, _ in retriever.asked] == [QUESTION, "Who owns it?", "Who built it?"]
    # Four were seen, and others may take their places.
    assert [k for _, k in retriever.asked] == [50, 54, 54]


def test_passages_are_chosen_by_score_and_shown_in_the_order_of_their_document():
    reading, model = reader(Mind(first=[first(sufficient=True)]), layer_tokens=32)
    answer = reading.read(QUESTION)
    assert [hit.passage.id for hit in answer.steps[0].hits] == [f"{QUESTION}:0", f"{QUESTION}:1"]
    assert answer.steps[0].reason == "veridical layer: 2 taken in of 4 found"
    texts = [one["text"] for one in shown(model.requests[0])["passages"]]
    assert [text[:16] for text in texts] == ["veridical text 1", "veridical text 0"]
    reading, model = reader(Mind(first=[first(sufficient=True)]), arrangement="ends")
    reading.read(QUESTION)
    texts = [one["text"] for one in shown(model.requests[0])["passages"]]
    assert [text[:16] for text in texts] == [f"veridical text {place}" for place in (0, 2, 3, 1)]


def test_two_cycles_without_new_evidence_end_it():
    class Same(Endless):
        def _hits(self, query, count):
            return super()._hits("?", count)

    reading, model = reader(probing(), retriever=Same())
    answer = reading.read(QUESTION)
    assert model.calls == 1 + 1 + 1
    assert (answer.text, answer.outcome) == ("Oslo", "not enough evidence")
    assert answer.steps[-1].kind == "retrieve"
    assert answer.steps[-1].decision == "stop"
    assert answer.steps[-1].reason.endswith("two cycles in a row have found nothing new")
    assert [step.decision for step in answer.steps].count("stop") == 1


def test_one_cycle_without_new_evidence_does_not():
    class Late(Endless):
        def _hits(self, query, count):
            return super()._hits(query if query.startswith("What 1") else "?", count)

    reading, model = reader(probing(cycles=2), retriever=Late(), layers=0)
    # Idle, new, idle, and idle again where the probes are known by then.
    answer = reading.read(QUESTION)
    assert answer.steps[-1].reason == "the evidence is not enough, and there is nothing new to look up"
    assert model.calls == 1 + (1 + 1) + (3 + 1) + 1


def test_the_best_answer_so_far_stands_when_the_cycles_are_over():
    mind = probing()
    mind.answers["again"] = [
        again(answer="Oslo", sufficient=False, probes=["Next?"]),
        again(answer="", memories=[], sufficient=False, probes=["More?"]),
    ]
    reading, _ = reader(mind, max_cycles=2)
    answer = reading.read(QUESTION)
    assert (answer.text, answer.outcome, answer.complete) == ("Oslo", "not enough evidence", False)
    assert answer.citations
    assert answer.steps[-1].reason == "the evidence is not enough, and 2 cycles are over"


def test_memories_stand_for_the_passages_they_rest_on():
    mind = Mind(again=[again(memories=[1, 3, 4, 9], support=[2, 99])])
    reading, _ = reader(mind, layers=1)
    answer = reading.read(QUESTION)
    # Memory 1 rests on passage 1, memory 3 on passage 5, memory 4 on summaries; best ranked first.
    assert [passage.id for passage in answer.citations] == [f"{QUESTION}:2", f"{QUESTION}:3", "Who owns it?:3"]
    assert answer.steps[-1].remark == (
        "cites passages that were not shown: 99; cites memories that were not shown: 9; "
        "cites memories that name no passage: 4"
    )


def test_cues_rest_on_what_they_were_made_of():
    cue = {"veridical": "It is said.", "support": [1, 5, 77]}
    answer = reader(Mind(cue=[cue]))[0].read(QUESTION)
    own, probed = [step for step in answer.steps if step.kind == "cue"]
    assert own.memory[0].sources == (f"{QUESTION}:3",)
    assert own.remark == "cites passages that were not shown: 5, 77"
    assert probed.memory[0].sources == ("Who owns it?:3",)
    assert probed.remark == "cites passages that were not shown: 1, 77"


def test_only_the_near_half_of_old_memories_is_recalled():
    reading, model = reader(probing(count=2), max_cycles=3, embedder=HashingEmbedder())
    answer = reading.read(QUESTION)
    attempts = [shown(request)["memories"] for request in model.requests if task(request) == "again"]
    # Of 4 old memories the nearer 2, the last fusion in any case, and 2 new ones; of 7 old ones, 3.
    told = [[one["memory"] for one in memories] for memories in attempts]
    assert told[0] == [1, 2, 3]
    assert len(told[1]) in {2 + 2, 3 + 2}
    assert told[1][-3:] == [4, 5, 6]
    assert told[2][-3:] == [7, 8, 9]
    assert 1 in told[1]
    assert [node for step in answer.steps for node in step.memory][3].kind == "fusion"


@pytest.mark.parametrize("broken", ["no JSON", Completion(status="failed", error="503", usage=Usage(calls=1)), "{}"])
def test_without_a_cue_the_nearest_sentences_are_remembered(broken):
    reading, model = reader(Mind(cue=[broken]), layers=2)
    answer = reading.read(QUESTION)
    assert (answer.text, model.calls) == ("Oslo", 4)
    for step in answer.steps:
        if step.kind == "cue":
            assert step.remark.endswith("; the nearest sentences are remembered instead")
            assert [node.kind for node in step.memory] == ["veridical", "semantic", "episodic"]
            assert "text 0 on" in step.memory[0].cue
            assert step.memory[0].sources
            assert not step.memory[1].sources


@pytest.mark.parametrize("broken", ["no JSON", Completion(status="failed", error="503", usage=Usage(calls=1))])
@pytest.mark.parametrize("place", ["first", "again"])
def test_after_an_attempt_that_fails_it_is_answered_from_what_is_known(broken, place):
    close = json.dumps({"answer": "Larvik", "support": [1], "sufficient": True})
    answer = reader(Mind(**{place: [broken]}, answer=[close]))[0].read(QUESTION)
    assert (answer.text, answer.outcome, answer.error) == ("Larvik", "answered", "")
    assert [step.kind for step in answer.steps][-2:] == ["attempt", "answer"]
    assert answer.steps[-2].remark


def test_a_model_that_never_answers_is_a_failure_that_is_told():
    answer = reader(lambda request: Completion(status="failed", error="503", usage=Usage(calls=1)))[0].read(QUESTION)
    assert (answer.text, answer.outcome, answer.citations) == ("", "failed", ())
    assert "503" in answer.error


def test_a_model_that_dies_midway_leaves_the_best_answer_so_far():
    dead = Completion(status="failed", error="503", usage=Usage(calls=1))
    answer = reader(Mind(cue=[dead], again=[dead], answer=[dead]))[0].read(QUESTION)
    assert (answer.text, answer.outcome) == ("Bergen", "failed")
    assert "503" in answer.error


@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("size", [0, 4])
def test_with_nothing_to_remember_it_is_tried_again_from_the_best_that_was_found(layers, size):
    blank = {"veridical": " ", "semantic": "", "episodic": "", "support": []}
    mind = Mind(first=[first(), first(answer="Oslo", sufficient=True, probes=[])], cue=[blank])
    reading, model = reader(mind, layers=layers, retriever=Endless(size=size))
    answer = reading.read(QUESTION)
    assert not any(step.memory for step in answer.steps)
    if not layers and not size:
        assert model.calls == 0
        return
    told = shown(model.requests[-1])
    assert "memories" not in told
    assert told["asked before"] == ["Who owns it?"]
    assert len(told["passages"] if size else told["semantic summaries"]) == (8 if size else 4)
    assert (answer.text, answer.complete) == ("Oslo", bool(size))


def test_at_the_end_what_the_first_attempt_has_read_is_told_again():
    """What the probes have found ranks higher, and takes no place of it."""

    class Surer(Endless):
        def _hits(self, query, count):
            for hit in super()._hits(query, count):
                yield hit if query == QUESTION else replace(hit, score=hit.score * 0.9 + 0.05)

    close = json.dumps({"answer": "Oslo", "support": [1], "sufficient": True})
    budget = ReadingBudget(calls=2)
    reading, model = reader(Mind(answer=[close]), retriever=Surer(), layer_tokens=32, budget=budget)
    answer = reading.read(QUESTION)
    assert [task(request) for request in model.requests] == ["first", "answer"]
    read, told = ({one["text"] for one in shown(request)["passages"]} for request in model.requests)
    assert len(read) == 2
    assert read < told
    assert (answer.text, answer.outcome) == ("Oslo", "budget")


def test_an_empty_summary_does_not_lose_the_note():
    later = [again(sufficient=False, probes=["Next?"]), again(summary="", sufficient=True)]
    last = reader(Mind(again=later))[0].read(QUESTION).steps[-1]
    assert last.note_before == last.note_after == "It is kept in a museum."
    assert last.memory == ()


def test_a_wrong_key_is_raised():
    def answers(request):
        if task(request) == "cue":
            raise ModelError("the key is wrong")
        return json.dumps(first())

    with pytest.raises(ModelError, match="key"):
        reader(answers)[0].read(QUESTION)


def test_clues_widen_the_first_look():
    clue = {"draft": "In Oslo.", "clues": ["The Fram lies in Oslo."], "queries": []}

    def answers(request):
        return json.dumps(clue if "clues" in fields(request) else first(sufficient=True))

    answer = reader(answers, clue=True, layers=1)[0].read(QUESTION)
    assert [(step.kind, step.query) for step in answer.steps] == [
        ("clue", QUESTION),
        ("retrieve", QUESTION),
        ("retrieve", "The Fram lies in Oslo."),
        ("retrieve", QUESTION),
        ("attempt", QUESTION),
    ]
    assert len(answer.steps[-1].hits) == 12


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"k": 0}, "k is 0"),
        ({"max_cycles": 0}, "max_cycles is 0"),
        ({"layer_tokens": 0}, "layer_tokens is 0"),
        ({"parity": True, "clue": True}, "leave clue or parity out"),
    ],
)
def test_what_cannot_be_is_refused(options, match):
    with pytest.raises(InputError, match=match):
        reader(**options)
    with pytest.raises(InputError, match="no layer 'final'"):
        MemoryReader(retriever=Shelf(), model=ScriptedModel(answers=[]), layers={"final": Shelf()})  # type: ignore[dict-item]


@pytest.mark.parametrize("parity", [False, True])
@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("limit", [{"calls": n} for n in range(1, 24)] + [{"steps": n} for n in range(2, 30, 3)])
def test_budgets_hold_and_an_answer_is_always_given(parity, layers, limit):
    reading, model = reader(mixed(), layers=layers, budget=ReadingBudget(**limit), parity=parity)
    answer = reading.read(QUESTION)
    assert model.calls <= limit.get("calls", 999)
    assert len(answer.steps) <= limit.get("steps", 999)
    assert answer.text not in {"", "not enough evidence", "*"}
    assert answer.outcome in {"budget", "not enough evidence"}


def mixed():
    """Never has enough, whatever the kind of reading."""
    asked = []

    def answers(request):
        asked.append(request)
        said = {"answer": "Oslo", "support": [1], "sufficient": False, "memories": [1], "summary": "Known."}
        said |= {"veridical": "V.", "semantic": "S.", "episodic": "E."}
        said["probes"] = [f"What {len(asked)} {place}?" for place in range(3)]
        return json.dumps({field: said[field] for field in fields(request)})

    return answers


@pytest.mark.parametrize(("budget", "outcome"), [({"tokens": 1200}, "budget"), ({"tokens": 10**6}, "answered")])
def test_a_budget_of_tokens(budget, outcome):
    answer = reader(Mind(), budget=ReadingBudget(**budget))[0].read(QUESTION)
    assert answer.outcome == outcome
    assert answer.usage.tokens <= budget["tokens"]
    assert answer.text


def test_a_stopped_reading_answers_with_what_it_has():
    reading = reader(probing())[0].steps(QUESTION)
    for step in reading:
        if step.kind == "attempt":
            break
    answer = reading.stop()
    assert (answer.text, answer.outcome) == ("Bergen", "stopped")


CUT = st.text("ab ?\n", max_size=6)
SAID = {
    "answer": CUT, "summary": CUT, "veridical": CUT, "semantic": CUT, "episodic": CUT,
    "support": st.lists(st.integers(-1, 12), max_size=4), "memories": st.lists(st.integers(-1, 12), max_size=4),
    "sufficient": st.booleans().map(bool), "probes": st.lists(st.text("abc ?", max_size=4), max_size=5),
    "cue": CUT,
}  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(data=st.data(), layers=st.sampled_from([0, 1, 2]), parity=st.booleans(), calls=st.integers(1, 30))
def test_whatever_the_model_says_the_state_holds(data, layers, parity, calls):
    def answers(request):
        broken = data.draw(st.integers(0, 9))
        if broken == 0:
            return "no JSON"
        if broken == 1:
            return Completion(status="failed", error="503", usage=Usage(calls=1))
        return json.dumps({field: data.draw(SAID[field]) for field in fields(request)})

    budget = ReadingBudget(calls=calls)
    reading, model = reader(answers, layers=layers, parity=parity, budget=budget, layer_tokens=40, max_cycles=3)
    answer = reading.read(QUESTION)
    assert model.calls <= calls
    assert answer.text or answer.outcome == "failed"
    taken = [[hit.passage for hit in step.hits] for step in answer.steps if step.kind == "retrieve"]
    for passages in taken:
        tokens = [estimate_tokens(passage.headed_text) for passage in passages]
        assert sum(tokens) <= 40 or len(tokens) == 1
    seen = [passage.id for passages in taken for passage in passages]
    if not parity:
        assert len(seen) == len(set(seen))
    # Every passage of a prompt keeps its number, and only passages that were taken in are cited.
    named: dict[int, str] = {}
    for request in model.requests:
        for one in shown(request).get("passages", []):
            assert named.setdefault(one["number"], one["text"]) == one["text"]
    assert {passage.id for passage in answer.citations} <= set(seen)
    assert not any(passage.id.startswith(("semantic:", "episodic:")) for passage in answer.citations)
    note = ""
    for step in answer.steps:
        if step.kind in {"attempt", "fuse"} and (step.note_before or step.note_after):
            assert step.note_before == note
            assert step.note_after
            note = step.note_after
