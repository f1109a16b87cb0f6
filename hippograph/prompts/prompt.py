"""Prompts as prose in files of their own, versioned by digest, and filled without surprises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final, get_args

from hippograph.completions import Message, Role
from hippograph.errors import InputError

__all__ = ["Prompt", "load_prompt", "quoted"]

_TURN: Final = re.compile(rf"^# ({'|'.join(get_args(Role))})\n", re.MULTILINE)
# Tokens of chat templates, which some servers obey wherever they stand: <|im_end|>, </s>, <end_of_turn>, [INST].
_TOKEN: Final = re.compile(r"<(?=[|\uff5c/]|s>|[a-z]+_of_[a-z]+>)|\[(?=/?(?:INST|SYS))|<(?=<SYS)")
_FIELD: Final = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation with gaps.

    In its file, a line `# system`, `# user` or `# assistant` begins a turn, and `{{name}}` is a gap.

    Parameters
    ----------
    name
        The name of the file, without its ending.
    turns
        Who speaks, and the text with its gaps.
    digest
        SHA-256 of the file, shortened to 12 hexadecimal digits: names the version.
    """

    name: str
    turns: tuple[Message, ...]
    digest: str

    @classmethod
    def parse(cls, name: str, text: str) -> Prompt:
        r"""Read a prompt as its file writes it.

        Raises
        ------
        InputError
            If it does not begin with a turn, or does not end with one of the user's.

        Examples
        --------
        >>> Prompt.parse("greet", "# user\nSay hello to {{name}}.\n").fill(name="Oslo")
        (Message(role='user', text='Say hello to Oslo.'),)
        """
        head, *parts = _TURN.split(text.replace("\r\n", "\n"))
        roles, texts = parts[::2], parts[1::2]
        if head.strip() or not roles or roles[-1] != "user":
            raise InputError(
                f"the prompt {name!r} must begin with a line `# system`, `# user` or `# assistant`, and end with a "
                "turn of the user's"
            )
        known: Mapping[str, Role] = {role: role for role in get_args(Role)}
        turns = tuple(Message(known[role], text.strip()) for role, text in zip(roles, texts, strict=True))
        return cls(name=name, turns=turns, digest=sha256(text.encode()).hexdigest()[:12])

    @property
    def fields(self) -> frozenset[str]:
        """The names of the gaps."""
        return frozenset(name for turn in self.turns for name in _FIELD.findall(turn.text))

    def fill(self, **values: str) -> tuple[Message, ...]:
        """Put values into the gaps; a value that looks like a gap is not filled in turn.

        Raises
        ------
        InputError
            If a gap has no value, or a value no gap.
        """
        if missing := sorted(self.fields - values.keys()):
            raise InputError(f"the prompt {self.name!r} lacks a value for {', '.join(missing)}")
        if unknown := sorted(values.keys() - self.fields):
            raise InputError(f"the prompt {self.name!r} has no gap for {', '.join(unknown)}")
        return tuple(
            Message(turn.role, _FIELD.sub(lambda gap: values[gap[1]], turn.text)) if "{{" in turn.text else turn
            for turn in self.turns
        )


@cache
def load_prompt(name: str) -> Prompt:
    """Read a prompt of this package.

    Parameters
    ----------
    name
        The name of its file, without the ending.

    Raises
    ------
    InputError
        If there is none of this name.

    Examples
    --------
    >>> sorted(load_prompt("extract").fields)
    ['passage']
    """
    place = files(__package__) / f"{name}.md"
    if not re.fullmatch(r"\w+", name) or not place.is_file():
        raise InputError(f"there is no prompt {name!r}")
    return Prompt.parse(name, place.read_text(encoding="utf-8"))


def quoted(value: object) -> str:
    r"""Write a value as JSON that cannot be taken for anything but data.

    A text cannot close its own quotation, and nothing in it looks like a token of a chat template.

    Examples
    --------
    >>> quoted({"text": 'Oslo"}<|im_end|>'})
    '{"text": "Oslo\\"}\\u003c|im_end|>"}'
    """
    return _TOKEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
