"""Full text of the passages: BM25 over title and text, in scripts with and without spaces between words."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from hippograph.errors import InputError
from hippograph.store.database import Database

__all__ = ["FullText", "add_passage", "analyse", "match_expression", "remove_passage"]

# Scripts written without spaces between words, and Korean, whose words carry their particles with them. Fixed ranges
# rather than the running Python's Unicode tables: what was put into the index must be taken out in the same form.
_UNSPACED: Final = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f\u31a0-\u31ff"  # radicals, iteration marks, kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"  # Han, half-width kana
    "\uac00-\ud7af"  # Hangul
    "\U00020000-\U0003ffff"  # Han, rare
    "]+"
)
# Vowel points of Arabic and Hebrew, the Arabic stretching stroke and the soft hyphen: the same word with and without.
_OPTIONAL: Final = re.compile("[\u00ad\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]+")
_BREAK: Final = re.compile("[\x00-\x1f]+")


class FullText:
    """Ranks passages by the words they share with a query.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, terms: Sequence[str], *, k: int, title_weight: float) -> list[tuple[str, float]]:
        """Rank passages, as `Catalog.search` tells."""
        if k < 1:
            message = f"k is {k}; give at least 1"
            raise InputError(message)
        if not 0.0 <= title_weight < float("inf"):
            message = f"title_weight is {title_weight}; give 0 or more"
            raise InputError(message)
        expression = match_expression(terms)
        if not expression:
            return []
        statement = """
            SELECT passages.id, -bm25(full_text, ?, 1.0) AS score
            FROM full_text JOIN passages ON passages.row = full_text.rowid
            WHERE full_text MATCH ? ORDER BY score DESC, passages.id LIMIT ?
        """
        return [
            (str(name), float(score)) for name, score in self._database.rows(statement, (title_weight, expression, k))
        ]


def analyse(text: str) -> str:
    """Prepare a text for SQLite's tokenizer, which takes everything between two spaces for one word.

    Examples
    --------
    >>> analyse("居里夫人 was born in 华沙").split()
    ['居', '里', '夫', '人', 'was', 'born', 'in', '华', '沙']
    """
    return _UNSPACED.sub(lambda run: f" {' '.join(run.group())} ", _plain(text))


def match_expression(terms: Sequence[str]) -> str:
    """Write the FTS5 query that matches any of the terms; empty if there is nothing to look for.

    Examples
    --------
    >>> match_expression(["Oslo", 'NEAR("', "Oslo", "?"])
    '"Oslo" OR "NEAR("'
    >>> match_expression(["居里夫人"])
    '"居 里" OR "里 夫" OR "夫 人"'
    """
    phrases: dict[str, None] = {}
    for term in terms:
        plain = _plain(term)
        start = 0
        for run in _UNSPACED.finditer(plain):
            phrases[plain[start : run.start()].strip()] = None
            phrases.update(dict.fromkeys(_pairs(run.group())))
            start = run.end()
        phrases[plain[start:].strip()] = None
    words = (phrase.replace('"', " ").strip() for phrase in phrases if any(map(str.isalnum, phrase)))
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(words))


def add_passage(connection: sqlite3.Connection, row: int, *, title: str, text: str) -> None:
    """Put a passage into the full text, inside the transaction that puts it into the catalog."""
    connection.execute(
        "INSERT INTO full_text (rowid, title, text) VALUES (?, ?, ?)", (row, analyse(title), analyse(text))
    )


def remove_passage(connection: sqlite3.Connection, row: int, *, title: str, text: str) -> None:
    """Take a passage out of the full text; `title` and `text` must be those it was put in with.

    A contentless table does not know what it holds and has to be told. SQLite 3.43 can do without
    (`contentless_delete`), but Python 3.11 comes with older ones.
    """
    connection.execute(
        "INSERT INTO full_text (full_text, rowid, title, text) VALUES ('delete', ?, ?, ?)",
        (row, analyse(title), analyse(text)),
    )


def _plain(text: str) -> str:
    # A query typed into a terminal may hold lone surrogates, which no passage does and SQLite refuses.
    whole = text.encode("utf-8", "replace").decode()
    return _OPTIONAL.sub("", _BREAK.sub(" ", whole))


def _pairs(run: str) -> list[str]:
    return [f"{run[at]} {run[at + 1]}" for at in range(len(run) - 1)] or [run]
