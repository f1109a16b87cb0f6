"""What the fault server is to do: how it answers, how fast, what it refuses, and how often it does which wrong."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import blake2b
from typing import Any, Final

__all__ = ["ANSWERED", "BATCH_ENDINGS", "CONTENT", "FAULTS", "GOOD", "Plan", "mixed"]

GOOD: Final = "good"
"""No fault; in a script, it stands where a request is answered well."""

FAULTS: Final = {
    "429-after": "429 with Retry-After",
    "429": "429 without a word about when",
    "500": "an internal error, as JSON",
    "503": "overloaded, as JSON",
    "html": "502 with an HTML page, as proxies give it",
    "html-200": "200 with an HTML page, as portals give it",
    "hang": "never answers, and keeps the connection open",
    "cut-head": "closes the connection instead of answering",
    "cut-body": "closes the connection in the middle of the body",
    "slow": "answers well, after `slow` seconds",
    "truncated": "JSON that ends in the middle, with finish_reason stop",
    "length": "JSON that ends in the middle, with finish_reason length",
    "prose": "a sentence instead of JSON",
    "wrong-schema": "JSON that is not what was asked for",
    "no-choices": "an empty list of choices",
    "no-usage": "answers well, without usage",
}
"""What may go wrong with a request, by name."""

CONTENT: Final = frozenset({"truncated", "length", "prose", "wrong-schema", "no-choices"})
"""Faults of an answer that is paid for like a good one."""

ANSWERED: Final = frozenset({GOOD, "slow", "no-usage"})
"""Faults, if that, that leave an answer to be used."""

BATCH_ENDINGS: Final = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the server does.

    Parameters
    ----------
    shares
        Share of the requests that each fault befalls, by its name; their sum is at most 1.
    script
        Faults of the first attempts at each request, in turn (`good` for none), before `shares` apply.
    seed
        Chooses which requests are hit.
    faulty
        Kinds of requests that faults befall: `chat`, `embeddings`, `models`, `batch` (calls of files and batches) and
        `line` (a request within a batch).
    latency
        Seconds before any answer.
    slow
        Seconds that `slow` adds.
    retry_after
        Seconds that 429 tells to wait; a fraction is told by retry-after-ms, whole seconds by Retry-After.
    pause
        Seconds between two pieces of a streamed answer.
    refuse_json_schema, refuse_json_object
        Whether this response_format is a mistake (400).
    key
        What must be given as the key, if anything (else 401).
    models
        Names of the models there are (else 404); none for any.
    requests_per_window, window
        Requests that are answered within so many seconds; more get 429. 0 for any number.
    context
        Tokens that a prompt may have (else 400); 0 for any number.
    dimension
        Length of a vector.
    topic
        A pattern with one group that names what a request is about, in the ledger; without one, it is the digest of
        its passage.
    polls
        Times that a batch is looked at before it ends.
    batch_ending
        How a batch ends: one of `BATCH_ENDINGS`.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    script: tuple[str, ...] = ()
    seed: int = 0
    faulty: tuple[str, ...] = ("chat", "embeddings", "line")
    latency: float = 0.0
    slow: float = 0.5
    retry_after: float = 0.05
    pause: float = 0.0
    refuse_json_schema: bool = False
    refuse_json_object: bool = False
    key: str = ""
    models: tuple[str, ...] = ()
    requests_per_window: int = 0
    window: float = 60.0
    context: int = 0
    dimension: int = 64
    topic: str = ""
    polls: int = 2
    batch_ending: str = "completed"

    def __post_init__(self) -> None:
        unknown = {*self.shares, *self.script} - {*FAULTS, GOOD}
        if unknown or sum(self.shares.values()) > 1 + 1e-9 or self.batch_ending not in BATCH_ENDINGS:
            message = f"unknown faults {sorted(unknown)}, or shares {self.shares} beyond 1, or {self.batch_ending!r}"
            raise ValueError(message)

    def changed(self, changes: Mapping[str, Any]) -> "Plan":
        """Return a plan with some fields changed, as they come from JSON."""
        unknown = changes.keys() - {each.name for each in fields(self)}
        if unknown:
            message = f"a plan has no {sorted(unknown)}"
            raise ValueError(message)
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
        }
        return replace(self, **values)

    def to_json(self) -> str:
        """Write the plan as JSON."""
        return json.dumps(asdict(self))

    def fault(self, kind: str, digest: str, attempt: int) -> str:
        """Draw what befalls a request: the same for the same seed, content and attempt."""
        if kind not in self.faulty:
            return GOOD
        if attempt <= len(self.script):
            return self.script[attempt - 1]
        if not self.shares:
            return GOOD
        drawn = int.from_bytes(blake2b(f"{self.seed} {digest} {attempt}".encode(), digest_size=8).digest(), "big")
        left = drawn / 2**64
        for name, share in self.shares.items():
            left -= share
            if left < 0:
                return name
        return GOOD


def mixed(share: float, *faults: str) -> dict[str, float]:
    """Divide a share evenly among faults: all that there are, unless some are named.

    Examples
    --------
    >>> mixed(0.3, "500", "hang")
    {'500': 0.15, 'hang': 0.15}
    """
    chosen = faults or tuple(FAULTS)
    return {name: share / len(chosen) for name in chosen}
