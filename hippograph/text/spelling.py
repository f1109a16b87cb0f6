"""Spelling: what two ways of writing one word have in common, and how far apart two words are.

Keys (`normalization`) are what a name is; the forms here are looser, and only ever lead from a query to names.
"""

from __future__ import annotations

from typing import Final

from hippograph.text.normalization import fold_diacritics

__all__ = ["ARTICLES", "edit_distance", "singular", "word_form"]

ARTICLES: Final = frozenset({"the", "a", "an"})
"""Words that a name may begin with or not."""

_LETTERLESS: Final = str.maketrans("", "", "'.&")
_SHORTENED: Final = {"and": "", "st": "saint", "mt": "mount", "ft": "fort"}
_ROMAN: Final = {
    f"{tens}{ones}": str(10 * count + number)
    for count, tens in enumerate(("", "x", "xx", "xxx"))
    for number, ones in enumerate(("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"))
    if tens or ones
}
_SHORTEST_PLURAL: Final = 4


def word_form(word: str) -> str:
    """Return what the ways of writing a word have in common, which may be nothing at all.

    Diacritics, apostrophes and dots go, Roman numerals up to 39 become Arabic ones, `and` and `&` vanish, and a few
    short forms in names of places are written out. The form of a form is itself.

    Parameters
    ----------
    word
        A normalised token.

    Examples
    --------
    >>> [word_form(word) for word in ("łódź", "o'neill", "ii", "at&t", "and", "st", "c++")]
    ['lodz', 'oneill', '2', 'att', '', 'saint', 'c++']
    """
    bare = fold_diacritics(word).translate(_LETTERLESS)
    return _SHORTENED.get(bare, _ROMAN.get(bare, bare))


def singular(form: str) -> str:
    """Return a form without the `s` of a plural, or of a possessive whose apostrophe was left out.

    Examples
    --------
    >>> singular("kennedys"), singular("gods"), singular("ross"), singular("gas")
    ('kennedy', 'god', 'ross', 'gas')
    """
    plural = len(form) >= _SHORTEST_PLURAL and form.endswith("s") and not form.endswith("ss")
    return form[:-1] if plural else form


def edit_distance(first: str, second: str, *, most: int) -> int:
    """Count the letters to put in, take out, replace or exchange with a neighbour to make one word of another.

    Parameters
    ----------
    first, second
        The words.
    most
        What is looked for; greater distances are all `most + 1`.

    References
    ----------
    F. J. Damerau, A technique for computer detection and correction of spelling errors (1964); the restricted form,
    in which no letter takes part in two exchanges.

    Examples
    --------
    >>> edit_distance("micheal", "michael", most=2), edit_distance("khrushchov", "khrushchev", most=2)
    (1, 1)
    >>> edit_distance("oslo", "rome", most=2)
    3
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(second) + 1))
    for at, letter in enumerate(first, start=1):
        older, before, row = before, row, [at]
        for place, other in enumerate(second, start=1):
            cost = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != other))
            if at > 1 and place > 1 and letter == second[place - 2] and first[at - 2] == other:
                cost = min(cost, older[place - 2] + 1)
            row.append(cost)
        # An exchange of letters reaches back two rows.
        if min(row) > most and min(before) > most:
            return most + 1
    return min(row[-1], most + 1)
