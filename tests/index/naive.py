"""The naive model of the graph, a passage and a name at a time: what the revised arrays are tested against.

An entity is a normalised name. Two things make one: the extractor found it in a passage, or it is a passage's title.
Every name found anywhere is then looked up in every passage, so a passage is tied to the entities it mentions even
where the extractor overlooked them. Measured on multi-hop questions, that look-up is worth more than any other step.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.index.assemble import EdgeWeights
from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import Token, normalize, strip_qualifier, tokens
from hippograph.types import Extraction, FloatArray, IntArray, Passage, Triple

__all__ = ["Lexicon", "NamedEntities", "NamedTriples", "name_entities", "name_triples"]

_LONGEST_NAME = 16


class Lexicon:
    """Names found in running text, whatever the case and punctuation around them.

    Function words are found only where their capitals make a name of them.

    Parameters
    ----------
    keys
        Normalised names.

    Examples
    --------
    >>> lexicon = Lexicon(["oslo", "university of oslo"])
    >>> lexicon.find("She left the University of Oslo for Oslo.")
    ['university of oslo', 'oslo']
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = frozenset(keys)
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for key in self._keys:
            words = key.split(" ")
            if len(words) <= _LONGEST_NAME:
                lengths[words[0]].add(len(words))
        self._grammar = frozenset(key for key in self._keys if is_grammar(key))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    def find(self, text: str) -> list[str]:
        """List the names in a text from left to right, the longest at each place, without overlaps."""
        words = tokens(text)
        found = []
        at = 0
        while at < len(words):
            name, step = self._longest(text, words, at)
            if name:
                found.append(name)
            at += step
        return found

    def _longest(self, text: str, words: Sequence[Token], at: int) -> tuple[str, int]:
        """Return the longest name that begins at a token and its length, or no name and 1."""
        for length in self._lengths.get(words[at].key, ()):
            here = words[at : at + length]
            name = " ".join(word.key for word in here)
            if name in self._keys and (name not in self._grammar or reads_as_name(text, here)):
                return name, length
        return "", 1


@dataclass(frozen=True, kw_only=True)
class NamedEntities:
    """The entities of a set of passages, numbered in the order of their keys.

    Parameters
    ----------
    keys
        Normalised names, sorted; length E.
    names
        The spelling seen most often of each; the smallest of equally frequent ones.
    mention_passages, mention_entities, mention_counts
        One mention each: passage row, entity number, number of occurrences; shape (M,), sorted by passage, then entity.
    title_entities
        Shape (P,): the entity a passage's title names, -1 for none.
    """

    keys: Sequence[str]
    names: Sequence[str]
    mention_passages: IntArray
    mention_entities: IntArray
    mention_counts: IntArray
    title_entities: IntArray


@dataclass(frozen=True, kw_only=True)
class NamedTriples:
    """Distinct triples between entities, in the order of their subject, object and relation.

    Parameters
    ----------
    subjects, objects
        Entity numbers, shape (T,).
    relations
        Relation phrases, length T.
    evidence_triples, evidence_passages
        Which passage states which triple, shape (X,), sorted.
    """

    subjects: IntArray
    objects: IntArray
    relations: Sequence[str]
    evidence_triples: IntArray
    evidence_passages: IntArray


def name_entities(evidence: Sequence[tuple[Passage, Extraction]]) -> NamedEntities:
    """Name the entities of passages and find every mention of them.

    Parameters
    ----------
    evidence
        Passages with what was extracted from them, in the order in which passages are to be numbered.

    Returns
    -------
    The entities; a pure function of the evidence.

    Examples
    --------
    >>> oslo = Passage(id="1", document="1", title="Oslo", text="Oslo is the capital of Norway.")
    >>> fram = Passage(id="2", document="2", title="Fram (ship)", text="The Fram lies in Oslo.")
    >>> named = name_entities([(oslo, Extraction(status="done", entities=("Oslo", "Norway"))),
    ...                        (fram, Extraction(status="empty"))])
    >>> named.names
    ['Fram', 'Norway', 'Oslo']
    >>> named.mention_entities.tolist(), named.title_entities.tolist()
    ([1, 2, 0, 2], [2, 0])
    """
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts: list[Counter[str]] = []
    titles: list[str] = []
    for passage, extraction in evidence:
        counted: Counter[str] = Counter()
        for name in extraction.entities:
            key = normalize(name)
            if key and not (is_grammar(key) and name.islower()):
                spellings[key][name.strip()] += 1
                counted[key] += 1
        title = strip_qualifier(passage.title).strip()
        titles.append(normalize(title))
        if titles[-1]:
            spellings[titles[-1]][title] += 1
        counts.append(counted)
    lexicon = Lexicon(list(spellings))
    for (passage, _), counted, title in zip(evidence, counts, titles, strict=True):
        for key, found in Counter(lexicon.find(passage.text)).items():
            counted[key] = max(counted[key], found)
        if title:
            counted[title] += 1
    return _number(spellings, counts, titles)


def name_triples(evidence: Sequence[tuple[Passage, Extraction]], entities: NamedEntities) -> NamedTriples:
    """Keep the triples whose subject and object are both entities, each once.

    Parameters
    ----------
    evidence
        The same passages in the same order as `entities` was made from.
    entities
        Their entities.
    """
    numbers = {key: number for number, key in enumerate(entities.keys)}
    stated: defaultdict[tuple[int, int, str], set[int]] = defaultdict(set)
    for row, (_, extraction) in enumerate(evidence):
        for triple in extraction.triples:
            subject, object_ = numbers.get(normalize(triple.subject)), numbers.get(normalize(triple.object))
            relation = " ".join(triple.relation.split())
            if subject is not None and object_ is not None and subject != object_ and relation:
                stated[subject, object_, relation].add(row)
    order = sorted(stated)
    return NamedTriples(
        subjects=np.array([subject for subject, _, _ in order], dtype=np.int64),
        objects=np.array([object_ for _, object_, _ in order], dtype=np.int64),
        relations=[relation for _, _, relation in order],
        evidence_triples=np.array([n for n, fact in enumerate(order) for _ in stated[fact]], dtype=np.int64),
        evidence_passages=np.array([row for fact in order for row in sorted(stated[fact])], dtype=np.int64),
    )


def triple_texts(triples: NamedTriples, names: Sequence[str]) -> list[str]:
    """Write triples out as the phrases that are embedded.

    Parameters
    ----------
    triples
        The triples.
    names
        The entities' displayed names.
    """
    return [
        " ".join(Triple(names[subject], relation, names[object_]))
        for subject, relation, object_ in zip(triples.subjects, triples.relations, triples.objects, strict=True)
    ]


def _number(
    spellings: Mapping[str, Counter[str]], counts: Sequence[Counter[str]], titles: Sequence[str]
) -> NamedEntities:
    keys = sorted(spellings)
    numbers = {key: number for number, key in enumerate(keys)}
    mentions = [
        (row, number, count)
        for row, counted in enumerate(counts)
        for number, count in sorted((numbers[key], count) for key, count in counted.items())
    ]
    table = np.array(mentions, dtype=np.int64).reshape(-1, 3)
    return NamedEntities(
        keys=keys,
        names=[min(spellings[key].items(), key=lambda item: (-item[1], item[0]))[0] for key in keys],
        mention_passages=table[:, 0].copy(),
        mention_entities=table[:, 1].copy(),
        mention_counts=table[:, 2].copy(),
        title_entities=np.array([numbers.get(title, -1) for title in titles], dtype=np.int64),
    )


def naive_synonyms(
    keys: Sequence[str], vectors: FloatArray, *, threshold: float, most: int
) -> dict[tuple[int, int], float]:
    """Compare every name with every other."""
    alike: dict[int, list[tuple[float, int]]] = {number: [] for number in range(len(keys))}
    for left in range(len(keys)):
        for right in range(len(keys)):
            if left != right and re.findall(r"\d+", keys[left]) == re.findall(r"\d+", keys[right]):
                cosine = float(np.multiply(vectors[left], vectors[right], dtype=np.float64)[np.newaxis].sum(axis=1)[0])
                if cosine >= threshold:
                    alike[left].append((-cosine, right))
    kept = {}
    for left, others in alike.items():
        for cosine, right in sorted(others)[:most]:
            kept[min(left, right), max(left, right)] = -cosine
    return kept


def naive_edges(
    entities: NamedEntities, triples: NamedTriples, synonyms: Mapping[tuple[int, int], float], weights: EdgeWeights
) -> dict[tuple[int, int], float]:
    """List the edges, entities before passages, each once."""
    n_entities = len(entities.keys)
    rarity = [1.0] * n_entities
    for number, count in Counter(entities.mention_entities.tolist()).items():
        rarity[number] = float(np.float64(count) ** -weights.popularity)
    parts: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for row, number in zip(entities.mention_passages.tolist(), entities.mention_entities.tolist(), strict=True):
        title = entities.title_entities[row] == number
        parts[number, n_entities + row].append(weights.title if title else weights.mention * rarity[number])
    for stated in triples.evidence_triples.tolist():
        one, other = int(triples.subjects[stated]), int(triples.objects[stated])
        strength = weights.relation * float(np.sqrt(rarity[one] * rarity[other]))
        parts[min(one, other), max(one, other)].append(strength)
    for pair, cosine in synonyms.items():
        parts[pair].append(weights.synonym * cosine)
    return {pair: float(np.add.reduceat(np.sort(strengths), [0])[0]) for pair, strengths in parts.items()}
