"""What is said to a language model, and what comes of it: frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel

from hippograph.errors import InputError
from hippograph.types import Usage

__all__ = ["Completion", "CompletionStatus", "Message", "ModelRequest", "Role", "Sampling", "SamplingChoice"]

CompletionStatus: TypeAlias = Literal["done", "invalid", "failed"]

Role: TypeAlias = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of a conversation with a language model."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a language model chooses its words; part of what names an answer.

    Parameters
    ----------
    max_tokens
        Tokens that the answer may have. HippoRAG 2 gives 2,048 (`max_new_tokens`).
    temperature
        0 takes the likeliest word.
    top_p
        Share of the probability that words are drawn from.
    seed
        Where the model's random numbers start, for servers that take one.
    """

    max_tokens: int = 2048
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingChoice:
    """What somebody chose of a `Sampling`; None leaves it to whoever asks the model.

    Parameters
    ----------
    max_tokens, temperature, top_p, seed
        As in `Sampling`.

    Examples
    --------
    >>> SamplingChoice(temperature=0.5).over(Sampling(max_tokens=512))
    Sampling(max_tokens=512, temperature=0.5, top_p=1.0, seed=None)
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    def over(self, own: Sampling) -> Sampling:
        """Return a sampling with what was chosen laid over it."""
        chosen = {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}
        return replace(own, **chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a language model is asked.

    Parameters
    ----------
    messages
        The conversation so far.
    schema
        What the answer must be: the fields of a pydantic model, whose `model_json_schema` the server is given; None
        for free text.
    sampling
        How words are chosen.
    attempts
        How often a model may be sent something for it at most: requests tried again, answers asked for once more, and
        other ways of asking for JSON included. None leaves it to the limits of the model, which hold in any case. It
        is no part of what names an answer.

    Raises
    ------
    InputError
        If `attempts` is below 1.

    Examples
    --------
    >>> ModelRequest(messages=(Message("user", "Where is Oslo?"),), attempts=0)
    Traceback (most recent call last):
    hippograph.errors.InputError: attempts is 0; allow at least 1, or None to leave it to the model
    """

    messages: tuple[Message, ...]
    schema: type[BaseModel] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    attempts: int | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None and self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}; allow at least 1, or None to leave it to the model")

    def allows(self, calls: int) -> bool:
        """Whether something may be sent for it after so many calls."""
        return self.attempts is None or calls < self.attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What came of a request.

    Parameters
    ----------
    status
        `done`: answered, and what was asked for; `invalid`: answered, but not in the form asked for, even when asked
        again; `failed`: no answer, in spite of all attempts.
    text
        The answer as written.
    value
        The answer as the object that the request's schema describes; None without a schema, or if not `done`.
    finish_reason
        Why the model stopped, in its words: `stop`, `length`, `content_filter`; empty if it did not answer.
    error
        What is wrong, if not `done`.
    usage
        All that was spent on it now, failed and repeated attempts included; never more calls than the request allows.
    first_usage
        What it cost when it was first given, if that was not now; None if it was. See `worth`.
    seconds
        From the first attempt to the end, waiting for a turn not included.
    attempts
        Requests made.

    Examples
    --------
    >>> answer = Completion(status="done", text="In Norway.", usage=Usage(calls=2, items=1))
    >>> reused = Completion(
    ...     status="done", text="In Norway.", usage=Usage(items=1, reused=1), first_usage=answer.worth
    ... )
    >>> reused.usage.calls, reused.worth.calls
    (0, 2)
    """

    status: CompletionStatus
    text: str = ""
    value: BaseModel | None = None
    finish_reason: str = ""
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    first_usage: Usage | None = None
    seconds: float = 0.0
    attempts: int = 0

    @property
    def worth(self) -> Usage:
        """What it cost when it was first given: now, or then; the same whether or not it is reused."""
        return self.usage if self.first_usage is None else self.first_usage
