"""The names a passage mentions, as written: what the graph joins passages by.

Three readers are put together: the pipeline's named entities, runs of proper nouns that it left unlabelled, and the
title. English pipelines know nothing of other scripts; where a passage is mostly written in one, its names are taken
from what the script itself shows: runs of capitalised words (Cyrillic, Greek, Armenian), quoted titles, and Latin
words. That finds some of the names. To find more, name a spaCy pipeline for that language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hippograph.index.noun_phrases import NAME_LABELS, clean
from hippograph.text.normalization import strip_qualifier

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span

__all__ = ["entities"]

_ARTICLES: Final = ("the ", "a ", "an ")
_LINKS: Final = frozenset({"of", "the"})
_QUOTED: Final = re.compile(r"[《〈「『«“]([^《》〈〉「」『』«»“”]{1,80})[》〉」』»”]")
_WORD: Final = re.compile(r"[^\W\d_]\.|[^\W\d_]+(?:[-’'.][^\W\d_]+)*|\d+|\S")
_LATIN_RUN: Final = re.compile(r"\b[A-ZÀ-ÞĀ-Ž][\w&+#.’'-]*(?: [A-ZÀ-ÞĀ-Ž0-9][\w&+#.’'-]*)*")
_SENTENCE_ENDS: Final = frozenset(".!?…")


def entities(doc: Doc, *, title: str = "", dates: bool = False) -> list[str]:
    """Read the names out of a passage.

    Parameters
    ----------
    doc
        The passage's text, without its title, with named entities and parts of speech.
    title
        What the passage is about; it is the first of its entities, without a parenthesis at its end.
    dates
        Whether dates are entities too. They join passages that have nothing else in common, so by default they are not.

    Returns
    -------
    Names in order of appearance, once per mention, without articles and surrounding punctuation.

    Examples
    --------
    >>> from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
    >>> parse = load_pipeline(find_pipeline())
    >>> entities(parse("Marie Curie moved from Warsaw to Paris."), title="Marie Curie")
    ['Marie Curie', 'Marie Curie', 'Warsaw', 'Paris']
    """
    names = [strip_qualifier(title)]
    if doc.lang_ == "en" and not _is_latin(doc.text):
        names += _names_by_script(doc.text)
    else:
        names += _names_by_model(doc, names[0], dates=dates)
    keeps_article = names[0].startswith("The ")
    cleaned = (_without_article(clean(name), keeps_article=keeps_article) for name in names[1:])
    return [name for name in (names[0], *cleaned) if any(letter.isalnum() for letter in name)]


def _names_by_model(doc: Doc, topic: str, *, dates: bool) -> list[str]:
    # Pipelines of other languages have labels of their own (PER, for example): all but the numbers are names.
    numbers = {"ORDINAL", "CARDINAL", "PERCENT", "QUANTITY", "TIME", "MONEY", "DATE"} - ({"DATE"} if dates else set())
    labelled = [entity for entity in doc.ents if entity.label_ not in numbers]
    taken = {token.i for entity in labelled for token in entity}
    spans = labelled + [run for run in _proper_runs(doc) if not all(token.i in taken for token in run)]
    return [_written(span, topic) for span in sorted(spans, key=lambda span: (span.start, span.end))]


def _written(span: Span, topic: str) -> str:
    is_topic = span.start > 0 and span.doc[span.start - 1].text == "The" and topic == f"The {span.text}"
    return topic if is_topic else span.text


def _proper_runs(doc: Doc) -> Iterator[Span]:
    """Yield runs of proper nouns, joined by hyphens and, between capitals, by *of* and *of the*."""
    start = 0
    while start < len(doc):
        if doc[start].pos_ != "PROPN" or doc[start].ent_type_ not in ("", *NAME_LABELS):
            start += 1
            continue
        end = start + 1
        while (reach := _reach(doc, end)) > end:
            end = reach
        yield doc[start:end]
        start = end


def _reach(doc: Doc, end: int) -> int:
    """Return where a name that has reached `end` goes on to; `end` itself if it stops there."""
    ahead = end
    if ahead < len(doc) and doc[ahead].text == "-" and not doc[ahead].whitespace_:
        ahead += 1
    elif doc[end - 1].text[:1].isupper():
        while ahead < min(len(doc), end + 2) and doc[ahead].lower_ in _LINKS:
            ahead += 1
        if ahead > end and doc[end].lower_ != "of":
            return end
    if ahead < len(doc) and doc[ahead].pos_ == "PROPN" and (ahead == end or doc[ahead].text[:1].isupper()):
        return ahead + 1
    return end


def _is_latin(text: str) -> bool:
    """Whether seven in ten letters are Latin ones, which end at U+024F; Chinese says as much in fewer letters."""
    letters = [letter for letter in text if letter.isalpha()]
    return 10 * sum(letter < "\u0250" for letter in letters) >= 7 * len(letters)


def _names_by_script(text: str) -> list[str]:
    found = [(match.start(1), match[1]) for match in _QUOTED.finditer(text)]
    found += [(match.start(), match[0]) for match in _LATIN_RUN.finditer(text)]
    found += _capitalised_runs(text)
    return [name for _, name in sorted(set(found))]


def _capitalised_runs(text: str) -> list[tuple[int, str]]:
    """Find runs of capitalised words; a lone one that opens a sentence counts if it is a capital elsewhere too."""
    runs: list[tuple[int, int, bool]] = []
    opening, previous = True, -1
    for match in _WORD.finditer(text):
        word = match[0]
        capital = word[:1].isupper() and word[:1] >= "\u0250"
        if capital and runs and runs[-1][1] == previous and text[previous : match.start()] == " ":
            runs[-1] = (runs[-1][0], match.end(), runs[-1][2])
        elif capital:
            runs.append((match.start(), match.end(), opening))
        opening, previous = word[-1] in _SENTENCE_ENDS and len(word) == 1, match.end()
    inside = {text[start:end] for start, end, opens in runs if not opens}
    return [
        (start, text[start:end])
        for start, end, opens in runs
        if not opens or " " in text[start:end] or text[start:end] in inside
    ]


def _without_article(name: str, *, keeps_article: bool) -> str:
    # A capital article opens a sentence more often than a name, but where the title has one.
    whole = name if keeps_article else name[:1].casefold() + name[1:]
    for article in _ARTICLES:
        if whole.startswith(article):
            return name[len(article) :]
    return name
