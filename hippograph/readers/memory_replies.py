"""What the model is to say to the tasks of a memory reader, and which passages that rests on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache

from pydantic import BaseModel, ConfigDict, create_model

from hippograph.readers.exhibits import Exhibits
from hippograph.readers.memory_pool import Layer, MemoryPool
from hippograph.readers.tasks import AnswerReply, Line, Numbers, Texts, listed
from hippograph.types import MemoryNode, Passage

__all__ = ["AttemptReply", "CueReply", "FusionReply", "ProbeReply", "SecondAttemptReply", "cited", "cue_schema"]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AttemptReply(AnswerReply):
    """What the model is to say to the task `attempt`."""

    probes: Texts


class SecondAttemptReply(_Reply):
    """What the model is to say to the task `attempt_again`: first what it makes of its memories."""

    summary: Line
    answer: Line
    memories: Numbers
    support: Numbers
    sufficient: bool
    probes: Texts


class ProbeReply(_Reply):
    """What the model is to say to the task `probe`."""

    probes: Texts


class FusionReply(_Reply):
    """What the model is to say to the task `fuse`."""

    summary: Line


class CueReply(_Reply):
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
    fields: dict[str, object] = dict.fromkeys(layers, (Line, ...))
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
        The numbers of those that were to be shown; of these, those that were sent count.

    Returns
    -------
    The passages, in the order of their numbers, each once; and a remark about numbers that nothing has, which are
    dropped, and memories that rest on no passage.
    """
    nodes: tuple[MemoryNode, ...] = () if pool is None else pool.nodes
    wanted = sorted(set(memories))
    known = [number for number in wanted if number in shown and number in exhibits.memories]
    unknown = [number for number in wanted if number not in known]
    groundless = [number for number in known if not nodes[number - 1].sources]
    numbers = {passage.id: number for number, passage in enumerate(exhibits.passages, start=1)}
    sources = [numbers[id] for number in known for id in nodes[number - 1].sources]
    passages, remark = exhibits.cited([*support, *sources])
    remarks = [remark] if remark else []
    if unknown:
        remarks.append(f"cites memories that were not shown: {listed(unknown)}")
    if groundless:
        remarks.append(f"cites memories that name no passage: {listed(groundless)}")
    return passages, "; ".join(remarks)
