"""What to send a language model next so that its answer has the form asked for, and what to make of what it says.

Nothing here knows of a network: a backend sends what an `Exchange` says, and tells it what came back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel

from hippograph.completions import Completion, CompletionStatus, Message, ModelRequest
from hippograph.models.json_answers import InvalidAnswerError, clean, read_answer, without_thoughts
from hippograph.models.json_schemas import response_format, schema_text
from hippograph.types import Usage

__all__ = ["RUNGS", "Exchange", "Rung"]

_log = logging.getLogger("hippograph.models.structured")

Rung: TypeAlias = Literal["json_schema", "json_object", "text"]
"""How a server is asked for JSON: by a schema that it enforces, for any JSON object, or in words alone."""

RUNGS: Final[tuple[Rung, ...]] = ("json_schema", "json_object", "text")

_LENGTH: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED: Final = frozenset({"content_filter", "refusal", "safety"})
# Of an answer that could not be used, so much is shown to the model again; it has to fit into its context.
_SHOWN_ANSWER: Final = 4000
_ASK_JSON: Final = "Answer with one JSON value that follows this JSON Schema, and with nothing else:\n{schema}"
_ASK_AGAIN: Final = "Your answer cannot be used: {error}\n\n"
_AGAIN: Final = "Answer again, with the whole corrected JSON and nothing else."


class Exchange:
    """One request to a language model, from the first message to a completion.

    The caller sends `messages` with `response_format`, and calls `take` with each answer, until it returns True. If
    the server does not understand the response format, it calls `lower` and sends again. `completion` then says what
    came of it.

    An answer that does not follow the schema is asked for once more, with what is wrong about it. One that was cut
    off, or withheld by a filter, is not: the same would happen again.

    Parameters
    ----------
    request
        What is asked.
    rungs
        Ways to ask for JSON that may be tried, best first; a backend whose engine enforces the schema itself gives
        `("json_schema",)`.
    again
        Whether to ask once more after an answer that does not follow the schema; False if each request has one answer
        only, as with answers written beforehand.

    Examples
    --------
    >>> from pydantic import BaseModel
    >>> class Names(BaseModel):
    ...     names: list[str]
    >>> exchange = Exchange(ModelRequest(messages=(Message("user", "Who sailed?"),), schema=Names))
    >>> exchange.response_format["type"], len(exchange.messages)
    ('json_schema', 1)
    >>> exchange.take("Nansen did.", "stop")
    False
    >>> [message.role for message in exchange.messages]
    ['user', 'assistant', 'user']
    >>> exchange.take('{"names": ["Nansen"]}', "stop")
    True
    >>> exchange.completion().value
    Names(names=['Nansen'])
    """

    def __init__(self, request: ModelRequest, *, rungs: Sequence[Rung] = RUNGS, again: bool = True) -> None:
        self._request = request
        self._rungs = tuple(rungs)
        self._may_ask_again = again
        self._rejected: tuple[str, str] | None = None
        self._result: Completion | None = None

    @property
    def rung(self) -> Rung:
        """How JSON is asked for now."""
        return self._rungs[0]

    @property
    def messages(self) -> tuple[Message, ...]:
        """What to send next."""
        messages = [Message(role, clean(text)) for role, text in self._request.messages]
        schema = self._request.schema
        if schema is None:
            return tuple(messages)
        wish = _ASK_JSON.format(schema=schema_text(schema))
        if self.rung != "json_schema":
            # Not every model's template knows system messages, so none is added where there was none.
            first = messages[0]
            messages[0] = Message(first.role, f"{first.text}\n\n{wish}")
        if self._rejected is not None:
            answer, error = self._rejected
            shown = answer if len(answer) <= _SHOWN_ANSWER else answer[:_SHOWN_ANSWER] + " …"
            complaint = _ASK_AGAIN.format(error=error) + (wish if self.rung == "json_schema" else _AGAIN)
            messages += [Message("assistant", shown), Message("user", complaint)]
        return tuple(messages)

    @property
    def response_format(self) -> dict[str, Any] | None:
        """What to send with it, as chat endpoints take it; None for nothing. Not to be changed."""
        if self._request.schema is None or self.rung == "text":
            return None
        return response_format(self._request.schema) if self.rung == "json_schema" else {"type": "json_object"}

    def lower(self) -> bool:
        """Ask in the next simpler way from now on; False if there is none."""
        if self._request.schema is None or len(self._rungs) < 2:
            return False
        self._rungs = self._rungs[1:]
        return True

    def take(self, text: str, finish_reason: str, *, refusal: str = "", is_last: bool = False) -> bool:
        """Take an answer.

        Parameters
        ----------
        text
            What the model wrote.
        finish_reason
            Why it stopped, in the words of its server; empty if unknown.
        refusal
            What it said instead, where its server tells that apart.
        is_last
            Whether nothing may be sent any more, so that it is not asked again whatever it is.

        Returns
        -------
        Whether the exchange has ended; otherwise there is something to send again.
        """
        reason = _known_reason(finish_reason)
        text = clean(text)
        if refusal or reason == "content_filter":
            why = clean(refusal).strip() or "the content filter withheld the answer"
            return self._end("invalid", text.strip(), reason or "content_filter", error=f"the model refused: {why}")
        schema = self._request.schema
        if schema is None:
            return self._take_text(without_thoughts(text).strip(), reason)
        if reason == "length":
            return self._end("invalid", text.strip(), reason, error=self._cut_off)
        answer = without_thoughts(text).strip()
        try:
            value = read_answer(text, schema)
        except InvalidAnswerError as error:
            return self._reject(answer, reason, str(error), is_last=is_last)
        except Exception as error:  # noqa: BLE001 - a schema's own checks may raise anything; one answer ends no run
            _log.warning("an answer for %s could not be read", schema.__name__, exc_info=True)
            return self._reject(answer, reason, f"it could not be read ({type(error).__name__})", is_last=is_last)
        return self._end("done", answer, reason, value=value)

    def completion(self, *, usage: Usage | None = None, seconds: float = 0.0, attempts: int = 0) -> Completion:
        """Return what came of it, with what was spent; only after `take` has returned True."""
        if self._result is None:
            raise RuntimeError("the exchange has not ended; send its messages and let it take the answer")
        return replace(self._result, usage=usage or Usage(), seconds=seconds, attempts=attempts)

    @property
    def _cut_off(self) -> str:
        return f"the answer was cut off at {self._request.sampling.max_tokens} tokens"

    def _take_text(self, text: str, reason: str) -> bool:
        if text:
            return self._end("done", text, reason)
        return self._end("invalid", text, reason, error=self._cut_off if reason == "length" else "the answer is empty")

    def _reject(self, answer: str, reason: str, error: str, *, is_last: bool) -> bool:
        if self._rejected is None and self._may_ask_again and not is_last:
            self._rejected = (answer, error)
            return False
        return self._end("invalid", answer, reason, error=error)

    def _end(
        self, status: CompletionStatus, text: str, reason: str, *, error: str = "", value: BaseModel | None = None
    ) -> bool:
        self._result = Completion(status=status, text=text, value=value, finish_reason=reason, error=error)
        return True


def _known_reason(reason: str) -> str:
    lowered = reason.lower()
    if lowered in _LENGTH:
        return "length"
    return "content_filter" if lowered in _FILTERED else lowered
