"""Open information extraction by rules over an English dependency parse: who did what to whom, as written.

Written for the labels of spaCy's English pipelines. The rules read verbs with their subjects, objects and
prepositions; copulas and appositions; relative and participial clauses; possessives; titles before names; and the
dates behind a name in parentheses. Conjunctions are distributed, negation stays in the relation, and a noun with a
complement gives a relation that ends in its preposition: "She was a daughter of Boso" is (Teutberga, daughter of, Boso)
in the passage on Teutberga. Precision is limited by the parser; recall by what these constructions cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hippograph.index.lifespans import lifespans
from hippograph.index.noun_phrases import (
    COPULAS,
    SUBJECTS,
    Topic,
    antecedent,
    bare_noun,
    clean,
    conjuncts,
    in_one_name,
    is_name,
    name_start,
    named_by,
    owners,
    phrase,
    topic_of,
)
from hippograph.types import Triple

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

__all__ = ["RULES_VERSION", "triples"]

RULES_VERSION: Final = "1"
"""Changes whenever any triple or entity may change."""

_VERBAL: Final = frozenset({"VERB", "AUX"})
_DEEPEST: Final = 3


def triples(doc: Doc, *, title: str = "") -> list[Triple]:
    """Read the facts out of a parsed passage.

    Parameters
    ----------
    doc
        The passage's text, without its title, parsed by an English pipeline; other languages give no triples, because
        their pipelines name the relations of grammar differently.
    title
        What the passage is about; *he*, *she*, *it*, *they* are taken to mean it.

    Returns
    -------
    Distinct triples, in the order in which their verbs and nouns stand in the text.

    References
    ----------
    .. [1] Del Corro and Gemulla, "ClausIE: clause-based open information extraction", WWW 2013.

    Examples
    --------
    >>> from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
    >>> parse = load_pipeline(find_pipeline())
    >>> for triple in triples(parse("She was a daughter of Boso and lived in Arles."), title="Teutberga"):
    ...     tuple(triple)
    ('Teutberga', 'daughter of', 'Boso')
    ('Teutberga', 'lived in', 'Arles')
    """
    if doc.lang_ != "en" or not doc.has_annotation("DEP"):
        return []
    reading = _Reading(doc=doc, topic=topic_of(doc, title))
    dated = reading.read_lifespans()
    for token in doc:
        if token.i in dated:
            continue
        if token.pos_ in _VERBAL:
            reading.read_clause(token)
        elif token.pos_ in ("NOUN", "PROPN"):
            reading.read_noun(token)
    return reading.in_order()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The facts found so far, each with the token it was read at."""

    doc: Doc
    topic: Topic
    places: dict[Triple, int] = field(default_factory=dict)

    def in_order(self) -> list[Triple]:
        return sorted(self.places, key=lambda triple: self.places[triple])

    def read_lifespans(self) -> frozenset[int]:
        """Read the parentheses with births and deaths; return the tokens in them, which need no other reading."""
        read: set[int] = set()
        for lifespan in lifespans(self.doc, self.topic):
            for relation, target in lifespan.facts:
                self._add(lifespan.name, relation, target, lifespan.start)
            read.update(range(lifespan.start, lifespan.end))
        return frozenset(read)

    def read_clause(self, verb: Token) -> None:
        """Join the subjects of a verb to each of its objects and prepositional objects."""
        nouns = _subjects(verb)
        subjects = [phrase(noun, self.topic) for noun in nouns]
        relation = _relation(verb)
        if verb.lower_ in COPULAS and not _negated(verb):
            for child in verb.rights:
                if child.dep_ == "attr":
                    self._identify(nouns, child)
        for words, noun in _arguments(verb, relation):
            self._emit(subjects, words, noun)

    def read_noun(self, noun: Token) -> None:
        """Read what stands beside a noun: an apposition, a title, an owner, a place."""
        if noun.dep_ == "appos" and noun.head.pos_ in ("NOUN", "PROPN", "PRON"):
            self._appose(noun.head, noun)
        if not is_name(noun) or noun.dep_ == "compound":
            return
        name, title = phrase(noun, self.topic), _title_before(noun)
        possessors = [phrase(owner, self.topic) for owner in owners(noun) if title or _owns(owner, noun)]
        for possessor in possessors:
            self._add(possessor, title or "has", name, noun.i)
        if title and not possessors:
            self._add(name, "is", title, noun.i)
        for preposition, place in _complements(noun):
            where = phrase(place, self.topic)
            if preposition != "of" and is_name(place) and not name.endswith(where):
                self._add(name, preposition, where, place.i)

    def _emit(self, subjects: list[str], relation: str, noun: Token, depth: int = 0) -> None:
        for other in conjuncts(noun):
            complements = list(_complements(other)) if _is_common(other) and depth < _DEEPEST else []
            # "is" says nothing that "daughter of" does not; and "daughter of Boso" is no thing to join others by.
            described = relation in COPULAS
            if not (described and any(word == "of" and is_name(name) for word, name in complements)):
                text = phrase(other, self.topic)
                # Far from the verb only names and dates say something about the subject.
                for subject in subjects if depth == 0 or _is_specific(text) else ():
                    self._add(subject, relation, text, other.i)
            for word, name in complements:
                longer = f"{bare_noun(other)} {word}" if described else f"{relation} {bare_noun(other)} {word}"
                self._emit(subjects, longer, name, depth + 1)

    def _identify(self, nouns: list[Token], attribute: Token) -> None:
        """Turn "His father was John", "John was his father", "The capital of Norway is Oslo" around the common noun."""
        name = phrase(attribute, self.topic)
        if _is_common(attribute):
            for owner in owners(attribute):
                for noun in nouns:
                    self._add(phrase(owner, self.topic), bare_noun(attribute), phrase(noun, self.topic), attribute.i)
        if not is_name(attribute):
            return
        for noun in nouns:
            if _is_common(noun):
                for owner in owners(noun):
                    self._add(phrase(owner, self.topic), bare_noun(noun), name, attribute.i)
                for word, whole in _complements(noun):
                    self._add(name, f"{bare_noun(noun)} {word}", phrase(whole, self.topic), attribute.i)

    def _appose(self, head: Token, beside: Token) -> None:
        if is_name(head) and is_name(beside) and beside.left_edge.i == head.i + 1:
            return
        first, second = phrase(head, self.topic), phrase(beside, self.topic)
        if is_name(beside) and _is_common(head):
            possessors = list(owners(head))
            for owner in possessors:
                self._add(phrase(owner, self.topic), bare_noun(head), second, beside.i)
            if not possessors:
                self._emit([second], "is", head)
        elif _is_common(beside) and _is_specific(first):
            possessors = list(owners(beside))
            for owner in possessors:
                self._add(phrase(owner, self.topic), bare_noun(beside), first, beside.i)
            if not possessors:
                self._emit([first], "is", beside)
        elif head.ent_type_ == "GPE" and beside.ent_type_ == "GPE":
            self._add(first, "in", second, beside.i)

    def _add(self, subject: str, relation: str, target: str, place: int) -> None:
        if subject and target and relation and subject.casefold() != target.casefold():
            self.places.setdefault(Triple(subject, relation, target), place)


def _owns(owner: Token, noun: Token) -> bool:
    return is_name(owner) and not in_one_name(owner, noun)


def _is_specific(text: str) -> bool:
    return any(letter.isupper() or letter.isdigit() for letter in text)


def _is_common(noun: Token) -> bool:
    return noun.pos_ in ("NOUN", "NUM", "ADJ") and not is_name(noun) and noun.ent_type_ != "DATE"


def _subjects(verb: Token) -> list[Token]:
    """Return the nouns a verb is said of: its own subjects, those of the clause it continues, the noun it describes."""
    own = [noun for child in verb.children if child.dep_ in SUBJECTS for noun in conjuncts(child)]
    if own:
        return [noun for subject in own for noun in _described(antecedent(subject))]
    head = verb.head
    participle = verb.tag_ in ("VBG", "VBN")
    if verb.dep_ == "conj" and head.pos_ in _VERBAL and head is not verb:
        return _subjects(head)
    if verb.dep_ == "acl" and participle:
        return _described(head)
    if verb.dep_ == "xcomp" and head.pos_ in _VERBAL and not any(child.dep_ == "dobj" for child in head.children):
        return _subjects(head)
    if verb.dep_ == "advcl" and participle and head.pos_ in _VERBAL:
        return _subjects(head)
    if verb.dep_ == "pcomp" and participle and head.head.pos_ in _VERBAL:
        return _subjects(head.head)
    return []


def _described(noun: Token) -> list[Token]:
    """Look through a description: in "X is a film directed by Y", and "X, a film directed by Y", X is directed."""
    first = noun
    while first.dep_ == "conj" and not is_name(first) and first.head.pos_ not in _VERBAL:
        first = first.head
    if is_name(first) or named_by(noun) is not None:
        return [noun]
    if first.dep_ == "attr" and first.head.lower_ in COPULAS:
        subjects = [child for child in first.head.children if child.dep_ in SUBJECTS]
        return [other for child in subjects for other in conjuncts(antecedent(child))] or [noun]
    if first.dep_ == "appos":
        return [first.head]
    return [noun]


def _relation(verb: Token) -> str:
    """Return a verb with its particle, negation and governing verb: "was not", "took off", "wanted to see"."""
    negated = _negated(verb)
    kept = {verb}
    for child in verb.children:
        modal = child.dep_ == "aux" and child.tag_ == "MD"
        if child.dep_ in ("neg", "prt") or modal or (negated and child.dep_ in ("aux", "auxpass") and child.i < verb.i):
            kept.add(child)
    words = " ".join(token.lower_ for token in sorted(kept, key=lambda token: token.i))
    if verb.dep_ == "xcomp" and verb.head.pos_ in _VERBAL:
        particle = "to " if any(child.lower_ == "to" and child.dep_ == "aux" for child in verb.lefts) else ""
        return f"{_relation(verb.head)} {particle}{words}"
    return words


def _negated(verb: Token) -> bool:
    return any(child.dep_ == "neg" for child in verb.children)


def _arguments(verb: Token, relation: str) -> list[tuple[str, Token]]:
    """Return each noun a verb governs, with the relation to it."""
    found: list[tuple[str, Token]] = []
    direct = ""
    for child in verb.children:
        if child.dep_ in ("dobj", "attr", "oprd") or (child.dep_ == "dative" and child.pos_ != "ADP"):
            found.append((relation, child))
            direct = "" if child.pos_ == "PRON" or child.i < verb.i else _in_relation(child)
        elif child.dep_ == "acomp":
            if is_name(child) or child.ent_type_ == "NORP":
                found.append((relation, child))
            found += [(f"{relation} {child.lower_} {words}", noun) for words, noun in _complements(child)]
        elif child.dep_ in ("prep", "agent", "dative"):
            # "based on" and "including" are verbs that the parser calls prepositions.
            governing = "" if child.tag_ in ("VBN", "VBG") else " ".join([relation, direct] if direct else [relation])
            found += [(f"{governing} {words}".strip(), noun) for words, noun in _objects(child)]
        elif child.dep_ == "npadvmod" and child.ent_type_ == "DATE" and child.ent_iob_ == "B":
            found.append((relation, child))
    if verb.dep_ == "relcl":
        found += _gap(verb, relation, filled=any(words == relation for words, _ in found))
    if not found:
        later = next((child for child in verb.rights if child.dep_ == "conj" and child.pos_ in _VERBAL), None)
        if later is not None and not any(child.dep_ in SUBJECTS for child in later.children):
            return _arguments(later, relation)
    return found


def _in_relation(noun: Token) -> str:
    return clean(noun.doc[name_start(noun) : noun.i + 1].text) if is_name(noun) else bare_noun(noun)


def _gap(verb: Token, relation: str, *, filled: bool) -> list[tuple[str, Token]]:
    """Return the noun a relative clause leaves out: "the book she wrote", "the town he lived in", "the city where"."""
    for child in verb.children:
        if child.dep_ == "prep" and not any(True for _ in child.children):
            return [(f"{relation} {child.lower_}", verb.head)]
        if child.tag_ == "WRB":
            return [(f"{relation} in", verb.head)] if child.lower_ == "where" else []
    own = [child for child in verb.children if child.dep_ in SUBJECTS]
    passive = any(child.dep_ == "auxpass" for child in verb.children)
    if filled or passive or verb.lower_ in COPULAS or not own or any(antecedent(noun) is not noun for noun in own):
        return []
    return [(relation, verb.head)]


def _complements(noun: Token) -> Iterator[tuple[str, Token]]:
    for child in noun.rights:
        if child.dep_ == "prep":
            yield from _objects(child)


def _objects(preposition: Token) -> Iterator[tuple[str, Token]]:
    words = preposition.lower_
    for child in preposition.children:
        if child.dep_ == "pobj":
            yield words, child
        elif child.dep_ == "prep" or (child.dep_ == "pcomp" and child.pos_ == "ADP"):
            yield from ((f"{words} {inner}", noun) for inner, noun in _objects(child))


def _title_before(noun: Token) -> str:
    """Return what a name is called before it: "American director" in "American director Ann Lee"."""
    end = start = name_start(noun)
    if start == noun.left_edge.i or noun.doc[end - 1].pos_ != "NOUN" or not noun.doc[end - 1].is_lower:
        return ""
    while start > noun.left_edge.i and noun.doc[start - 1].pos_ in ("NOUN", "ADJ", "PROPN", "NUM") and end - start < 5:
        start -= 1
    return clean(noun.doc[start:end].text)
