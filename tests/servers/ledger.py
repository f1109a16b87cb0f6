"""What the fault server was asked and what it delivered: nothing lost, nothing done twice, tokens to the last."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from tests.servers.plan import ANSWERED

__all__ = ["Entry", "Ledger"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request.

    Parameters
    ----------
    number
        Its place in the order of arrival, from 0.
    kind
        `chat`, `embeddings`, `models`, `batch` (a call of files or batches) or `line` (a request within a batch).
    digest, topic
        Names its messages, and what it is about.
    attempt
        How often these messages have come, this time included.
    fault
        What befell it; `good` for nothing; `refused` if it was wrong itself or too much.
    status
        The HTTP status that was to be sent; 0 if none was.
    sent
        Whether all of the response was handed to the client's connection.
    prompt_tokens, completion_tokens
        The usage that the response reports.
    prompt_estimate, completion_estimate
        For an answer that reports none: what who counts it has to estimate.
    mark
        The number of times that somebody had marked the ledger.
    at
        Seconds since the ledger was opened.
    """

    number: int
    kind: str
    digest: str
    topic: str
    attempt: int
    mark: int
    at: float
    fault: str = "refused"
    status: int = 0
    sent: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_estimate: int = 0
    completion_estimate: int = 0

    @property
    def good(self) -> bool:
        """Whether the client has an answer that it can use."""
        return self.sent and self.status == 200 and self.fault in ANSWERED


class Ledger:
    """All requests since it was opened."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._entries: list[Entry] = []
        self._attempts: Counter[str] = Counter()
        self._at_work = 0
        self._most = 0
        self.marks = 0
        self.connections = 0

    def open(self, kind: str, digest: str, topic: str) -> Entry:
        """Enter a request that has come."""
        self._attempts[digest] += 1
        entry = Entry(
            number=len(self._entries),
            kind=kind,
            digest=digest,
            topic=topic,
            attempt=self._attempts[digest],
            mark=self.marks,
            at=monotonic() - self._began,
        )
        self._entries.append(entry)
        self._at_work += 1
        self._most = max(self._most, self._at_work)
        return entry

    def close(self, entry: Entry, *, sent: bool) -> None:
        """Say that a request is over; `sent` if all of its response was."""
        entry.sent = sent
        self._at_work -= 1

    def summary(self) -> dict[str, Any]:
        """Count everything.

        Returns
        -------
        `requests`, `sent` and `good` (answered, to be used) as numbers; `at_work` and `most_at_work`, now and at most;
        `connections`; `by_kind`, `by_status` and `by_fault`; `usage` of what was completely sent: `responses` that told
        any, `prompt_tokens` and `completion_tokens`; `unreported`: `responses` without it, and the tokens to estimate.
        """
        untold = [each for each in self._entries if each.sent and each.prompt_estimate]
        paid = [each for each in self._entries if each.sent and each.prompt_tokens]
        return {
            "requests": len(self._entries),
            "sent": sum(each.sent for each in self._entries),
            "good": sum(each.good for each in self._entries),
            "at_work": self._at_work,
            "most_at_work": self._most,
            "connections": self.connections,
            "marks": self.marks,
            "by_kind": Counter(each.kind for each in self._entries),
            "by_status": Counter(str(each.status) for each in self._entries),
            "by_fault": Counter(each.fault for each in self._entries),
            "usage": {"responses": len(paid), **_tokens(paid)},
            "unreported": {
                "responses": len(untold),
                "prompt_tokens": sum(each.prompt_estimate for each in untold),
                "completion_tokens": sum(each.completion_estimate for each in untold),
            },
        }

    def grouped(self, by: str) -> dict[str, dict[str, Any]]:
        """Count requests by `digest`, `topic` or `mark`: `requests`, `sent`, `good` and their tokens if sent."""
        groups: dict[str, list[Entry]] = defaultdict(list)
        for each in self._entries:
            groups[str(getattr(each, by))].append(each)
        return {
            name: {
                "requests": len(group),
                "sent": sum(each.sent for each in group),
                "good": sum(each.good for each in group),
                **_tokens(each for each in group if each.sent),
            }
            for name, group in groups.items()
        }

    def entries(self) -> list[dict[str, Any]]:
        """Return every request."""
        return [asdict(each) for each in self._entries]


def _tokens(entries: Iterable[Entry]) -> dict[str, int]:
    read = written = 0
    for each in entries:
        read += each.prompt_tokens
        written += each.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written}
