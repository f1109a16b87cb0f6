"""What a Markdown text is called: its first heading."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["first_heading"]

_TITLE_CHARACTERS = 200  # bounds the work of the patterns below; a longer heading is cut
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_SETEXT = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_NOT_A_PARAGRAPH = re.compile(r"\s*$| {4}| {0,3}(?:\t|[<>|]|[-+*][ \t]|\d+[.)][ \t]|(?:[-*_][ \t]*){3,}$)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|\*|`)(.+?)\1")


def first_heading(text: str) -> str:
    r"""Return the first ATX heading, or setext heading of one line, outside front matter and fenced code.

    Links and emphasis in it are reduced to their text, and it is cut at 200 characters.

    Parameters
    ----------
    text
        Markdown whose lines end in newlines.

    Returns
    -------
    The empty string if there is none.

    References
    ----------
    CommonMark 0.31, sections 4.2 (ATX headings), 4.3 (setext headings) and 4.5 (fenced code blocks).

    Examples
    --------
    >>> first_heading("Preface.\n\n## The *old* [town](town.md)\n")
    'The old town'
    """
    fence, before, above = "", "", ""
    for line in _after_front_matter(text.split("\n")):
        marker = _FENCE.match(line)
        if fence:
            closes = marker is not None and marker[1].startswith(fence) and line.strip() == marker[1]
            fence = "" if closes else fence
            continue
        if marker:
            fence, before, above = marker[1], "", ""
            continue
        underlines = _SETEXT.fullmatch(line) and not before.strip() and not _NOT_A_PARAGRAPH.match(above)
        heading = _unmarked(above if underlines else _atx_heading(line))
        if heading:
            return heading
        before, above = above, line
    return ""


def _after_front_matter(lines: Sequence[str]) -> Sequence[str]:
    if lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], start=1):
            if line.rstrip() in ("---", "..."):
                return lines[number + 1 :]
    return lines


def _atx_heading(line: str) -> str:
    content = line.lstrip(" ")
    rest = content.lstrip("#")
    if len(line) - len(content) > 3 or not 1 <= len(content) - len(rest) <= 6 or rest[:1] not in (" ", "\t"):
        return ""
    rest = rest.rstrip()
    unclosed = rest.rstrip("#")
    return unclosed if unclosed[-1:] in (" ", "\t") else rest


def _unmarked(heading: str) -> str:
    return " ".join(_EMPHASIS.sub(r"\2", _LINK.sub(r"\1", heading.strip()[:_TITLE_CHARACTERS])).split())
