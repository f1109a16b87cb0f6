from concurrent.futures import Future

import pytest

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.errors import ModelError
from hippograph.models.dialogues import ask, converse


class ByHand:
    """A model that answers when the test says so."""

    fingerprint = "by hand"

    def __init__(self, concurrency=2):
        self.concurrency = concurrency
        self.waiting: dict[str, Future[Completion]] = {}
        self.asked: list[str] = []

    def submit(self, request):
        name = request.messages[-1].text
        self.asked.append(name)
        self.waiting[name] = Future()
        return self.waiting[name]

    def answer(self, *names):
        for name in names:
            self.waiting.pop(name).set_result(Completion(status="done", text=f"{name}!"))


class Prompt(ByHand):
    """Answers at once, in the order of the names given, or that of asking."""

    def submit(self, request):
        future = super().submit(request)
        self.answer(request.messages[-1].text)
        return future


def request(name):
    return ModelRequest(messages=(Message("user", name),))


def steps(name, number):
    """Ask `number` times, one after another."""
    answers = []
    for step in range(number):
        [answer] = yield [request(f"{name}{step}")]
        answers.append(answer.text)
    return answers


def test_answers_keep_the_order_of_the_requests():
    assert [one.text for one in ask(Prompt(), [request("a"), request("b")])] == ["a!", "b!"]


@pytest.mark.parametrize("number", [0, 1, 5, 40])
def test_all_dialogues_end_with_their_own_answers(number):
    found = dict(converse(Prompt(3), (steps(f"{place}-", place % 4) for place in range(number))))
    assert found == {place: [f"{place}-{step}!" for step in range(place % 4)] for place in range(number)}


def test_a_slow_answer_holds_up_nothing_and_no_more_is_drawn_than_there_is_room_for(monkeypatch):
    model, drawn = ByHand(2), []

    def dialogues():
        for place in range(100):
            drawn.append(place)
            yield steps(f"{place}-", 1)

    results = converse(model, dialogues())
    room = 2 + 4
    assert not drawn
    names = [f"{place}-0" for place in range(room)]

    # The second is answered while the first waits.
    original = model.submit

    def submit(asked):
        future = original(asked)
        if len(model.asked) == room:
            model.answer(names[1])
        return future

    monkeypatch.setattr(model, "submit", submit)
    assert next(results) == (1, ["1-0!"])
    assert len(drawn) == room
    monkeypatch.setattr(model, "submit", original)
    model.answer(*names[2:], names[0])
    assert [next(results)[0] for _ in range(room - 1)] == [2, 3, 4, 5, 0]
    results.close()
    assert all(future.cancelled() for future in model.waiting.values())


def test_several_requests_of_a_step_are_answered_together():
    def both():
        answers = yield [request("left"), request("right")]
        more = yield []
        assert more == []
        return [answer.text for answer in answers]

    assert list(converse(Prompt(), [both()])) == [(0, ["left!", "right!"])]


def test_an_error_for_all_ends_it_after_what_is_paid_for(monkeypatch):
    model = ByHand(4)
    original = model.submit

    def submit(asked):
        future = original(asked)
        if len(model.asked) == 3:
            model.waiting.pop("b0").set_exception(ModelError("the key is wrong"))
            model.answer("a0", "c0")
        return future

    monkeypatch.setattr(model, "submit", submit)
    results = converse(model, [steps("a", 1), steps("b", 1), steps("c", 2)])
    # `c` would have to ask once more, so it has no result.
    assert next(results) == (0, ["a0!"])
    with pytest.raises(ModelError, match="the key is wrong"):
        next(results)
    assert model.asked == ["a0", "b0", "c0"]


def test_what_is_under_way_after_an_error_is_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr("hippograph.models.dialogues._GRACE", 0.01)
    model = ByHand(4)
    original = model.submit

    def submit(asked):
        future = original(asked)
        if len(model.asked) == 2:
            model.waiting.pop("a0").set_exception(ModelError("no server"))
        return future

    monkeypatch.setattr(model, "submit", submit)
    with pytest.raises(ModelError, match="no server"):
        list(converse(model, [steps("a", 1), steps("b", 1)]))
    assert model.waiting["b0"].cancelled()


def test_an_error_of_a_dialogue_is_raised():
    def broken():
        yield [request("x")]
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(converse(Prompt(), [broken()]))
