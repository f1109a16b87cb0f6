"""The way from a request to a completion, without any model."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from hippograph.completions import Message, ModelRequest, Sampling
from hippograph.models.structured import RUNGS, Exchange
from hippograph.types import Usage


class Names(BaseModel):
    names: list[str] = []


ASKED = (Message("system", "Read."), Message("user", "Nansen sailed the Fram."))
WITH_SCHEMA = ModelRequest(messages=ASKED, schema=Names, sampling=Sampling(max_tokens=77))
FREE = ModelRequest(messages=ASKED, sampling=Sampling(max_tokens=77))
GOOD = '{"names": ["Nansen"]}'


def test_a_schema_is_asked_for_first():
    exchange = Exchange(WITH_SCHEMA)
    assert exchange.messages == ASKED
    assert exchange.response_format is not None
    assert exchange.response_format["json_schema"]["strict"] is True
    assert exchange.take(GOOD, "stop")
    done = exchange.completion(usage=Usage(calls=1), seconds=0.5, attempts=1)
    assert (done.status, done.value, done.text, done.finish_reason) == ("done", Names(names=["Nansen"]), GOOD, "stop")
    assert (done.usage.calls, done.seconds, done.attempts, done.error) == (1, 0.5, 1, "")


def test_lower_rungs_tell_the_schema_in_words():
    exchange = Exchange(WITH_SCHEMA)
    assert exchange.lower()
    form = exchange.response_format
    assert form == {"type": "json_object"}
    assert exchange.messages[0].text.startswith("Read.\n\n")
    assert '"required":["names"]' in exchange.messages[0].text
    assert exchange.messages[1:] == ASKED[1:]
    assert exchange.lower()
    assert exchange.response_format is None
    assert '"required":["names"]' in exchange.messages[0].text
    assert not exchange.lower()
    assert exchange.take(f"It is:\n```json\n{GOOD}\n```", "stop")
    assert exchange.completion().value == Names(names=["Nansen"])


def test_without_a_system_message_none_is_added():
    exchange = Exchange(ModelRequest(messages=ASKED[1:], schema=Names), rungs=("text",))
    [message] = exchange.messages
    assert message.role == "user"
    assert '"required":["names"]' in message.text


@pytest.mark.parametrize("rung", RUNGS)
def test_an_invalid_answer_is_asked_for_once_more(rung):
    exchange = Exchange(WITH_SCHEMA, rungs=(rung,))
    assert not exchange.take('{"names": 3}', "stop")
    before, answer, complaint = exchange.messages[1:]
    assert before == ASKED[1]
    assert answer == Message("assistant", '{"names": 3}')
    assert complaint.role == "user"
    assert "names: Input should be a valid list" in complaint.text
    # The schema is told once.
    assert sum('"required":["names"]' in message.text for message in exchange.messages) == 1
    assert exchange.take("I cannot.", "stop")
    done = exchange.completion()
    assert (done.status, done.value, done.error) == ("invalid", None, "there is no JSON in it")
    assert done.text == "I cannot."


def test_those_that_cannot_ask_again_end():
    exchange = Exchange(WITH_SCHEMA, again=False)
    assert exchange.take("I cannot.", "stop")
    assert exchange.completion().status == "invalid"


def test_a_long_answer_is_not_shown_again_in_full():
    exchange = Exchange(WITH_SCHEMA)
    assert not exchange.take("no " * 10_000, "stop")
    assert sum(len(message.text) for message in exchange.messages) < 5_000


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS"])
def test_a_cut_answer_is_not_asked_for_again(reason):
    exchange = Exchange(WITH_SCHEMA)
    assert exchange.take('{"names": ["Nan', reason)
    done = exchange.completion()
    assert (done.status, done.finish_reason) == ("invalid", "length")
    assert done.error == "the answer was cut off at 77 tokens"


@pytest.mark.parametrize(("reason", "refusal"), [("content_filter", ""), ("stop", "I will not."), ("safety", "")])
@pytest.mark.parametrize("request_", [WITH_SCHEMA, FREE])
def test_a_refusal_is_not_asked_for_again(request_, reason, refusal):
    exchange = Exchange(request_)
    assert exchange.take("", reason, refusal=refusal)
    done = exchange.completion()
    assert done.status == "invalid"
    assert done.error == f"the model refused: {refusal or 'the content filter withheld the answer'}"


def test_free_text_is_the_answer():
    exchange = Exchange(FREE)
    assert exchange.response_format is None
    assert exchange.messages == ASKED
    assert not exchange.lower()
    assert exchange.take("<think>Well.</think>\n Nansen sailed.\n", "stop")
    done = exchange.completion()
    assert (done.status, done.text, done.value) == ("done", "Nansen sailed.", None)


@pytest.mark.parametrize(("text", "reason"), [("", "stop"), (" \n", "stop"), ("<think>Well", "length")])
def test_no_text_is_no_answer(text, reason):
    exchange = Exchange(FREE)
    assert exchange.take(text, reason)
    done = exchange.completion()
    assert done.status == "invalid"
    assert done.error


def test_free_text_that_was_cut_is_used_and_says_so():
    exchange = Exchange(FREE)
    assert exchange.take("Nansen sailed the", "length")
    assert (exchange.completion().status, exchange.completion().finish_reason) == ("done", "length")


def test_what_is_sent_can_be_encoded():
    asked = ModelRequest(messages=(Message("user", "half \ud83d and \0 none"),), schema=Names)
    exchange = Exchange(asked)
    assert exchange.messages[0].text == "half ? and  none"
    exchange.take("\udc00", "stop")
    assert "".join(message.text for message in exchange.messages).encode()


def test_there_is_no_completion_before_the_end():
    with pytest.raises(RuntimeError, match="not ended"):
        Exchange(FREE).completion()


@given(st.lists(st.tuples(st.text(max_size=30), st.sampled_from(["stop", "", "length", "tool_calls"]), st.booleans())))
def test_it_ends_after_two_answers_whatever_they_are(answers):
    exchange = Exchange(WITH_SCHEMA)
    for number, (text, reason, lower) in enumerate(answers, start=1):
        if lower:
            exchange.lower()
        assert exchange.messages
        if exchange.take(text, reason):
            done = exchange.completion()
            assert number <= 2
            assert (done.status == "done") == (done.value is not None) == (not done.error)
            return
    assert len(answers) < 2


class Picky(BaseModel):
    names: list[str] = []

    @field_validator("names")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        raise KeyError("no such name")


def test_what_the_schema_itself_raises_ends_no_run(caplog):
    exchange = Exchange(ModelRequest(messages=ASKED, schema=Picky))
    with caplog.at_level(logging.WARNING, "hippograph.models.structured"):
        assert not exchange.take(GOOD, "stop")
        assert exchange.take(GOOD, "stop")
    done = exchange.completion()
    assert (done.status, done.error, done.text) == ("invalid", "it could not be read (KeyError)", GOOD)
    # The cause is kept where it can be looked up.
    assert "no such name" in caplog.text


@pytest.mark.parametrize("depth", [500, 700, 1_000, 20_000])
def test_deep_nesting_ends_no_run(depth):
    exchange = Exchange(WITH_SCHEMA)
    text = '{"names": ' + "[" * depth + "]" * depth + "}"
    assert not exchange.take(text, "stop")
    assert "nested more than 50 deep" in exchange.messages[-1].text
    assert exchange.take(text, "stop")
    assert exchange.completion().status == "invalid"


odd_texts = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.builds(
        lambda unit, times, end: '{"names": [' + unit * times + end,
        st.text(alphabet="{}[]\",:'\\\\`\\n9a\\ud800\\0", max_size=6),
        st.integers(0, 1_200),
        st.sampled_from(["", "]}", "],}"]),
    ),
)


@given(odd_texts, odd_texts, odd_texts, st.sampled_from([WITH_SCHEMA, FREE]), st.sampled_from(RUNGS))
def test_no_text_makes_it_raise(text, reason, refusal, request_, rung):
    exchange = Exchange(request_, rungs=(rung,))
    while not exchange.take(text, reason, refusal=refusal):
        assert "".join(message.text for message in exchange.messages).encode()
    done = exchange.completion()
    assert f"{done.text}{done.error}".encode()
    assert (done.status == "done") == (not done.error)
