"""What a noun of a parsed passage stands for, as the phrase to put into a triple.

Phrases are cut out of the text as written: without the article, clauses and appositions around them. Three kinds of
words stand for something named elsewhere, and are replaced by it:

* A relative pronoun stands for the noun its clause hangs from.
* *He, she, it, they* and *his, her, its, their* stand for the passage's title. A passage under a title is about what
  the title names, and a pronoun most often means that: a rule about the whole passage, not about the nearest noun.
* *The film*, where the title or the first sentence says that the passage's topic is a film, and the surname or first
  part of a title such as Theobald of Arles, stand for the title too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hippograph.text.normalization import strip_qualifier

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

__all__ = [
    "COPULAS",
    "NAME_LABELS",
    "SUBJECTS",
    "Topic",
    "antecedent",
    "bare_noun",
    "clean",
    "conjuncts",
    "in_one_name",
    "is_name",
    "name_start",
    "named_by",
    "owners",
    "phrase",
    "topic_of",
]

COPULAS: Final = frozenset({"is", "was", "are", "were", "be", "been", "being", "'s", "’s", "am"})
SUBJECTS: Final = frozenset({"nsubj", "nsubjpass"})
NAME_LABELS: Final = frozenset(
    {"PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE"}
)
_PLACES: Final = frozenset({"GPE", "LOC", "NORP", "FAC"})
_LONGEST: Final = 12
_TOPIC_PRONOUNS: Final = frozenset(
    {"he", "she", "it", "they", "him", "her", "them", "his", "hers", "its", "their", "theirs"}
)
_RELATIVE_TAGS: Final = frozenset({"WDT", "WP", "WP$"})
_LEFT: Final = frozenset({"compound", "amod", "nummod", "nmod", "poss", "quantmod", "advmod", "npadvmod"})
_ABBREVIATIONS: Final = frozenset({"Bros", "Co", "Corp", "Inc", "Jr", "Ltd", "Sr"})
_EDGES: Final = " \t\n\r\"'`“”‘’«»,;:.!?()[]{}–—-*/\\|…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a passage is about.

    Parameters
    ----------
    name
        The title without its qualifier; empty if there is none.
    kinds
        What the first sentence says it is, as lower-case nouns.
    """

    name: str = ""
    kinds: frozenset[str] = frozenset()


def topic_of(doc: Doc, title: str) -> Topic:
    """Read the topic of a passage off its title and first sentence."""
    name = strip_qualifier(title)
    first = next(iter(doc.sents), None) if name else None
    if first is None:
        return Topic()
    nouns = [noun for token in first if token.dep_ == "attr" for noun in conjuncts(token)]
    # A passage that opens with "The film" says what its title is, as does a title such as Jaws (film).
    nouns += [token for token in first if token.dep_ in SUBJECTS and token.i == 1 and doc[0].lower_ == "the"]
    kinds = {noun.lower_ for noun in nouns if noun.pos_ == "NOUN"}
    return Topic(name=name, kinds=frozenset(kinds.union(title[len(name) :].casefold().strip(" ()（）").split())))


def is_name(token: Token) -> bool:
    """Whether a noun is a proper name rather than a common noun."""
    if token.ent_type_ in NAME_LABELS:
        return token.pos_ == "PROPN" or token.text[:1].isupper()
    return token.pos_ == "PROPN" and token.ent_type_ == ""


def conjuncts(token: Token) -> list[Token]:
    """Return a noun and those joined to it by *and*, *or* and commas; not within a name such as Simon and Garfunkel."""
    found = [token]
    for child in token.rights:
        # In an enumeration of names the parser takes some commas for appositions.
        listed = child.dep_ == "appos" and is_name(token) and is_name(child) and _in_list(token, child)
        apart = child.left_edge.i > token.i + 1
        if (
            (child.dep_ == "conj" or (listed and apart))
            and child.pos_ not in ("VERB", "AUX")
            and not in_one_name(token, child)
        ):
            found += conjuncts(child)
    return found


def _in_list(token: Token, child: Token) -> bool:
    return token.dep_ == "conj" or any(grandchild.dep_ == "conj" for grandchild in child.rights)


def antecedent(token: Token) -> Token:
    """Return the noun a relative pronoun stands for; any other token stands for itself."""
    if token.tag_ not in _RELATIVE_TAGS and not (token.lower_ == "that" and token.pos_ == "PRON"):
        return token
    for ancestor in token.ancestors:
        if ancestor.dep_ == "relcl":
            return _person_behind(ancestor.head) if token.lower_ in ("who", "whom", "whose") else ancestor.head
    return token


def _person_behind(noun: Token) -> Token:
    """In "a sailor from Belgium, who" it is not Belgium who."""
    preposition = noun.head
    if noun.ent_type_ in _PLACES and noun.dep_ == "pobj" and preposition.head.pos_ == "NOUN":
        return preposition.head
    return noun


def phrase(token: Token, topic: Topic) -> str:
    """Return the phrase a noun stands for, at most 12 tokens; empty if it stands for nothing that has a name."""
    noun = antecedent(token)
    if noun.lower_ in _TOPIC_PRONOUNS:
        # As objects "it" and "them" mean whatever was named last.
        return topic.name if noun.dep_ in (*SUBJECTS, "poss") or noun.lower_ in ("him", "her") else ""
    if noun.pos_ not in ("NOUN", "PROPN", "NUM", "ADJ", "SYM", "X") and not _is_titled(noun):
        return ""
    if noun.pos_ == "NUM" and not any(letter.isdigit() for letter in noun.text):
        return ""
    name = named_by(noun)
    if name is not None:
        return phrase(name, topic)
    if _means_topic(noun, topic):
        return topic.name
    return _written(noun, topic)


def named_by(noun: Token) -> Token | None:
    """Return the name that follows a common noun and says which one is meant: "the film Titanic"."""
    if is_name(noun):
        return None
    for child in noun.rights:
        if child.dep_ == "appos" and is_name(child):
            return child
    following = noun.head.rights if noun.dep_ == "dobj" else ()
    for sibling in following:
        if sibling.dep_ == "oprd" and is_name(sibling) and sibling.left_edge.i == noun.i + 1:
            return sibling
    return None


def bare_noun(noun: Token) -> str:
    """Return a noun with what qualifies it, for use in a relation: no article, number, owner, nor complement."""
    start = noun.i
    for child in reversed(list(noun.lefts)):
        if child.dep_ not in ("compound", "amod") or child.right_edge.i != start - 1 or noun.i - child.left_edge.i > 3:
            break
        start = child.left_edge.i
    return clean(noun.doc[start : noun.i + 1].text)


def name_start(noun: Token) -> int:
    """Return where a name starts behind the common nouns before it: at Steven in "director Steven Spielberg"."""
    if not is_name(noun):
        return noun.i
    start = noun.i
    for token in reversed(list(noun.doc[noun.left_edge.i : noun.i])):
        if (token.is_lower and token.pos_ in ("NOUN", "ADJ")) or token.dep_ in ("det", "poss", "case"):
            break
        start = token.i
    return start


def clean(text: str) -> str:
    r"""Strip white space, punctuation and a possessive ending from around a phrase; an abbreviation keeps its dot.

    Examples
    --------
    >>> clean(' "Lothair II\'s'), clean("Warner Bros."), clean("(the  sea),")
    ('Lothair II', 'Warner Bros.', 'the sea')
    """
    spaced = " ".join(text.split())
    bare = spaced.strip(_EDGES)
    for ending in ("'s", "’s"):
        bare = bare.removesuffix(ending).rstrip(_EDGES)
    end = spaced.find(bare) + len(bare)
    last = bare.rsplit(" ", 1)[-1]
    if bare and spaced[end : end + 1] == "." and ("." in last or last in _ABBREVIATIONS):
        return f"{bare}."
    return bare


def _written(noun: Token, topic: Topic) -> str:
    start, end = _span(noun, depth=2)
    if end - start > _LONGEST:
        start, end = _span(noun, depth=0)
        start = max(start, end - _LONGEST)
    owner = ""
    while start < noun.i and _is_dropped(noun.doc[start], topic):
        if noun.doc[start].tag_ == "PRP$" and noun.dep_ in SUBJECTS and topic.name:
            owner = f"{topic.name}'s "
        start += 1
    text = clean(noun.doc[start:end].text)
    return owner + text if any(letter.isalnum() for letter in text) else ""


def _span(noun: Token, *, depth: int) -> tuple[int, int]:
    """First and one-past-last token of the phrase around a noun; `depth` bounds the of-phrases kept behind it."""
    entity = _entity(noun)
    if entity is not None and noun.ent_type_ == "DATE":
        first = next((token for token in noun.doc[slice(*entity)] if token.pos_ != "ADP"), noun)
        return first.i, entity[1]
    start, end = noun.i, noun.i + 1
    for child in reversed(list(noun.lefts)):
        if child.right_edge.i != start - 1 or not (child.dep_ in _LEFT or child.dep_ in ("det", "predet", "punct")):
            break
        start = child.left_edge.i
    start = max(start, name_start(noun)) if is_name(noun) else start
    if entity is not None and is_name(noun) and noun.doc[slice(*entity)].root == noun:
        end = max(end, entity[1])
        start = min(start, entity[0])
    for child in noun.rights:
        if child.i < end:
            continue
        if child.dep_ == "appos" and child.left_edge.i == end and is_name(noun) and is_name(child):
            end = child.i + 1
            continue
        if child.i != end or not (child.dep_ == "nummod" or (child.lower_ == "of" and child.dep_ == "prep" and depth)):
            break
        inner = next((grandchild for grandchild in child.rights if grandchild.dep_ == "pobj"), None)
        end = child.i + 1 if inner is None else _span(inner, depth=depth - 1)[1]
    if noun.doc[end - 1].lower_ == "of":
        end -= 1
    return start, end


def _entity(token: Token) -> tuple[int, int] | None:
    if not token.ent_type_:
        return None
    start = end = token.i
    while token.doc[start].ent_iob_ == "I" and start:
        start -= 1
    while end + 1 < len(token.doc) and token.doc[end + 1].ent_iob_ == "I":
        end += 1
    return start, end + 1


def in_one_name(one: Token, other: Token) -> bool:
    """Whether two tokens belong to the same named entity."""
    span = _entity(one)
    return span is not None and one.ent_type_ in NAME_LABELS and span[0] <= other.i < span[1]


def _is_dropped(token: Token, topic: Topic) -> bool:
    if token.tag_ in ("DT", "PDT", "PRP$", "WDT", "WP$") or token.is_punct or token.is_space:
        # "The" belongs to a name such as The Hollywood Reporter where it is capital inside a sentence, or in the title.
        titled = topic.name.startswith("The ") and token.text == "The" and token.i + 1 < len(token.doc)
        named = titled and topic.name[4:].startswith(token.nbor().text)
        inside = token.text == "The" and not token.is_sent_start and token.nbor().text[:1].isupper()
        return not (named or inside)
    return False


def _is_titled(token: Token) -> bool:
    return token.ent_type_ in NAME_LABELS and token.text[:1].isupper()


def _means_topic(noun: Token, topic: Topic) -> bool:
    if not topic.name:
        return False
    if noun.lower_ in topic.kinds and noun.dep_ != "attr":
        others = [child for child in noun.children if child.dep_ not in ("relcl", "acl", "punct", "prep")]
        return [child.lower_ for child in others] in (["the"], ["this"]) and not _has_of(noun)
    words = topic.name.split()
    start, end = _span(noun, depth=2)
    written = noun.doc[start:end].text
    if not written[:1].isupper() or noun.ent_type_ in _PLACES:
        return False
    opening = noun.dep_ in SUBJECTS and not any(token.is_sent_start for token in noun.doc[1 : noun.i + 1])
    if opening and words[0] in written and words[-1] in written:
        return True
    rest = topic.name.removeprefix(written)
    ranked = rest.startswith(",") and " of " in rest
    if ranked or rest.startswith((" of ", " the ")):
        return True
    return len(words) in (2, 3) and (written == words[-1] or (written == words[0] and noun.ent_type_ == "PERSON"))


def _has_of(noun: Token) -> bool:
    return any(child.lower_ == "of" for child in noun.rights)


def owners(noun: Token) -> Iterator[Token]:
    """Yield the owners of a noun: Lothair in "Lothair's mother", *his* in "his mother"."""
    for child in noun.lefts:
        if child.dep_ == "poss":
            yield from conjuncts(antecedent(child))
