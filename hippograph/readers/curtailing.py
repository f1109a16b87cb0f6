"""What is done about a prompt that is too long for the model: evidence is left out of it, and that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

from hippograph.completions import Completion, ModelRequest
from hippograph.prompts.prompt import quoted
from hippograph.readers.tasks import TaskRequest, task_messages
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Hit, Usage

__all__ = ["CurtailedCompletion", "Rank", "curtailed", "is_too_long", "left_out", "retold", "size"]

Rank: TypeAlias = Callable[[int], float]
"""Given the number of a passage, tells its rank, the best first."""

# What of the material evidence is; all else is short, or says what it is about.
_SUMMARIES: Final = ("semantic summaries", "episodic summaries")
_EVIDENCE: Final = ("passages", "evidence", "memories", *_SUMMARIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailedCompletion(Completion):
    """What came of a request that evidence had to be left out of.

    Parameters
    ----------
    unseen
        The ids of the passages that were left out.
    untold
        The texts of the summaries that were left out.
    remark
        What was left out, for people.
    """

    unseen: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()
    remark: str = ""

    def left(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """Return those of the hits that were not left out."""
        return tuple(hit for hit in hits if hit.passage.id not in self.unseen and hit.passage.text not in self.untold)


def size(request: ModelRequest) -> int:
    """Return how many tokens a prompt has, by estimate."""
    return sum(estimate_tokens(message.text) for message in request.messages)


def is_too_long(request: ModelRequest, completion: Completion) -> bool:
    """Whether the model has no room for a request, or none for an answer to it.

    It may have been refused, or the answer was cut off before it was half as long as it might be; servers that do not
    count tokens have them estimated.

    Examples
    --------
    >>> from hippograph.completions import Sampling
    >>> request = ModelRequest(messages=(), sampling=Sampling(max_tokens=40))
    >>> cut = Completion(status="invalid", finish_reason="length", usage=Usage(calls=1, output_tokens=12))
    >>> is_too_long(request, cut), is_too_long(request, Completion(status="failed", finish_reason="length"))
    (True, True)
    """
    if completion.finish_reason != "length" or completion.status == "done":
        return False
    spent = completion.worth
    has_no_room = spent.calls == 1 and 0 < 2 * spent.output_tokens < request.sampling.max_tokens
    return completion.status == "failed" or has_no_room


def curtailed(request: ModelRequest, tokens: int, *, rank: Rank) -> ModelRequest:
    """Leave evidence out of a request until it is no longer than it may be.

    What there is most of is shortened first: of passages, the last by rank goes; of memories, the oldest; of summaries,
    the last as they stand. Of the only one that is left of each, the second half goes, again and again.

    Parameters
    ----------
    request
        What is asked. One without evidence is returned as it is.
    tokens
        How long it may be, by estimate.
    rank
        Tells the ranks of passages.

    Examples
    --------
    >>> from hippograph.completions import Sampling
    >>> from hippograph.readers.tasks import AnswerReply, task_request
    >>> passages = [{"number": number, "title": "", "text": "It lies in Oslo. " * 40} for number in (1, 2, 3)]
    >>> told = {"question": "Where?", "passages": passages}
    >>> request = task_request("answer", told, schema=AnswerReply, sampling=Sampling())
    >>> shorter = curtailed(request, size(request) - 300, rank={1: 2, 2: 0, 3: 1}.get)
    >>> left_out(request, shorter), size(shorter) <= size(request) - 300
    (frozenset({1, 3}), True)
    """
    over = size(request) - tokens
    if over <= 0 or not isinstance(request, TaskRequest):
        return request
    parts = {name: _items(request.material.get(name)) for name in _EVIDENCE}
    sizes = {name: [_size(item) for item in items] for name, items in parts.items()}
    while over > 0 and any(sizes.values()):
        name = max(_EVIDENCE, key=lambda name: (len(parts[name]) > 1, sum(sizes[name])))
        items, own = parts[name], sizes[name]
        before = sum(own)
        if len(items) > 1:
            place = max(range(len(items)), key=lambda place: _badness(items[place], place, rank))
            del items[place], own[place]
        else:
            items[0] = _first_half(items[0])
            own[0] = _size(items[0])
            if own[0] >= before:
                break
        over -= before - sum(own)
    material = {name: parts.get(name, value) for name, value in request.material.items()}
    return replace(request, material=material, messages=task_messages(request.task, material))


def left_out(request: ModelRequest, shorter: ModelRequest) -> frozenset[int]:
    """Return the numbers of the passages that a request has and a shorter one has not."""
    return frozenset(_numbers(request) - _numbers(shorter))


def retold(
    request: ModelRequest, shorter: ModelRequest, completion: Completion, *, unseen: frozenset[str], spent: Usage
) -> CurtailedCompletion:
    """Tell with what came of a shorter request what was left out of it.

    Parameters
    ----------
    request
        What was to be asked.
    shorter
        What was asked.
    completion
        What came of it.
    unseen
        The ids of the passages that were left out.
    spent
        What was spent on longer ones.
    """
    known: dict[str, Any] = {one.name: getattr(completion, one.name) for one in fields(Completion)}
    known["usage"] = spent + completion.usage
    untold = frozenset(text for name in _SUMMARIES for text in _dropped(name, request, shorter))
    counts = [(len(unseen), len(_numbers(request)), "passages")]
    counts += [(len(_dropped(name, request, shorter)), len(_told(request, name)), name) for name in _SUMMARIES]
    what = " and ".join(f"{some} of {all} {name}" for some, all, name in counts if some) or "some of the evidence"
    remark = f"the prompt is too long for the model; left out: {what}"
    return CurtailedCompletion(**known, unseen=unseen, untold=untold, remark=remark)


def _told(request: ModelRequest, name: str) -> list[Any]:
    return _items(request.material.get(name)) if isinstance(request, TaskRequest) else []


def _dropped(name: str, request: ModelRequest, shorter: ModelRequest) -> list[str]:
    """Return the summaries that a shorter request has not even the beginnings of."""
    kept = _told(shorter, name)
    return [text for text in _told(request, name) if not any(text.startswith(part) for part in kept)]


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _size(item: object) -> int:
    return estimate_tokens(quoted(item))


def _numbers(request: ModelRequest) -> set[int]:
    return {one["number"] for name in ("passages", "evidence") for one in _told(request, name)}


def _badness(item: object, place: int, rank: Rank) -> tuple[float, int]:
    if isinstance(item, dict) and "number" in item:
        return rank(item["number"]), place
    return 0, -place if isinstance(item, dict) else place


def _first_half(item: object) -> object:
    if isinstance(item, str):
        words = item.split(" ")
        return " ".join(words[: max(1, len(words) // 2)])
    if not isinstance(item, dict):
        return item
    if isinstance(sentences := item.get("sentences"), dict):
        return {**item, "sentences": dict(list(sentences.items())[: max(1, len(sentences) // 2)])}
    return {**item, "text": _first_half(item.get("text", ""))}
