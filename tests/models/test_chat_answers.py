"""What is read of chat completions, whole and in pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.models.chat_answers import ChatAnswer, ChatPieces
from hippograph.models.server_faults import TransientError


def whole(message: Any, reason: Any = "stop") -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": reason}]}


def test_what_a_completion_says():
    assert ChatAnswer.of(whole({"content": "Oslo", "refusal": None})) == ("Oslo", "stop", "")
    assert ChatAnswer.of(whole({"content": None, "refusal": "No."}, None)) == ("", "", "No.")
    assert ChatAnswer.of(whole({"content": [{"type": "text", "text": "Os"}, {"text": "lo"}, 3]})).text == "Oslo"


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": None}, {"choices": ["a"]}, {"choices": [{}]}, whole(None), whole("Oslo")]
)
def test_what_is_no_completion_may_be_one_the_next_time(body):
    with pytest.raises(TransientError):
        ChatAnswer.of(body)


@given(st.lists(st.text(max_size=5)), st.sampled_from(["stop", "length"]))
def test_pieces_make_the_whole(texts, reason):
    pieces = ChatPieces()
    pieces.add({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
    for text in texts:
        pieces.add({"choices": [{"index": 0, "delta": {"content": text}}, {"index": 1, "delta": {"content": "no"}}]})
    pieces.add({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    pieces.add({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    assert ChatAnswer.of(pieces.whole()) == ("".join(texts), reason, "")
    assert pieces.whole()["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}


def test_pieces_without_an_end_are_no_answer():
    pieces = ChatPieces()
    pieces.add({"choices": [{"index": 0, "delta": {"content": "Os"}}], "usage": {"prompt_tokens": 3}})
    assert pieces.whole()["usage"] == {"prompt_tokens": 3}
    with pytest.raises(TransientError, match="no end"):
        ChatAnswer.of(pieces.whole())
    with pytest.raises(TransientError, match="no JSON object"):
        pieces.add("Oslo")
