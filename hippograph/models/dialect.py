"""What a server has been found to understand of the chat API; servers differ in what they take."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from hippograph.completions import Sampling
from hippograph.models.server_faults import RefusedError
from hippograph.models.structured import RUNGS, Rung

__all__ = ["Dialect", "Doubts", "too_long"]

_UNKNOWN: Final = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|instead|only the default",
    re.IGNORECASE,
)
_TOO_LONG: Final = re.compile(
    r"context.?(?:length|size|window)|maximum context|too (?:long|large)|prompt is too|exceed", re.IGNORECASE
)
_FORM: Final = re.compile(
    r"response.?format|json.?(?:schema|object|mode)|schema|structured.?output|grammar", re.IGNORECASE
)
# What is not allowed or not there is so in whatever words it is asked for.
_NO_MATTER_OF_WORDS: Final = frozenset({403, 404})
_OPTIONAL: Final = ("temperature", "top_p", "seed", "stream_options")


def too_long(refusal: RefusedError) -> bool:
    """Whether a request was refused for its length.

    Examples
    --------
    >>> too_long(RefusedError("This model's maximum context length is 8192 tokens", status=400))
    True
    """
    return refusal.status == 413 or bool(_TOO_LONG.search(str(refusal)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Which words a server is spoken to in.

    Parameters
    ----------
    rung
        The best way to ask for JSON that it may understand.
    limit
        What it calls the tokens that an answer may have.
    left_out
        Optional parameters that it refuses.

    Examples
    --------
    >>> refusal = RefusedError("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", status=400)
    >>> Dialect().without(refusal, rung=None).limit
    'max_completion_tokens'
    """

    rung: Rung = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    left_out: frozenset[str] = frozenset()

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The ways to ask for JSON that may be tried."""
        return RUNGS[RUNGS.index(self.rung) :]

    def parameters(self, sampling: Sampling) -> dict[str, Any]:
        """Say in this dialect how words are to be chosen; what is the default is left unsaid."""
        said: dict[str, Any] = {self.limit: sampling.max_tokens, "temperature": sampling.temperature}
        if sampling.top_p != 1.0:
            said["top_p"] = sampling.top_p
        if sampling.seed is not None:
            said["seed"] = sampling.seed
        return {name: value for name, value in said.items() if name not in self.left_out}

    def without(self, refusal: RefusedError, *, rung: Rung | None) -> Dialect | None:
        """Leave out what a refusal is about.

        Parameters
        ----------
        refusal
            What the server says.
        rung
            How the refused request asked for JSON; None if it did not.

        Returns
        -------
        Another dialect to try, or None if no other is likely to be understood better.
        """
        message = str(refusal)
        if too_long(refusal) or refusal.status in _NO_MATTER_OF_WORDS:
            return None
        if _UNKNOWN.search(message):
            named = refusal.parameter or message
            if self.limit == "max_tokens" and "max_tokens" in named:
                return replace(self, limit="max_completion_tokens")
            for name in _OPTIONAL:
                if name not in self.left_out and re.search(rf"\b{name}\b", named):
                    return replace(self, left_out=self.left_out | {name})
        if rung is None or rung == RUNGS[-1]:
            return None
        return replace(self, rung=RUNGS[RUNGS.index(rung) + 1])

    def joined(self, other: Dialect) -> Dialect:
        """Return what avoids all that either has been found to avoid."""
        return Dialect(
            rung=max(self.rung, other.rung, key=RUNGS.index),
            limit=other.limit if self.limit == "max_tokens" else self.limit,
            left_out=self.left_out | other.left_out,
        )


class Doubts:
    """Ways to ask for JSON that a server has refused, but perhaps for another reason.

    A way is given up only when the refusal named it, or when it was refused for two different requests, for which it
    was never understood in between.

    Examples
    --------
    >>> doubts, refusal = Doubts(), RefusedError("Bad request", status=400)
    >>> doubts.confirm("json_schema", refusal, about="first"), doubts.confirm("json_schema", refusal, about="second")
    (False, True)
    """

    def __init__(self) -> None:
        self._refused: dict[tuple[Rung, object], object] = {}

    def confirm(self, rung: Rung, refusal: RefusedError, *, about: object, schema: object = None) -> bool:
        """Take note that a way was refused and a simpler one was not; whether it is to be given up.

        Parameters
        ----------
        rung
            How JSON was asked for.
        refusal
            What the server said.
        about
            Tells requests apart.
        schema
            What JSON was asked for.
        """
        if _FORM.search(f"{refusal.parameter} {refusal}"):
            return True
        return self._refused.setdefault((rung, schema), about) != about

    def settled(
        self, dialect: Dialect, refused: dict[Rung, RefusedError], *, about: object, schema: object = None
    ) -> Dialect:
        """Return what is learnt from a dialect that was come to by refusals: ways that are in doubt are kept.

        Parameters
        ----------
        dialect
            What was said in the end.
        refused
            The ways to ask for JSON that were refused before, best first, and what the server said.
        about, schema
            As for `confirm`.
        """
        kept = dialect.rung
        for rung in reversed(refused):
            if not self.confirm(rung, refused[rung], about=about, schema=schema):
                kept = rung
        return replace(dialect, rung=kept)

    def dispel(self, rung: Rung, *, schema: object = None) -> None:
        """Take note that a way was understood."""
        self._refused.pop((rung, schema), None)
