"""Words that say the same of somebody in a question and in a sentence: director and directed, die and death.

A light stemmer joins what differs in its ending; a small table joins what English tells with other words. Only words
that ask for facts are in it; all other words meet as they are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["family"]

_FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    ("death", "die dies died dying death dead deceased killed d murdered executed drowned assassinated suicide"),
    ("birth", "born birth births birthplace birthday b née nee native older younger oldest youngest age aged"),
    ("marriage", "husband wife spouse married marries marry marriage wed wedded widow widower partner consort"),
    ("parent", "father mother parent parents son daughter child children stepmother stepfather"),
    ("grandparent", "grandfather grandmother grandparent grandson granddaughter grandchild"),
    ("sibling", "brother sister sibling siblings brothers sisters"),
    ("write", "write writes wrote written writer writers author authors authored novelist screenplay"),
    ("sing", "sing sings sang sung singer vocalist performer performed performs recorded"),
    ("win", "win wins won winner winners winning awarded award awards receive receives received"),
    ("publish", "publish published publisher publishes publication released release releases premiered"),
    ("found", "founded founder founders founding formed formation established establishment created creator"),
    ("own", "own owns owned owner owners"),
    ("lead", "lead leads led leader head heads headed"),
    ("teach", "teach taught teacher professor"),
    ("study", "study studied studies educated education graduated graduate attended alma university college school"),
    ("live", "live lived lives living resident resides residence"),
    ("locate", "located location lies situated locate"),
    ("country", "country nation nationality citizen citizenship"),
    ("play", "play played plays playing player portrayed portrays starred stars starring star cast role"),
    ("make", "make made makes maker manufactured produced produces producer production"),
    ("build", "build built builder constructed construction opened"),
    ("begin", "begin began begun begins start started starts starting beginning"),
    ("end", "end ended ends ending dissolved abolished"),
    ("work", "work worked works working employed employer occupation job"),
    ("know", "known famous"),
    ("population", "population inhabitants residents"),
    ("bury", "bury buried burial interred tomb"),
)  # fmt: skip
_TABLE: Final = {word: name for name, words in _FAMILIES for word in words.split()}
_ENDINGS: Final = (
    "ations", "ation", "ments", "ment", "tions", "tion", "sions", "sion", "ings", "ing", "ers", "ors", "er", "or",
    "ies", "ied", "ed", "es", "s", "e", "y",
)  # fmt: skip
_SHORTEST_STEM: Final = 4


@lru_cache(maxsize=65536)
def family(word: str) -> str:
    """Return what stands for a normalised word and those that say the same.

    Examples
    --------
    >>> family("director"), family("directed"), family("died"), family("death"), family("oslo")
    ('direct', 'direct', 'death', 'death', 'oslo')
    """
    known = _TABLE.get(word)
    if known is not None:
        return known
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word
