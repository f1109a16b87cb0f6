"""Documents into passages: whole sentences, as many as fit."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hippograph.errors import InputError
from hippograph.text.scripts import unspaced_class
from hippograph.text.sentences import sentence_spans
from hippograph.types import Document, Passage

__all__ = ["SentenceChunker"]

# Combining marks are no word characters to `re`; whole Indic blocks stand in for theirs. Words end somewhere, so that a
# page of base64 counts for what it costs.
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
_UNIT = re.compile(rf"[{unspaced_class()}]|(?:[^\W{unspaced_class()}]|[{_MARKS}]){{1,32}}|[^\w\s]")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\f|\u2029")
_FULL = 0.5


class _Piece(NamedTuple):
    """A sentence, or as much of one as fits, and whether a paragraph ends with it."""

    start: int
    end: int
    size: int
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceChunker:
    """Cuts documents into windows of whole sentences.

    Tokens are counted without a model: words, punctuation marks, and single characters of scripts written without
    spaces. A window closes at the last paragraph border that leaves it at least half full, else at the last sentence;
    only a sentence longer than a window is cut inside, between two tokens.

    Parameters
    ----------
    max_tokens
        Most tokens in a passage, 1 or more. 400 words and marks come to about 500 word pieces, and bge reads 512.
    overlap
        Most tokens of whole sentences that a passage repeats from the one before, 0 to below `max_tokens`.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> document = Document(id="tale", text="Once there was a king. He had a horse. It ran away.")
    >>> [passage.id for passage in SentenceChunker().chunk(document)]
    ['tale']
    >>> for passage in SentenceChunker(max_tokens=12).chunk(document):
    ...     passage.id, passage.span, passage.text
    ('tale#0', (0, 38), 'Once there was a king. He had a horse.')
    ('tale#1', (39, 51), 'It ran away.')
    """

    max_tokens: int = 400
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise InputError(f"max_tokens is {self.max_tokens}; a passage holds 1 token or more")
        if not 0 <= self.overlap < self.max_tokens:
            raise InputError(f"overlap is {self.overlap}; it must be from 0 to below max_tokens, {self.max_tokens}")

    def chunk(self, document: Document) -> list[Passage]:
        """Cut a document into passages, in order; blank documents give none.

        A document that fits stays whole and keeps its id; else passages are numbered from `#0`. The span of a passage
        is where its text stands in the document's, without spaces at its ends. No character but spaces is left out.
        """
        text = document.text
        units = [match.start() for match in _UNIT.finditer(text)]
        if not units:
            return []
        if len(units) <= self.max_tokens:
            first = units[0]
            return [_passage(document, document.id, first, first + len(text[first:].rstrip()))]
        pieces = list(_pieces(text, units, self.max_tokens))
        return [
            _passage(document, f"{document.id}#{number}", pieces[first].start, pieces[last - 1].end)
            for number, (first, last) in enumerate(self._windows(pieces))
        ]

    def _windows(self, pieces: list[_Piece]) -> Iterator[tuple[int, int]]:
        """Yield the first and one-past-last piece of each window."""
        first = before = 0
        while True:
            last = self._fill(pieces, first)
            if last == len(pieces):
                yield first, last
                return
            last = self._close(pieces, first, last, after=before)
            yield first, last
            first, before = self._repeat(pieces, first, last), last

    def _fill(self, pieces: list[_Piece], first: int) -> int:
        size, last = 0, first
        while last < len(pieces) and size + pieces[last].size <= self.max_tokens:
            size += pieces[last].size
            last += 1
        return last

    def _close(self, pieces: list[_Piece], first: int, last: int, *, after: int) -> int:
        """Move the end of a window back to a paragraph border that leaves it full enough, and something new in it."""
        size = sum(piece.size for piece in pieces[first:last])
        for end in range(last, after, -1):
            if size < _FULL * self.max_tokens:
                break
            if pieces[end - 1].closes:
                return end
            size -= pieces[end - 1].size
        return last

    def _repeat(self, pieces: list[_Piece], first: int, last: int) -> int:
        """Move the start of the next window back over what it may repeat, and still let it take a new piece."""
        room = min(self.overlap, self.max_tokens - pieces[last].size)
        start = last
        while start - 1 > first and pieces[start - 1].size <= room:
            start -= 1
            room -= pieces[start].size
        return start


def _passage(document: Document, name: str, start: int, end: int) -> Passage:
    return Passage(
        id=name,
        document=document.id,
        text=document.text[start:end],
        title=document.title,
        source=document.source,
        span=(start, end),
        metadata=document.metadata,
    )


def _pieces(text: str, units: list[int], max_tokens: int) -> Iterator[_Piece]:
    """Yield the sentences, those longer than a window cut between tokens."""
    spans = sentence_spans(text)
    for number, (start, end) in enumerate(spans):
        following = spans[number + 1][0] if number + 1 < len(spans) else len(text)
        closes = bool(_BLANK_LINE.search(text, end, following))
        first, last = bisect_left(units, start), bisect_left(units, end)
        for left in range(first, last, max_tokens):
            right = min(left + max_tokens, last)
            begin = units[left]
            stop = end if right == last else begin + len(text[begin : units[right]].rstrip())
            yield _Piece(begin, stop, right - left, closes and right == last)
