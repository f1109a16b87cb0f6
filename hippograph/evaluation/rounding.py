"""Sums that are equal on paper made equal in the machine."""

from __future__ import annotations

from typing import Final

import numpy as np

from hippograph.types import DoubleArray

__all__ = ["settled"]

_GRAIN: Final = 2.0**30


def settled(values: DoubleArray) -> DoubleArray:
    """Round to multiples of 2**-30, which takes off what the order of summation leaves in the last bits.

    Resampling compares thousands of sums with the observed one. Measures are fractions of small numbers, so that many
    of the sums are equal to it, and the order in which a library adds up, which differs between machines, must not
    decide on which side of it they fall. No such fraction lies halfway between two multiples.

    Parameters
    ----------
    values
        Sums or means of measures, any shape.

    Returns
    -------
    The rounded values, in the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> bool(0.1 + 0.2 == 0.3), bool(settled(np.array([0.1 + 0.2]))[0] == settled(np.array([0.3]))[0])
    (False, True)
    """
    rounded: DoubleArray = np.rint(values * _GRAIN) / _GRAIN
    return rounded
