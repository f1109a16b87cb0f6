"""What one passage says by itself: its tokens, the names it states and its facts, whatever the other passages say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import normalize, strip_qualifier, tokens
from hippograph.types import Extraction, Passage

__all__ = ["Fact", "PassageEvidence", "read_passage"]

Fact = tuple[str, str, str]
"""Keys of subject and object, and the relation phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageEvidence:
    """What a passage says by itself.

    Parameters
    ----------
    words
        The normalised tokens of its title and its text.
    names
        For each token, whether it is a function word that is written as a name.
    title_tokens
        How many of the tokens are the title's.
    stated
        How often the extractor found each spelling of a name.
    title_spelling
        The title as a name, without its qualifier; empty if it names nothing.
    facts
        What it states, each once, ascending.
    """

    words: Sequence[str]
    names: Sequence[bool]
    title_tokens: int
    stated: Mapping[str, int]
    title_spelling: str
    facts: Sequence[Fact]


def read_passage(passage: Passage, extraction: Extraction) -> PassageEvidence:
    """Put a passage and what was extracted from it into normalised form.

    Examples
    --------
    >>> fram = Passage(id="1", document="1", title="Fram (ship)", text="It was built by Colin Archer.")
    >>> read = read_passage(fram, Extraction(status="done", entities=("Colin Archer", "it")))
    >>> read.words[read.title_tokens :], dict(read.stated), read.title_spelling
    (['it', 'was', 'built', 'by', 'colin', 'archer'], {'Colin Archer': 1}, 'Fram')
    """
    stated: Counter[str] = Counter()
    for name in extraction.entities:
        key = normalize(name)
        if key and not (is_grammar(key) and name.islower()):
            stated[name.strip()] += 1
    facts = set()
    for triple in extraction.triples:
        subject, object_ = normalize(triple.subject), normalize(triple.object)
        relation = " ".join(triple.relation.split())
        if subject and object_ and subject != object_ and relation:
            facts.add((subject, object_, relation))
    title = strip_qualifier(passage.title).strip()
    heading, body = tokens(passage.title), tokens(passage.text)
    return PassageEvidence(
        words=[token.key for token in (*heading, *body)],
        names=[
            *(False for _ in heading),
            *(is_grammar(token.key) and reads_as_name(passage.text, [token]) for token in body),
        ],
        title_tokens=len(heading),
        stated=stated,
        title_spelling=title if normalize(title) else "",
        facts=sorted(facts),
    )
