"""What a reader asks of a model: material first, the task last, so that a server can keep what prompts have in common.

All tasks share the words of the system, and material is told in the order that changes least: the question, passages,
notes. A server that keeps the beginnings of prompts computes these once for a reading.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hippograph.completions import Message, ModelRequest, Sampling
from hippograph.prompts.prompt import load_prompt, quoted

__all__ = [
    "AnswerReply",
    "Line",
    "Number",
    "Numbers",
    "TaskRequest",
    "Texts",
    "listed",
    "one_line",
    "printable",
    "task_messages",
    "task_request",
]

# What moves a terminal's cursor, or colours what follows: ECMA-48, control sequences.
_TERMINAL: Final = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_FORMATTING: Final = frozenset({"Cc", "Cf", "Cs"})
# Joiners, without which Persian and Indic words are spelt wrong, and signs that are seen.
_SEEN: Final = frozenset("\n\t\u200c\u200d\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd").union(
    map(chr, range(0x600, 0x606))
)
_MOST_TEXTS: Final = 3
_MOST_LISTED: Final = 5
_LONGEST_NUMBER: Final = 9

Number: TypeAlias = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": 9999})]
"""The number of something that was shown. The server is told an end, for small models find none."""

Numbers: TypeAlias = Annotated[list[Number], Field(json_schema_extra={"maxItems": 20})]
"""Numbers of passages, with an end, too; what is beyond it is not refused."""


def printable(text: str) -> str:
    r"""Return a text without what is not seen, but does something to a terminal or to the direction of writing.

    Examples
    --------
    >>> printable("\x1b[31mOs\u202elo\x07\n\u0645\u06cc\u200c\u062e") == "Oslo\n\u0645\u06cc\u200c\u062e"
    True
    """
    text = _TERMINAL.sub("", text)
    return "".join(letter for letter in text if letter in _SEEN or unicodedata.category(letter) not in _FORMATTING)


def one_line(text: str) -> str:
    r"""Return a text with all its spaces and line breaks as single spaces, and without what is not seen.

    Examples
    --------
    >>> one_line(" In\r\nOslo,\x1b[1m\tNorway\x00 ")
    'In Oslo, Norway'
    """
    return " ".join(printable(" ".join(text.split())).split())


def listed(items: Sequence[int | str]) -> str:
    """Tell what a model has named: the first few, and how many more there are.

    Examples
    --------
    >>> listed([7, 8]), listed([10**4000, *range(6)])
    ('7, 8', 'a number of over 9 digits, 0, 1, 2, 3, and 2 more')
    """
    told = [item if isinstance(item, str) else _numeral(item) for item in items[:_MOST_LISTED]]
    return ", ".join([*told, f"and {len(items) - _MOST_LISTED} more"] if len(items) > _MOST_LISTED else told)


def _numeral(number: int) -> str:
    # Python refuses to write numbers of more than some thousand digits.
    return str(number) if abs(number) < 10**_LONGEST_NUMBER else f"a number of over {_LONGEST_NUMBER} digits"


def _few(texts: list[str]) -> list[str]:
    return [line for text in texts if (line := one_line(text))][:_MOST_TEXTS]


Line: TypeAlias = Annotated[str, AfterValidator(one_line)]
"""What a model says, in one line."""

Texts: TypeAlias = Annotated[list[str], AfterValidator(_few), Field(json_schema_extra={"maxItems": _MOST_TEXTS})]
"""A few questions or phrases, each in one line; the server is told how many, and what is beyond that is dropped."""


class AnswerReply(BaseModel):
    """What the model is to say to the task `answer`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: Line
    support: Numbers
    sufficient: bool


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
