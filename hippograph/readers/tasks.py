"""What a reader asks of a model: material first, the task last, so that a server can keep what prompts have in common.

All tasks share the words of the system, and material is told in the order that changes least: the question, passages,
notes. A server that keeps the beginnings of prompts computes these once for a reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hippograph.completions import Message, ModelRequest, Sampling
from hippograph.prompts.prompt import load_prompt, quoted

__all__ = ["AnswerReply", "Number", "Numbers", "TaskRequest", "Texts", "one_line", "task_messages", "task_request"]

Number: TypeAlias = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 9999})]
"""The number of something that was shown. The server is told an end, for small models find none."""

Numbers: TypeAlias = Annotated[list[Number], Field(json_schema_extra={"maxItems": 20})]
"""Numbers of passages, with an end, too; what is beyond it is not refused."""

Texts: TypeAlias = Annotated[list[str], Field(json_schema_extra={"maxItems": 3})]
"""A few questions or phrases."""


def one_line(text: str) -> str:
    """Return a text with all its spaces and line breaks as single spaces."""
    return " ".join(text.split())


class AnswerReply(BaseModel):
    """What the model is to say to the task `answer`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: str
    support: Numbers
    sufficient: bool

    @field_validator("answer")
    @classmethod
    def _one_line(cls, answer: str) -> str:
        return one_line(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest(ModelRequest):
    """The request for a task, which knows what it is made of.

    Parameters
    ----------
    task
        The name of its prompt.
    material
        What it is about.
    """

    task: str
    material: Mapping[str, object] = field(compare=False, repr=False)


def task_request(
    task: str, material: Mapping[str, object], *, schema: type[BaseModel], sampling: Sampling
) -> TaskRequest:
    """Make the request for a task.

    Parameters
    ----------
    task
        The name of its prompt.
    material
        What it is about, as JSON values; the order is kept.
    schema
        What the model is to answer.
    sampling
        How the model chooses its words.

    Raises
    ------
    InputError
        If there is no such prompt.

    Examples
    --------
    >>> request = task_request("answer", {"question": "Who?"}, schema=AnswerReply, sampling=Sampling())
    >>> request.messages[-1].text.splitlines()[2][:30]
    'Task: answer the question. Ans'
    """
    messages = task_messages(task, material)
    return TaskRequest(task=task, material=material, messages=messages, schema=schema, sampling=sampling)


def task_messages(task: str, material: Mapping[str, object]) -> tuple[Message, ...]:
    """Return what is said to the model for a task."""
    words = load_prompt(task).turns[-1].text
    return load_prompt("reading").fill(material=quoted(material), task=words)
