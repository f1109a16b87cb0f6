"""What it means when a server does not answer as it should: try again, this request alone is wrong, or all are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = ["RefusedError", "TransientError", "UnansweredError", "fault_of", "is_fatal", "retry_after", "told_by"]

_AGAIN: Final = frozenset({408, 409, 425, 429})
_FATAL: Final = frozenset({401, 402, 403, 404})
# Some servers answer 500 to a schema that they cannot enforce; asked again, they would answer the same.
_NOT_KNOWN: Final = re.compile(
    r"(?=.*(?:response_format|json_schema|json schema|grammar|structured output))"
    r"(?=.*(?:not (?:yet )?supported|unsupported|not implemented|unknown|unrecognized|failed to parse|invalid))",
    re.IGNORECASE | re.DOTALL,
)
_SHOWN: Final = 300


class TransientError(Exception):
    """One attempt has failed in a way that another one may not.

    Parameters
    ----------
    message
        What went wrong.
    wait
        Seconds that the server asks to wait; None if it says nothing.
    unreachable
        Whether there was nobody to take the request.
    """

    def __init__(self, message: str, *, wait: float | None = None, unreachable: bool = False) -> None:
        super().__init__(message)
        self.wait = wait
        self.unreachable = unreachable


class UnansweredError(Exception):
    """All attempts at one request have failed."""


class RefusedError(Exception):
    """The server says that this request is wrong; the message is the server's.

    Parameters
    ----------
    message
        What the server says.
    status
        The HTTP status.
    parameter
        What part of the request the server names; empty if none.
    """

    def __init__(self, message: str, *, status: int, parameter: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.parameter = parameter


def told_by(body: object) -> tuple[str, str, str]:
    """Return the message, the code and the parameter of an error as servers write it; empty where nothing is told.

    Examples
    --------
    >>> told_by({"error": {"message": "Too many", "code": "rate_limit_exceeded", "param": None}})
    ('Too many', 'rate_limit_exceeded', '')
    >>> told_by({"detail": "Not Found"})
    ('Not Found', '', '')
    """
    error: Any = body
    if isinstance(body, Mapping):
        error = body.get("error") or body.get("detail") or body
    if not isinstance(error, Mapping):
        return _shortened(error or ""), "", ""
    message = error.get("message") or error.get("msg") or dict(error) or ""
    return _shortened(message), str(error.get("code") or error.get("type") or ""), str(error.get("param") or "")


def fault_of(status: int, body: object, headers: Mapping[str, str]) -> TransientError | RefusedError:
    """Say what an HTTP status other than 200 means for the request that got it.

    Examples
    --------
    >>> fault_of(429, {"error": {"message": "Slow down"}}, {"retry-after": "20"}).wait
    20.0
    >>> fault_of(400, {"error": {"message": "Unknown field", "param": "seed"}}, {}).parameter
    'seed'
    """
    message, code, parameter = told_by(body)
    if status in _AGAIN or (status >= 500 and status != 501 and not _NOT_KNOWN.search(message)):
        return TransientError(f"HTTP {status}: {message or 'no message'}", wait=retry_after(headers))
    return RefusedError(f"HTTP {status}: {message or code or 'no message'}", status=status, parameter=parameter)


def is_fatal(status: int, body: object) -> bool:
    """Whether no request can succeed: the key, the account, the address or the model's name is wrong."""
    return status in _FATAL or (status == 429 and "insufficient_quota" in _kinds(body))


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait, by `retry-after-ms` or `Retry-After`; None if it does not.

    Examples
    --------
    >>> retry_after({"retry-after-ms": "1500"}), retry_after({"retry-after": "soon"})
    (1.5, None)
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> retry_after({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, now=noon)
    30.0
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name) or "") * scale
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        date = parsedate_to_datetime(headers.get("retry-after") or "")
    except ValueError:
        return None
    # A date without a zone is in UTC, as HTTP has it.
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _kinds(body: object) -> set[str]:
    error = body.get("error", body) if isinstance(body, Mapping) else None
    return {str(error.get(name)) for name in ("code", "type")} if isinstance(error, Mapping) else set()


def _shortened(message: object) -> str:
    text = " ".join(str(message).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"
