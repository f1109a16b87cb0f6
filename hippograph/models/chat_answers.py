"""Answers of the chat API: what is read of them, and how one is put together that comes in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hippograph.models.server_faults import TransientError

__all__ = ["ChatAnswer", "ChatPieces"]


class ChatAnswer(NamedTuple):
    """What a model has written.

    Parameters
    ----------
    text
        The answer; empty if there is none.
    finish_reason
        Why the model stopped, in its server's words; empty if that is not told.
    refusal
        What it said instead of an answer.
    """

    text: str
    finish_reason: str
    refusal: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ChatAnswer:
        """Read the first choice of a chat completion.

        Raises
        ------
        TransientError
            If there is none, or no message in it.

        Examples
        --------
        >>> ChatAnswer.of({"choices": [{"message": {"content": "Oslo"}, "finish_reason": "stop"}]}).text
        'Oslo'
        """
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
            raise TransientError("the answer has no choices, or no end" if not choice else "the answer has no message")
        return cls(
            text=_text(message.get("content")),
            finish_reason=str(choice.get("finish_reason") or ""),
            refusal=str(message.get("refusal") or ""),
        )


class ChatPieces:
    """Puts a streamed answer together to what it would have been in one piece.

    Examples
    --------
    >>> pieces = ChatPieces()
    >>> pieces.add({"choices": [{"index": 0, "delta": {"content": "Os"}}]})
    >>> pieces.add({"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]})
    >>> ChatAnswer.of(pieces.whole()).text
    'Oslo'
    """

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {"content": [], "refusal": []}
        self._finish_reason = ""
        self._usage: object = None

    def add(self, piece: object) -> None:
        """Take the next piece."""
        if not isinstance(piece, Mapping):
            raise TransientError(f"a piece of the answer is no JSON object but a {type(piece).__name__}")
        self._usage = piece.get("usage") or self._usage
        for choice in piece.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            for name, texts in self._texts.items():
                texts.append(_text((choice.get("delta") or {}).get(name)))
            self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def whole(self) -> dict[str, Any]:
        """Return the chat completion; without a choice if the end of the answer has not come."""
        message = {name: "".join(texts) for name, texts in self._texts.items()}
        choice = {"message": message, "finish_reason": self._finish_reason}
        return {"choices": [choice] if self._finish_reason else [], "usage": self._usage}


def _text(content: object) -> str:
    """Join the text of a message, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""
