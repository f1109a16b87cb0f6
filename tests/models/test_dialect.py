"""What servers understand of the chat API."""

import pytest

from hippograph.completions import Sampling
from hippograph.models.dialect import Dialect, Doubts, too_long
from hippograph.models.server_faults import RefusedError

OPENAI = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
)
VLLM = "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens"


def refused(message: str, *, status: int = 400, parameter: str = "") -> RefusedError:
    return RefusedError(message, status=status, parameter=parameter)


def test_defaults_are_left_unsaid():
    assert Dialect().parameters(Sampling()) == {"max_tokens": 2048, "temperature": 0.0}
    said = Dialect(limit="max_completion_tokens").parameters(Sampling(max_tokens=5, temperature=1, top_p=0.5, seed=0))
    assert said == {"max_completion_tokens": 5, "temperature": 1, "top_p": 0.5, "seed": 0}


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (refused(OPENAI, parameter="max_tokens"), Dialect(limit="max_completion_tokens")),
        (refused(OPENAI), Dialect(limit="max_completion_tokens")),
        (refused(TEMPERATURE, parameter="temperature"), Dialect(left_out=frozenset({"temperature"}))),
        (refused("Unknown field: seed", status=422), Dialect(left_out=frozenset({"seed"}))),
        (refused("stream_options: Extra inputs are not permitted"), Dialect(left_out=frozenset({"stream_options"}))),
        (refused("response_format is not supported"), Dialect(rung="json_object")),
        (refused("Bad request"), Dialect(rung="json_object")),
        (refused(VLLM), None),
        (refused("", status=413), None),
        (refused("Your input was flagged", status=403), None),
        (refused("No endpoints found", status=404), None),
    ],
)
def test_what_a_refusal_teaches(refusal, expected):
    assert Dialect().without(refusal, rung="json_schema") == expected


def test_the_rungs_are_gone_down_one_by_one_and_no_further():
    dialect = Dialect().without(refused("no"), rung="json_schema")
    assert dialect == Dialect(rung="json_object")
    dialect = dialect.without(refused("no"), rung="json_object")
    assert dialect == Dialect(rung="text")
    assert dialect.rungs == ("text",)
    assert dialect.without(refused("no"), rung="text") is None
    assert Dialect().without(refused("no"), rung=None) is None


def test_what_was_left_out_is_not_left_out_again():
    dialect = Dialect(left_out=frozenset({"temperature"}))
    assert dialect.without(refused(TEMPERATURE, parameter="temperature"), rung=None) is None
    assert Dialect(limit="max_completion_tokens").without(refused(OPENAI), rung=None) is None


def test_what_different_requests_have_learnt_is_joined():
    one = Dialect(rung="json_object", left_out=frozenset({"seed"}))
    other = Dialect(limit="max_completion_tokens", left_out=frozenset({"top_p"}))
    both = Dialect(rung="json_object", limit="max_completion_tokens", left_out=frozenset({"seed", "top_p"}))
    assert one.joined(other) == other.joined(one) == both


def test_what_is_too_long():
    assert too_long(refused(VLLM))
    assert too_long(refused("the request exceeds the available context size"))
    assert not too_long(refused("Bad request"))


def test_a_way_is_given_up_when_two_requests_were_refused():
    doubts = Doubts()
    assert not doubts.confirm("json_schema", refused("Bad request"), about=1)
    assert not doubts.confirm("json_schema", refused("Bad request"), about=1)
    assert not doubts.confirm("json_object", refused("Bad request"), about=2)
    assert not doubts.confirm("json_schema", refused("Bad request"), about=2, schema=str)
    assert doubts.confirm("json_schema", refused("Bad request"), about=2)


def test_what_was_understood_in_between_is_not_given_up():
    doubts = Doubts()
    assert not doubts.confirm("json_schema", refused("Bad request"), about=1)
    doubts.dispel("json_schema")
    assert not doubts.confirm("json_schema", refused("Bad request"), about=2)


@pytest.mark.parametrize(
    "refusal",
    [
        refused("response_format is not supported"),
        refused("'json_schema': unknown variant"),
        refused("Invalid schema"),
        refused("HTTP 500: Failed to parse grammar", status=500),
        refused("Bad request", parameter="response_format.type"),
    ],
)
def test_a_way_that_is_named_is_given_up_at_once(refusal):
    assert Doubts().confirm("json_schema", refusal, about=1)
