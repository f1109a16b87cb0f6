"""What the model is to say to the tasks of a memory reader, and which passages that rests on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Final

from pydantic import BaseModel, ConfigDict, create_model, field_validator

from hippograph.readers.exhibits import Exhibits
from hippograph.readers.memory_pool import Layer, MemoryPool
from hippograph.readers.tasks import AnswerReply, Numbers, Texts, one_line
from hippograph.types import MemoryNode, Passage

__all__ = ["AttemptReply", "CueReply", "FusionReply", "ProbeReply", "SecondAttemptReply", "cited", "cue_schema"]

# ComoRAG's `find_probes` asks for so many.
_MOST_PROBES: Final = 3


class _Cleaned(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @field_validator("answer", "summary", "veridical", "semantic", "episodic", mode="after", check_fields=False)
    @classmethod
    def _one_line(cls, text: str) -> str:
        return one_line(text)

    @field_validator("probes", check_fields=False)
    @classmethod
    def _few(cls, probes: list[str]) -> list[str]:
        return [one_line(probe) for probe in probes][:_MOST_PROBES]


class AttemptReply(AnswerReply, _Cleaned):
    """What the model is to say to the task `attempt`."""

    probes: Texts


class SecondAttemptReply(_Cleaned):
    """What the model is to say to the task `attempt_again`: first what it makes of its memories."""

    summary: str
    answer: str
    memories: Numbers
    support: Numbers
    sufficient: bool
    probes: Texts


class ProbeReply(_Cleaned):
    """What the model is to say to the task `probe`."""

    probes: Texts


class FusionReply(_Cleaned):
    """What the model is to say to the task `fuse`."""

    summary: str


class CueReply(_Cleaned):
    """What the model is to say to the task `cue`; `cue_schema` makes it for the layers that something was found in."""

    def of(self, layer: Layer) -> str:
        """Return what it says of a layer."""
        text = getattr(self, layer, "")
        return text if isinstance(text, str) else ""

    @property
    def supported(self) -> Sequence[int]:
        """The numbers of the passages that it rests on."""
        numbers = getattr(self, "support", ())
        return numbers if isinstance(numbers, list) else ()


@cache
def cue_schema(layers: tuple[Layer, ...]) -> type[CueReply]:
    """Return the schema of cues of some layers: those that something was found in are asked for, and no others.

    Examples
    --------
    >>> list(cue_schema(("veridical", "episodic")).model_fields), list(cue_schema(("semantic",)).model_fields)
    (['veridical', 'episodic', 'support'], ['semantic'])
    """
    fields: dict[str, object] = dict.fromkeys(layers, (str, ...))
    if "veridical" in layers:
        fields["support"] = (Numbers, ...)
    schema: type[CueReply] = create_model("CueReply", __base__=CueReply, **fields)  # type: ignore[call-overload]
    return schema


def cited(
    support: Iterable[int],
    memories: Iterable[int] = (),
    *,
    exhibits: Exhibits,
    pool: MemoryPool | None = None,
    shown: Collection[int] = (),
) -> tuple[tuple[Passage, ...], str]:
    """Look up what a model cites: passages, and memories, which stand for the passages that they rest on.

    Parameters
    ----------
    support
        Numbers of passages.
    memories
        Numbers of memories.
    exhibits
        The passages that were shown.
    pool
        The memories.
    shown
        The numbers of those that were shown.

    Returns
    -------
    The passages, in the order of their numbers, each once; and a remark about numbers that nothing has, which are
    dropped, and memories that rest on no passage.
    """
    nodes: tuple[MemoryNode, ...] = () if pool is None else pool.nodes
    wanted = sorted(set(memories))
    known = [number for number in wanted if number in shown]
    unknown = [str(number) for number in wanted if number not in shown]
    groundless = [str(number) for number in known if not nodes[number - 1].sources]
    numbers = {passage.id: number for number, passage in enumerate(exhibits.passages, start=1)}
    sources = [numbers[id] for number in known for id in nodes[number - 1].sources]
    passages, remark = exhibits.cited([*support, *sources])
    remarks = [remark] if remark else []
    if unknown:
        remarks.append(f"cites memories that were not shown: {', '.join(unknown)}")
    if groundless:
        remarks.append(f"cites memories that name no passage: {', '.join(groundless)}")
    return passages, "; ".join(remarks)
