"""Phrases as HippoRAG normalises them: for repeating what it does, not for anything else.

Everything outside of ASCII is lost: all Chinese names become one, and "C++" becomes "C".
`hippograph.text.normalization` is what indexes use.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["normalize_ascii"]

_OTHER: Final = re.compile("[^A-Za-z0-9 ]")


def normalize_ascii(phrase: str) -> str:
    """Put a phrase in lower case and a space in place of all but ASCII letters, digits and spaces; strip its ends.

    References
    ----------
    Gutiérrez et al., HippoRAG (NeurIPS 2024), in whose program this is `processing_phrases`.

    Examples
    --------
    >>> normalize_ascii("St. Olaf's "), normalize_ascii("C++"), normalize_ascii("北京")
    ('st  olaf s', 'c', '')
    """
    return _OTHER.sub(" ", phrase.lower()).strip()
