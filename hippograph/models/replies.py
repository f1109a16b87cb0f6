"""What comes back from a server, whole or in pieces, and what it has cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from hippograph.models.server_faults import TransientError

__all__ = ["Pieces", "Reply", "Tally", "decoded", "usage_of"]


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
        By the server's count, of every answer that told it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server has answered.

    Parameters
    ----------
    json
        The body.
    input_tokens, output_tokens
        What it reports as used; 0 if it does not.
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
    """Return the tokens read and written, as an answer reports them; 0 for what it does not.

    Examples
    --------
    >>> usage_of({"usage": {"prompt_tokens": 12, "total_tokens": 12}})
    (12, 0)
    """
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (read if isinstance(read, int) else 0), (written if isinstance(written, int) else 0)


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
