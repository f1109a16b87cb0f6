"""What the writing systems differ in, as ranges of characters."""

from __future__ import annotations

import re

__all__ = ["UNSPACED_RANGES", "join_unspaced", "unspaced_class", "within"]

Ranges = tuple[tuple[int, int], ...]

UNSPACED_RANGES: Ranges = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x30FF),
    (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
"""First and last characters of the scripts written without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""


def within(code: int, ranges: Ranges) -> bool:
    """Whether a code point lies in one of the ranges.

    Examples
    --------
    >>> within(ord("京"), UNSPACED_RANGES), within(ord("к"), UNSPACED_RANGES)
    (True, False)
    """
    return any(first <= code <= last for first, last in ranges)


def unspaced_class() -> str:
    """Return the inside of a regular expression's character class that holds the unspaced scripts.

    Examples
    --------
    >>> import re
    >>> re.findall(f"[{unspaced_class()}]", "Tokyo 東京")
    ['東', '京']
    """
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_RANGES)


def join_unspaced(key: str) -> str:
    """Write a normalised name without the spaces that its script does not write.

    Examples
    --------
    >>> join_unspaced("北 京 dance")
    '北京 dance'
    """
    return key if key.isascii() else _BETWEEN.sub("", key)


_BETWEEN = re.compile(f"(?<=[{unspaced_class()}]) (?=[{unspaced_class()}])")
