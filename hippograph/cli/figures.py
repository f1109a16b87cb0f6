"""How shares, intervals and differences are written in tables for people: in per cent and points."""

from __future__ import annotations

from typing import Final

from hippograph.evaluation.bootstrap import Interval
from hippograph.evaluation.differences import Difference

__all__ = ["LEVEL", "per_cent", "range_of", "stacked", "told"]

LEVEL: Final = 0.05
"""Differences with a p-value below this are marked."""


def per_cent(share: float) -> str:
    """Write a share.

    Examples
    --------
    >>> per_cent(0.5)
    '50.0'
    """
    return f"{100 * share:.1f}"


def range_of(interval: Interval) -> str:
    """Write an interval of a share.

    Examples
    --------
    >>> range_of(Interval(low=0.25, high=0.5))
    '25.0-50.0'
    """
    return f"{per_cent(interval.low)}-{per_cent(interval.high)}"


def told(difference: Difference) -> str:
    """Write a difference in points, its interval and its corrected p-value, one below the other.

    Examples
    --------
    >>> told(Difference(mean=0.1, interval=Interval(low=-0.05, high=0.25), p_value=0.1, adjusted=0.2)).split()
    ['+10.0', '-5.0', '+25.0', 'p=0.200']
    """
    interval = difference.interval
    ends = "" if interval is None else f"{100 * interval.low:+.1f} {100 * interval.high:+.1f}"
    p_value = "p<.001" if difference.adjusted < 0.001 else f"p={difference.adjusted:.3f}"
    return stacked(f"{100 * difference.mean:+.1f}", ends, p_value)


def stacked(*lines: str) -> str:
    """Put what is not empty one below the other."""
    return "\n".join(line for line in lines if line)
