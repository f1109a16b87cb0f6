"""Labels that fit: how wide a text is, and what of it has room."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["fitted", "readable", "share", "width"]

_SPACES: Final = re.compile(r"\s+")
_NARROW: Final = frozenset("iIjlft.,:;'|!()[]{}-/ r")
_BROAD: Final = frozenset("mwMWQO@%—…")
_DIRECTIONS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def readable(text: str) -> str:
    r"""Leave out what would not be shown but obeyed: controls, and overrides of the direction of writing.

    Examples
    --------
    >>> readable("a\x00b\u202ec\n d")
    'a�bc d'
    """
    spaced = _SPACES.sub(" ", text)
    return "".join(
        "\ufffd" if unicodedata.category(sign) in {"Cc", "Cs"} else sign for sign in spaced if sign not in _DIRECTIONS
    )


def width(text: str, *, size: float) -> float:
    """Estimate how wide a text is in a broad sans-serif font, rather too wide than too narrow.

    Parameters
    ----------
    text
        The text.
    size
        Height of the font; the result has the same unit.

    Examples
    --------
    >>> width("il", size=10) < width("ab", size=10) < width("MW", size=10) <= width("北京", size=10)
    True
    """
    return size * sum(map(_ems, text))


def _ems(sign: str) -> float:
    if unicodedata.combining(sign) or unicodedata.category(sign) in {"Mn", "Me", "Cf"}:
        return 0.0
    if unicodedata.east_asian_width(sign) in {"W", "F"}:
        return 1.05
    if sign in _NARROW:
        return 0.42
    if sign in _BROAD:
        return 1.0
    return 0.75 if sign.isupper() else 0.66


def fitted(text: str, *, size: float, room: float, lines: int = 2) -> list[str]:
    """Break a text into lines that fit, and cut it where it does not.

    Parameters
    ----------
    text
        The text.
    size, room
        Height of the font, and how wide a line may be, in the same unit.
    lines
        How many lines, at most.

    Examples
    --------
    >>> fitted("Bertha, daughter of Lothair II", size=10, room=110)
    ['Bertha, daughter of', 'Lothair II']
    >>> fitted("Donaudampfschifffahrtsgesellschaft", size=10, room=100, lines=1)
    ['Donaudampfsch…']
    """
    words = readable(text).split()
    broken: list[str] = []
    while words and len(broken) < lines - 1:
        line = words.pop(0)
        while words and width(f"{line} {words[0]}", size=size) <= room:
            line = f"{line} {words.pop(0)}"
        head = line if width(line, size=size) <= room else _cut(line, size=size, room=room)
        words = [line[len(head) :], *words] if head != line else words
        broken.append(head)
    last = " ".join(words)
    if width(last, size=size) > room:
        last = _cut(last, size=size, room=room - width("…", size=size)).rstrip() + "…"
    return [*broken, last] if last else broken


def _cut(text: str, *, size: float, room: float) -> str:
    """Take as many signs as have room, one at least, and no base without its marks."""
    end = 1
    while end < len(text) and width(text[: end + 1], size=size) <= room:
        end += 1
    while end > 1 and end < len(text) and _ems(text[end]) == 0.0:
        end -= 1
    return text[:end]


def share(value: float) -> str:
    """Write a share of 1 in percent.

    Examples
    --------
    >>> share(0.1234), share(0.000213), share(1e-9), share(0.0), share(1.0)
    ('12.3%', '0.021%', '< 0.001%', '0%', '100%')
    """
    percent = 100.0 * value
    if percent <= 0:
        return "0%"
    if percent < 0.1:
        return f"{percent:.2g}%" if percent >= 0.001 else "< 0.001%"
    return f"{percent:.0f}%" if percent >= 99.95 else f"{percent:.1f}%"
