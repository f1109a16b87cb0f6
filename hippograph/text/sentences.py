"""Where sentences begin and end, by punctuation alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["sentence_spans"]

_CLOSERS = "\"'”’»›)\\]}」』）】〉》"
_OPENERS = "\"'“‘„«‹(\\[{「『（【〈《¿¡"
# Marks of the first kind end a sentence only before a space; those of the second kind are not used for anything else.
_END = re.compile(rf"[.!?…]+(?:[{_CLOSERS}]|\[\d+\])*(?=\s|\Z)|[。！？｡．؟۔।॥።။។։]+[{_CLOSERS}]*")
_BREAK = re.compile(r"\n[^\S\n]*\n|\f|\u2029")
_NEXT = re.compile(rf"\s*[{_OPENERS}]*(.?)", re.DOTALL)
_LAST_WORD = re.compile(rf"(?<!\S)[{_OPENERS}]*(\S*)\Z")
_LAST_WORD_REACH = 24
_BEFORE_NAMES = re.compile(
    "(?i:adm|brig|capt|col|cmdr|dr|fr|gen|gov|hon|lt|maj|messrs|mlle|mme|mr|mrs|ms|mt|mx|pres|prof|rep|rev|sen|sgt|sr"
    "|sra|st|ste|supt|bros|vs|cf|viz|al|ca|approx|ул|им|проф)"
)
_BEFORE_NUMBERS = re.compile("(?i:nos?|nr|vols?|figs?|chap|sec|art|op|№|§)|pp?|v|ch|ed")
_INITIALS = re.compile(r"(?:[^\W\d_]+-)?(?:[^\W\d_]{1,2}\.-?)*[^\W\d_]")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the first and one-past-last character of each sentence, in order.

    Blank lines and page breaks end sentences, as do the full stops of many scripts with the quotes and brackets that
    close after them. Full stops after titles, initials and acronyms do not ("Dr.", "J. R. R.", "U.S."), nor between
    digits, nor before a small letter. Every character that is not a space is in exactly one sentence.

    Examples
    --------
    >>> text = 'Dr. J. R. Smith left. "Why?" It was 3.5 km. 北京是首都。很大。'
    >>> [text[start:end] for start, end in sentence_spans(text)]
    ['Dr. J. R. Smith left.', '"Why?"', 'It was 3.5 km.', '北京是首都。', '很大。']
    """
    spans = []
    for first, last in _paragraphs(text):
        start = first
        for match in _END.finditer(text, first, last):
            if match.start() >= start and _ends(text, start, match, last):
                spans.append((start, match.end()))
                start = match.end() + _leading_spaces(text, match.end(), last)
        if start < last:
            spans.append((start, last))
    return spans


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans between blank lines, without the spaces around them."""
    start = 0
    for end, following in [*((match.start(), match.end()) for match in _BREAK.finditer(text)), (len(text), len(text))]:
        first = start + _leading_spaces(text, start, end)
        if first < end:
            yield first, first + len(text[first:end].rstrip())
        start = following


def _leading_spaces(text: str, start: int, end: int) -> int:
    return end - start - len(text[start:end].lstrip())


def _ends(text: str, start: int, match: re.Match[str], last: int) -> bool:
    """Whether a mark that could end the sentence begun at `start` does."""
    mark = match[0][0]
    if mark not in ".!?…":
        return True
    following = _NEXT.match(text, match.end(), last)
    next_character = following[1] if following else ""
    if next_character.islower():
        return False
    if not match[0].startswith(".") or match[0].startswith(".."):
        return True
    before = _LAST_WORD.search(text[max(start, match.start() - _LAST_WORD_REACH) : match.start()])
    word = before[1] if before else ""
    if _BEFORE_NUMBERS.fullmatch(word):
        return not next_character.isdigit()
    # A number that opens a paragraph counts items; elsewhere it is as likely the year that ends a sentence.
    counts = word.isdigit() and text[start : match.start()].strip() == word
    return not (counts or _BEFORE_NAMES.fullmatch(word) or _INITIALS.fullmatch(word)) or not next_character
