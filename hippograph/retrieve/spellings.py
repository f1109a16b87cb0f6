"""Names that a query writes otherwise than the index does: other spellings, and misspellings.

What is wanted is precision: a wrong link leads the walk astray, a missed one leaves it to the dense seeds. So what a
name shares with the query decides how much else must speak for it: capitals, several words, and words that the index
does not know at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from hippograph.retrieve.name_table import NameTable, SpanHash
from hippograph.retrieve.query_words import Mention, QueryWords, best_apart
from hippograph.text.function_words import is_grammar
from hippograph.text.normalization import fold_diacritics
from hippograph.text.spelling import ARTICLES, edit_distance, singular, word_form
from hippograph.types import IntArray

__all__ = ["loosely_spelt", "misspelt"]

_LONGEST_SPAN: Final = 12
# How sure a name is that differs in diacritics, hyphens, numerals; in a plural; by an edit; and by each further one.
_SAME_FORM: Final = 0.95
_SAME_STEM: Final = 0.85
_EDITED: Final = 0.9
_EDITED_ALONE: Final = 0.8
_PER_EDIT: Final = 0.1
_SHORT: Final = 3
_LONG: Final = 6
# One edit makes another word of most shorter ones, two of longer ones; the more so where no other word is in the name.
_ONE_EDIT: Final = 4
_TWO_EDITS: Final = 8
_EXCHANGE_ALONE: Final = 5
_ONE_EDIT_ALONE: Final = 7
_TWO_EDITS_ALONE: Final = 10
# A known word is the misspelling of one only if that is so much more frequent.
_RARER: Final = 8
_OPTIONS: Final = 4
_READINGS: Final = 3


def _letters(words: Sequence[str], *, singulars: bool) -> str:
    forms = [word_form(word) for word in words]
    return "".join(map(singular, forms) if singulars else forms)


def _name_words(key: str) -> list[str]:
    words = key.split(" ")
    return words[1:] if len(words) > 1 and words[0] in ARTICLES else words


def loosely_spelt(query: QueryWords, table: NameTable, taken: Sequence[Mention]) -> list[Mention]:
    """Add names that the query writes with other diacritics, hyphens, spaces, numerals or plurals.

    Parameters
    ----------
    query
        The query.
    table
        The names.
    taken
        What was found by then; a longer name takes the place of those that it holds.

    Returns
    -------
    What was found by now, in the order of the query.
    """
    hashed = [SpanHash.of(singular(word_form(key))) for key in query.keys]
    known = {(mention.first, mention.last) for mention in taken}
    spans = [span for span in _spans(query, hashed) if span[:2] not in known]
    found = []
    for (first, last, _), entities in zip(spans, table.spelt_like([span[2] for span in spans]), strict=True):
        if len(entities):
            found += _judged(query, table, first, last, entities)
    found.sort(key=lambda mention: (mention.first - mention.last, -mention.confidence, mention.first))
    return best_apart(taken, found)


def _is_edge(word: str) -> bool:
    """Whether a name may begin or end with a word when articles and "and" do not count."""
    return word not in ARTICLES and word_form(word) != ""


def _spans(query: QueryWords, hashed: Sequence[SpanHash]) -> Iterator[tuple[int, int, int]]:
    edges = [_is_edge(key) for key in query.keys]
    for first in range(len(hashed)):
        if not edges[first]:
            continue
        whole = SpanHash()
        for last in range(first, min(len(hashed), first + _LONGEST_SPAN)):
            whole = whole.then(hashed[last])
            if edges[last] and query.whole(first, last + 1):
                yield first, last + 1, whole.value


def _judged(query: QueryWords, table: NameTable, first: int, last: int, entities: IntArray) -> list[Mention]:
    """Return the name with the form of some words that is most like them, if it may be meant."""
    words = query.keys[first:last]
    exact, loose = _letters(words, singulars=False), _letters(words, singulars=True)
    ranked = []
    for entity in entities.tolist():
        name = _name_words(table.keys[entity])
        if _letters(name, singulars=True) == loose and not is_grammar(table.keys[entity]):
            plural = _letters(name, singulars=False) != exact
            # Where the words are cut, whatever is joined or left out; "and" is left out.
            cut = [form for word in words if (form := singular(word_form(word)))]
            moved = cut != [form for word in name if (form := singular(word_form(word)))]
            article = _article(query, first, table.keys[entity])
            ranked.append((plural, moved, article, -int(table.passages[entity]), entity))
    for plural, moved, article, _, entity in sorted(ranked):
        if _plausible(query, table, first, last, plural=plural, moved=moved, name=table.keys[entity]):
            sure = _SAME_STEM if plural else _SAME_FORM
            start = first - 1 if article == 0 else first
            return [Mention(first=start, last=last, entity=entity, confidence=sure, reason="spelling")]
    return []


def _plausible(
    query: QueryWords, table: NameTable, first: int, last: int, *, plural: bool, moved: bool, name: str
) -> bool:
    """Whether words that have the form of a name may be that name."""
    words = query.keys[first:last]
    strange = not all(map(table.is_word, words))
    grammar = query.grammar[first:last]
    if moved and (sum(map(len, words)) < _LONG or grammar[0] or grammar[-1] or (any(grammar) and not strange)):
        return False
    if len(words) == 1:
        same = fold_diacritics(words[0]) == fold_diacritics(name)
        if strange:
            alone = not query.within_name(first, last) and (not plural or len(name) < len(words[0]))
            return len(words[0]) >= _SHORT and (same or alone)
        # A word that the texts know is a name that differs in its accents, where a capital says that it is one.
        return same and first > 0 and query.cased and query.capital[first]
    if plural:
        capital = query.cased and query.capital[first] and query.capital[last - 1]
        return capital or (not query.cased and strange)
    return not moved or not query.cased or query.capital[first]


@dataclass(frozen=True, slots=True)
class _Option:
    """A word that may have been meant: how many edits away, and its form."""

    word: str
    distance: int
    hashed: SpanHash


def misspelt(query: QueryWords, table: NameTable, taken: Sequence[Mention]) -> list[Mention]:
    """Add names that the query writes with letters put in, left out, replaced or exchanged.

    Parameters
    ----------
    query
        The query.
    table
        The names.
    taken
        What was found by then; a longer name takes the place of those that it holds.

    Returns
    -------
    What was found by now, in the order of the query. Names equally near are all there, each less sure.
    """
    options = {place: found for place in _suspects(query, table, taken) if (found := _options(query, table, place))}
    if not options:
        return list(taken)
    corrected: list[tuple[int, Mention]] = []
    for first, last in _spans_over(query, options, taken):
        corrected += _corrected(query, table, first, last, options)
    corrected.sort(key=lambda pair: (pair[1].first - pair[1].last, pair[0], pair[1].first, pair[1].entity))
    return best_apart(taken, [mention for _, mention in corrected])


def _suspects(query: QueryWords, table: NameTable, taken: Sequence[Mention]) -> list[int]:
    """List the words that may be misspelt parts of names."""
    longer = {
        place for mention in taken if mention.last - mention.first > 1 for place in range(mention.first, mention.last)
    }
    alone = {mention.first for mention in taken} - longer
    found = []
    for place, word in enumerate(query.keys):
        if place in longer or query.grammar[place] or len(word) < _ONE_EDIT or not word.isalpha():
            continue
        beside = any(0 <= other < len(query.keys) and query.capital[other] for other in (place - 1, place + 1))
        in_run = query.cased and query.capital[place] and beside
        if in_run or (place not in alone and not table.is_word(word)):
            found.append(place)
    return found


def _options(query: QueryWords, table: NameTable, place: int) -> list[_Option]:
    """List the words of names that a word may be a misspelling of, the likeliest first."""
    word = query.keys[place]
    known = table.is_word(word)
    if known and len(word) < _LONG:
        return []
    most = 1 if known or len(word) < _TWO_EDITS else 2
    near = [
        (distance, -table.frequency(other), other)
        for other, distance in table.similar_words(word, most=most)
        if (other[0] == word[0] or (distance == 1 and len(word) >= _LONG)) and not _inflected(word, other)
    ]
    if known:
        least = _RARER * max(1, table.frequency(word))
        near = [option for option in near if -option[1] >= least]
    return [
        _Option(other, distance, SpanHash.of(singular(word_form(other))))
        for distance, _, other in sorted(near)[:_OPTIONS]
    ]


def _inflected(one: str, other: str) -> bool:
    """Whether one word is the other with an ending: a Prussian is not a misspelt Prussia, nor Pauli a misspelt Paul."""
    short, long = sorted((fold_diacritics(one), fold_diacritics(other)), key=len)
    return long.startswith(short) and long[len(short) :] not in ("", short[-1])


def _spans_over(
    query: QueryWords, options: dict[int, list[_Option]], taken: Sequence[Mention]
) -> Iterator[tuple[int, int]]:
    """Yield the spans that hold a suspect, and no part of a mention without the whole."""
    edges = [_is_edge(key) for key in query.keys]
    inside = {place for mention in taken for place in range(mention.first + 1, mention.last)}
    for first in range(len(query.keys)):
        for last in range(first + 1, min(len(query.keys), first + _LONGEST_SPAN) + 1):
            places = range(first, last)
            if not any(place in options for place in places) or first in inside or last in inside:
                continue
            if not (edges[first] and edges[last - 1] and query.whole(first, last)):
                continue
            # Among capitals, names are written in them.
            small = [place for place in places if query.text[query.words[place].start].islower()]
            if not query.cased or all(query.grammar[place] or place in options for place in small):
                yield first, last


def _corrected(
    query: QueryWords, table: NameTable, first: int, last: int, options: dict[int, list[_Option]]
) -> list[tuple[int, Mention]]:
    """List the names that some words are with the fewest edits, and how many those are."""
    places = range(first, last)
    suspects = [place for place in places if place in options]
    if len(suspects) > 2:
        return []
    kept = {
        place: _Option(query.keys[place], 0, SpanHash.of(singular(word_form(query.keys[place])))) for place in places
    }
    ways = []
    for choice in product(*([*options[place], *([kept[place]] if len(suspects) > 1 else [])] for place in suspects)):
        chosen = kept | dict(zip(suspects, choice, strict=True))
        cost = sum(option.distance for option in choice)
        if cost and (last - first > 1 or _worth(query, table, first, last, choice[0])):
            whole = SpanHash()
            for place in places:
                whole = whole.then(chosen[place].hashed)
            ways.append((cost, whole.value, [chosen[place].word for place in places]))
    found: dict[int, tuple[int, bool, int]] = {}
    for (cost, _, words), entities in zip(ways, table.spelt_like([way[1] for way in ways]), strict=True):
        loose, exact = _letters(words, singulars=True), _letters(words, singulars=False)
        for entity in entities.tolist():
            name = _name_words(table.keys[entity])
            if _letters(name, singulars=True) == loose:
                rank = (cost, _letters(name, singulars=False) != exact, _article(query, first, table.keys[entity]))
                found[entity] = min(rank, found.get(entity, rank))
    return _readings(query, found, first, last, table)


def _article(query: QueryWords, first: int, key: str) -> int:
    """Rank names that begin with the article before some words, with none, and with another one."""
    article = key.split(" ", 1)[0]
    if article not in ARTICLES or article == key:
        return 1
    return 0 if first and query.keys[first - 1] == article else 2


def _worth(query: QueryWords, table: NameTable, first: int, last: int, option: _Option) -> bool:
    """Whether a word that stands alone may be the misspelling of another."""
    word = query.keys[first]
    if table.is_word(word) or word[0] != option.word[0] or query.within_name(first, last):
        return False
    if query.cased and not query.capital[first]:
        return False
    bare, meant = fold_diacritics(word), fold_diacritics(option.word)
    if min(len(bare), len(meant)) < _ONE_EDIT_ALONE:
        return option.distance == 1 and sorted(bare) == sorted(meant) and len(bare) >= _EXCHANGE_ALONE
    return option.distance == 1 or len(word) >= _TWO_EDITS_ALONE


def _readings(
    query: QueryWords, found: dict[int, tuple[int, bool, int]], first: int, last: int, table: NameTable
) -> list[tuple[int, Mention]]:
    """Choose the names nearest to some words; some that are equally near are all there."""
    if not found:
        return []
    best = min(found.values())
    asked = " ".join(query.keys[first:last])
    near = [(edit_distance(asked, table.keys[name], most=_LONG), name) for name, rank in found.items() if rank == best]
    nearest = sorted(name for distance, name in near if distance == min(near)[0])
    cost, _, article = best
    sure = (_EDITED if last - first > 1 else _EDITED_ALONE) - _PER_EDIT * (cost - 1)
    start = first - 1 if article == 0 else first
    return [
        (cost, Mention(first=start, last=last, entity=name, confidence=sure / len(nearest), reason="misspelling"))
        for name in nearest[:_READINGS]
    ]
