"""Names as keys: what two spellings of one name have in common, in any script.

One rule serves both for names and for running text: `tokens` folds a text and cuts it into tokens that remember where
they stood, and `normalize` joins the tokens of a name. So a dictionary of normalised names can be looked up in running
text as runs of tokens, whatever punctuation stands around them.

* **Folding**: NFKC, case folding, curly apostrophes made straight, control and zero-width characters removed. A dotted
  capital I folds to a plain i. Accents stay: `fold_diacritics` makes the looser key for linking.
* **Tokens** are runs of letters, digits and combining marks (Indic vowel signs, Arabic harakat). Inside a token stay
  `'`, `&`, `+`, `#`, and a dot between two letters or two digits; at its end `+` and `#`; at its start a dot before a
  letter: so C, C++ and C# differ, as do NET and .NET. All else separates.
* **Initials** lose their dots and join: U.S. is US, and both J. R. R. and J.R.R. are jrr. A single initial stays alone.
* **Possessive** endings ('s) are dropped: a mention of Lothair II's wife holds the name Lothair II.
* **Scripts written without spaces** (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give one token per character.
* A text without any letter or digit ("+/-", an emoji) is its own key: its folded runs between spaces are the tokens.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from hippograph.text.scripts import UNSPACED_RANGES, within

__all__ = ["NORMALIZER_VERSION", "Token", "fold_diacritics", "normalize", "strip_qualifier", "tokens"]

NORMALIZER_VERSION = "1"
"""Changes whenever any key may change; an index built with another one cannot be searched."""


class Token(NamedTuple):
    """A normalised token and the first and one-past-last character it came from."""

    key: str
    start: int
    end: int


def normalize(name: str) -> str:
    """Return the key of a name: its tokens, joined by single spaces.

    The key of a key is itself. Only a text in which nothing can be seen has the key "".

    Examples
    --------
    >>> normalize("  J. R. R. Tolkien’s "), normalize("AT&T"), normalize("C++"), normalize("北京")
    ('jrr tolkien', 'at&t', 'c++', '北 京')
    """
    return " ".join([token.key for token in tokens(name)])


def tokens(text: str) -> list[Token]:
    """Cut a text into normalised tokens, in order, with their places in the text as given.

    Joining the keys gives `normalize(text)`. A character that folds to several words gives several tokens of one place.

    Examples
    --------
    >>> text = "U.S. critics liked Lothair’s film"
    >>> [(token.key, text[token.start : token.end]) for token in tokens(text)]
    [('us', 'U.S.'), ('critics', 'critics'), ('liked', 'liked'), ('lothair', 'Lothair'), ('film', 'film')]
    """
    if text.isascii() and not _ASCII_CONTROL.search(text):
        skeleton = folded = text.lower()
        places = None
    else:
        folded, places = _fold_aligned(text)
        skeleton = folded.translate(_SKELETON)
    found = []
    for match in _TOKEN.finditer(skeleton):
        group = match.lastindex or 0
        start, end = match.span(group)
        key = folded[start:end]
        if group == _INITIALS:
            key = _fold(key.replace(".", "").replace(" ", ""))
        found.append(Token(key, start, end))
    if not found:
        found = [Token(match[0], *match.span()) for match in _VISIBLE.finditer(folded)]
    return found if places is None else [places.original(token) for token in found]


def fold_diacritics(key: str) -> str:
    """Return a key without the diacritics that writers leave out: a looser key, for linking.

    Accents on Latin, Greek and Cyrillic letters go, as do Arabic harakat and Hebrew points; Indic vowel signs and
    Japanese voicing marks make other letters and stay. A key that would become blank stays as it is.

    Examples
    --------
    >>> fold_diacritics("antonín dvořák"), fold_diacritics("łódź"), fold_diacritics("हिन्दी")
    ('antonin dvorak', 'lodz', 'हिन्दी')
    """
    if key.isascii():
        return key
    bare = _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFD", key)).translate(_BARRED)
    folded = " ".join(unicodedata.normalize("NFC", bare).split())
    return folded or key


def strip_qualifier(title: str) -> str:
    """Return a title without the parenthesis at its end, which tells namesakes apart.

    Examples
    --------
    >>> strip_qualifier("Inception (film)"), strip_qualifier("(What's the Story) Morning Glory?")
    ('Inception', "(What's the Story) Morning Glory?")
    """
    whole = title.strip()
    if whole.endswith((")", "）")):
        bare = whole[: max(whole.rfind("("), whole.rfind("（"), 0)].rstrip()
        return bare or whole
    return whole


_LETTER, _MARK, _UNSPACED = "é", "\u0301", "中"
_WORD = f"[a-z0-9{_LETTER}{_MARK}]"
_LETTERS = f"[a-z{_LETTER}]"
_INITIAL = f"{_LETTERS}{_MARK}*"
_INITIALS = 2
# Applies to the skeleton of a folded text, in which one character stands for all letters of its kind.
_TOKEN = re.compile(
    rf"""
    (?:
      ( {_UNSPACED}{_MARK}* )
    | ( {_INITIAL}\.(?:\ ?{_INITIAL}\.)+(?!{_WORD}) | {_INITIAL}(?:\.{_INITIAL})+(?!{_WORD}) )
    | ( (?: (?<![^\s("']) \. (?={_LETTERS}) )?
        {_WORD}+
        (?: (?: '(?!s(?!{_WORD})) | & | [+#]+ | (?<={_LETTERS})\.(?={_LETTERS}) | (?<=[0-9])\.(?=[0-9]) ) {_WORD}+ )*
        [+#]* )
    )
    (?: 's(?!{_WORD}) )*
    """,
    re.VERBOSE,
)
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_VISIBLE = re.compile(r"\S+")

# Harakat and points are optional in writing; the first range is what NFD splits off Latin, Greek and Cyrillic letters.
_OPTIONAL_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u0640\u064b-\u065f\u0670]")
_BARRED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)

_APOSTROPHES = frozenset("’‘ʼʻ′´‛")
# NFKC would make letters of these, glued to the name before them; the registered sign separates.
_TRADE_MARKS = frozenset("™℠")
_IGNORABLE_RANGES = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
)  # fmt: skip
_HANGUL_RANGES = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA1, 0xFFDC))


class _Cleaning(dict[int, str]):
    """Characters to what they are before NFKC, learnt as they are met; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _APOSTROPHES:
            clean = "'"
        elif character in _TRADE_MARKS:
            clean = "®"
        elif character.isspace():
            clean = character
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs"} or within(code, _IGNORABLE_RANGES):
            clean = ""
        else:
            clean = character
        self[code] = clean
        return clean


class _Folding(dict[int, str]):
    """Single characters to their foldings, learnt as they are met; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold(chr(code))
        return folded


class _Skeleton(dict[int, str]):
    """Folded characters to the one that stands for their kind, learnt as they are met; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if code < 0x80:
            kind = character
        elif category[0] == "M":
            kind = _MARK
        elif category[0] == "N":
            kind = "0"
        elif category[0] == "L":
            kind = _UNSPACED if within(code, UNSPACED_RANGES) else _LETTER
        elif category in {"Ps", "Pi"}:
            kind = "("
        else:
            kind = " " if character.isspace() else "|"
        self[code] = kind
        return kind


class _Clustering(dict[int, str]):
    """Characters to whether they may combine with their neighbours under NFKC; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 0x80 and _CLEANING[code]:
            kind = "a"
        elif within(code, _HANGUL_RANGES):
            kind = "h"
        elif character in "ﾞﾟ" or unicodedata.category(character)[0] == "M" or _CLEANING[code] == "":
            kind = "m"
        else:
            kind = "x"
        self[code] = kind
        return kind


_CLEANING, _FOLDING, _SKELETON, _CLUSTERING = _Cleaning(), _Folding(), _Skeleton(), _Clustering()
# A cluster folds on its own: nothing in it combines with what stands before or after.
_CLUSTER = re.compile("a+(?!m)|h[hm]*|.m*", re.DOTALL)


def _fold(text: str) -> str:
    previous = None
    while text != previous:
        previous = text
        # The dot above is all that is left of a Turkish capital after case folding.
        text = text.translate(_CLEANING).casefold().replace("i\u0307", "i")
        text = unicodedata.normalize("NFKC", text)
    return text


class _Places:
    """Where the characters of a folded text came from."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int, *, length: int) -> None:
        """Append `length` folded characters that stand for the characters from `start` to `end`."""
        if length == end - start:
            self.starts.extend(range(start, end))
            self.ends.extend(range(start + 1, end + 1))
        else:
            self.starts.extend([start] * length)
            self.ends.extend([end] * length)

    def original(self, token: Token) -> Token:
        """Move a token from its place in the folded text to its place in the original."""
        return Token(token.key, self.starts[token.start], self.ends[token.end - 1])


def _fold_aligned(text: str) -> tuple[str, _Places | None]:
    """Fold a text; the places are None when each character folded to one."""
    folded = text.translate(_FOLDING)
    if len(folded) == len(text) and "i\u0307" not in folded and unicodedata.is_normalized("NFKC", folded):
        return folded, None
    pieces = []
    places = _Places()
    for match in _CLUSTER.finditer(text.translate(_CLUSTERING)):
        start, end = match.span()
        piece = _fold(text[start:end])
        pieces.append(piece)
        places.add(start, end, length=len(piece))
    return "".join(pieces), places
