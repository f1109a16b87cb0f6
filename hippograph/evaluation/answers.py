"""Measures of an answer: whether it says what is expected, and whether it cites what it should rest on.

An answer is held against each of the acceptable ones, and the best value counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeAlias, get_args

from hippograph.errors import InputError

__all__ = [
    "CONVENTIONS",
    "Convention",
    "citation_precision",
    "citation_recall",
    "exact_match",
    "f1",
    "normalized_answer",
]

Convention: TypeAlias = Literal["squad", "musique"]
"""Whose program is followed where two of them differ."""

CONVENTIONS: Final[tuple[Convention, ...]] = get_args(Convention)

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def normalized_answer(text: str) -> str:
    """Take off what two answers may differ in and still say the same.

    Lower case; without ASCII punctuation, in whose place nothing is put; without the words `a`, `an` and `the`; single
    spaces. SQuAD's program, MuSiQue's and HotpotQA's do the same.

    References
    ----------
    P. Rajpurkar et al., SQuAD: 100,000+ questions for machine comprehension of text (EMNLP 2016), section 6.1.

    Examples
    --------
    >>> normalized_answer("The  Treaty of Rome, 1957-58!")
    'treaty of rome 195758'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, answers: Sequence[str]) -> float:
    """Tell whether an answer is an acceptable one; the programs of SQuAD and MuSiQue agree here.

    Parameters
    ----------
    text
        The answer.
    answers
        The acceptable ones.

    Returns
    -------
    1 or 0. What is empty when it is normalised matches what is empty too.

    Raises
    ------
    InputError
        If there is no acceptable answer.

    Examples
    --------
    >>> exact_match("the Anglican Communion.", ["Anglicanism", "Anglican Communion"])
    1.0
    """
    return max(float(normalized_answer(text) == answer) for answer in _normalized(answers))


def f1(text: str, answers: Sequence[str], *, convention: Convention = "squad") -> float:
    """Tell how much of an answer is in an acceptable one, and how much of that in it: the harmonic mean, in words.

    Parameters
    ----------
    text
        The answer.
    answers
        The acceptable ones.
    convention
        The programs differ only where an answer is empty, or consists of articles and punctuation. For SQuAD's (of
        version 1.1, which HippoRAG uses too) it has no word in common with any other; for MuSiQue's, as for that of
        SQuAD 2.0, two such answers agree. So an answer that matches exactly may have 0 in the first, but not in the
        second. HotpotQA's and 2WikiMultihopQA's programs would also give 0 to an answer that has more words than `yes`
        or `no` where these are expected.

    Returns
    -------
    The best value, 0 to 1.

    Raises
    ------
    InputError
        If there is no acceptable answer, or no such convention.

    References
    ----------
    P. Rajpurkar et al., SQuAD: 100,000+ questions for machine comprehension of text (EMNLP 2016), section 6.1.
    H. Trivedi et al., MuSiQue: multihop questions via single-hop question composition (TACL 2022); `metrics/answer.py`
    of its program.

    Examples
    --------
    >>> f1("Karl Renner of Austria", ["Renner", "Karl Renner"])
    0.666...
    >>> f1("", ["The"]), f1("", ["The"], convention="musique")
    (0.0, 1.0)
    """
    if convention not in CONVENTIONS:
        raise InputError(f"there is no convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
    words = normalized_answer(text).split()
    return max(_overlap(words, answer.split(), convention) for answer in _normalized(answers))


def citation_precision(cited: Collection[str], gold: Collection[str]) -> float:
    """Share of what is cited that is gold; 0 if nothing is cited.

    Parameters
    ----------
    cited
        Ids of what the answer cites.
    gold
        Ids of what it should rest on, at least one.

    Examples
    --------
    >>> citation_precision(["a", "x"], ["a", "b", "c"])
    0.5
    """
    distinct = set(cited)
    return len(distinct.intersection(gold)) / len(distinct) if distinct else 0.0


def citation_recall(cited: Collection[str], gold: Collection[str]) -> float:
    """Share of the gold that is cited.

    Parameters
    ----------
    cited
        Ids of what the answer cites.
    gold
        Ids of what it should rest on, at least one.

    Raises
    ------
    InputError
        If there is no gold.

    Examples
    --------
    >>> citation_recall(["a", "x"], ["a", "b", "c", "d"])
    0.25
    """
    wanted = set(gold)
    if not wanted:
        raise InputError("there is no gold, so no share of it; give what should be cited")
    return len(wanted.intersection(cited)) / len(wanted)


def _normalized(answers: Sequence[str]) -> list[str]:
    if not answers:
        raise InputError("there is no acceptable answer to hold one against; give at least one")
    return [normalized_answer(answer) for answer in answers]


def _overlap(words: Sequence[str], wanted: Sequence[str], convention: Convention) -> float:
    if not words or not wanted:
        return float(convention == "musique" and not words and not wanted)
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted))
