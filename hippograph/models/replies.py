"""What comes back from a server, whole or in pieces, and what it has cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic_core import from_json

from hippograph.models.prices import Price
from hippograph.models.server_faults import TransientError
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Usage

__all__ = ["Pieces", "Reply", "Tally", "decoded", "estimate_read", "estimate_written", "usage_of"]

# No request has more tokens; what says so is mistaken, and would not fit into an index.
_MOST_TOKENS: Final = 2**31
# Where choices, messages and parts of messages have their text.
_SAID: Final = ("message", "content", "reasoning_content", "refusal", "text")


class Pieces(Protocol):
    """Puts an answer together that comes in pieces."""

    def add(self, piece: object) -> None:
        """Take the next piece."""
        ...

    def whole(self) -> object:
        """Return the answer as it would have come in one piece."""
        ...


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one request has cost so far, over all its attempts.

    Parameters
    ----------
    calls
        Attempts.
    input_tokens, output_tokens
        By the server's count, of every answer that told it; estimated for answers that did not.
    waited
        Seconds in which an attempt was under way.
    began, ended
        When the first attempt began and the last one ended, in the clock's seconds.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    waited: float = 0.0
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """From the first attempt's beginning to the last one's end."""
        return self.ended - self.began

    def count(self, began: float, ended: float) -> None:
        """Enter an attempt."""
        self.began = self.began if self.calls else began
        self.calls += 1
        self.ended = ended
        self.waited += ended - began

    def usage(self, price: Price | None) -> Usage:
        """Return what one text has cost, in dollars where its price is known."""
        read, written = self.input_tokens, self.output_tokens
        return Usage(
            calls=self.calls,
            items=1,
            input_tokens=read,
            output_tokens=written,
            seconds=self.waited,
            cost=price.cost(read, written) if price is not None else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server has answered.

    Parameters
    ----------
    json
        The body.
    input_tokens, output_tokens
        What it reports as used, or an estimate if it does not.
    attempts
        How often the request was sent until this came.
    seconds
        How long the last attempt took.
    """

    json: dict[str, Any]
    input_tokens: int
    output_tokens: int
    attempts: int
    seconds: float


def usage_of(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens read and written, as an answer reports them; 0 for what it does not, or not as a number can be.

    Examples
    --------
    >>> usage_of({"usage": {"prompt_tokens": 12, "total_tokens": 12}})
    (12, 0)
    """
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))


def estimate_read(body: Mapping[str, object]) -> int:
    """Estimate the tokens of a request: of its messages, or of the texts to embed.

    Examples
    --------
    >>> estimate_read({"messages": [{"role": "user", "content": "Who sailed the Fram?"}]})
    5
    >>> estimate_read({"input": ["Nansen", "Fram"]})
    2
    """
    return _estimate(body.get("messages")) + _estimate(body.get("input"))


def estimate_written(answer: Mapping[str, Any]) -> int:
    """Estimate the tokens that a model has written into an answer; 0 for embeddings.

    Examples
    --------
    >>> estimate_written({"choices": [{"message": {"content": "Nansen did."}}]})
    3
    """
    return _estimate(answer.get("choices"))


def _estimate(said: object) -> int:
    if isinstance(said, list):
        return sum(map(_estimate, said))
    if isinstance(said, Mapping):
        return sum(_estimate(said.get(name)) for name in _SAID)
    return estimate_tokens(said) if isinstance(said, str) else 0


def _count(reported: object) -> int:
    if not isinstance(reported, int | float) or isinstance(reported, bool):
        return 0
    return int(reported) if 0 <= reported < _MOST_TOKENS and reported == int(reported) else 0


def decoded(received: bytes) -> object:
    """Read a body.

    Raises
    ------
    TransientError
        If it is not JSON.
    """
    try:
        return from_json(received)
    except ValueError:
        pass
    try:
        # Slower, but it takes halves of characters, which some models write.
        return json.loads(received)
    except (ValueError, RecursionError):
        raise TransientError(f"the answer is not JSON: {_start(received)}") from None


def _start(received: bytes) -> str:
    text = " ".join(received[:120].decode("utf-8", "replace").split())
    return repr(text) if text else "it is empty"
