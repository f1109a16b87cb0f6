"""HTML and SVG that cannot be broken out of: text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape

from hippograph.retrieve.drawing.lettering import readable

__all__ = ["Markup", "element"]


class Markup(str):
    """Text that is HTML or SVG; only `element` makes it out of other text."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """Write an element.

    Parameters
    ----------
    name
        Its name.
    content
        What it contains: markup as it is, other text escaped.
    attributes
        Their names, in which `_` stands for `-` and a last one is dropped; numbers are rounded to a tenth of a
        thousandth, and those that are None are left out.

    Examples
    --------
    >>> element("p", "a < b", element("b", "c"), class_="note")
    '<p class="note">a &lt; b<b>c</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(part if isinstance(part, Markup) else escape(readable(part)) for part in content)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def _value(value: str | float) -> str:
    return escape(readable(value)) if isinstance(value, str) else f"{round(value, 4):g}"
