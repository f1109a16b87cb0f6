"""Snapshots that are hard to write down, and what an export of one must say, read out of it one by one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import strategies as st

from hippograph.store.snapshot import Snapshot
from hippograph.text.normalization import normalize
from hippograph.types import Extraction, Passage, Triple
from tests.index.builds import built

NAMES = (
    "Fram",
    "The Royal Geographical Society of London",
    "Royal Geographical Society of London",
    'Anna "Nan" O\'Neill',
    "a]]>b & <c/> &amp; <!--",
    "with\0a\0NUL",
    "bell\x07 \x1b[31m red \x1f",
    "cr\rlf\ncrlf\r\ntab\tend",
    "\x85 next \u2028 line",
    "שלום \u202e עולם",
    "القاهرة",
    "🙂 🚀 👩‍🚀",
    "\ufffe no \uffff character",
    "북경 北京 ﬁ Å",
    "C++",
    "very " + "long " * 2000 + "name",
)

names = st.one_of(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))

Evidence = list[tuple[Passage, Extraction]]


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    """Passages of a few documents, in which any name may relate to any other."""
    pool = draw(st.lists(names, min_size=1, max_size=6))
    some = st.sampled_from(pool)
    drawn: Evidence = []
    for number in range(draw(st.integers(0, 6))):
        extraction = Extraction(
            status="done",
            entities=tuple(draw(st.lists(some, max_size=3))),
            triples=tuple(Triple(*draw(st.tuples(some, some, some))) for _ in range(draw(st.integers(0, 3)))),
        )
        drawn.append((passage(number, draw(some), " ".join(draw(st.lists(some, max_size=3)))), extraction))
    return drawn


def passage(number: int, title: str, text: str) -> Passage:
    return Passage(
        id=f"p{number}\0🙂",
        document=f"d{number // 2}]]>",
        text=text,
        title=title,
        source=("", "кюри.txt", "a&b\r.txt")[number % 3],
        span=(100 - number, 100),
        page=number if number % 2 else None,
        metadata={"year": 1900 + number, "языки": title, "share": 0.1, "alive": False},
    )


def adversarial() -> Evidence:
    """Every name is mentioned with the next one, and related to it, once by three passages."""
    return [
        (
            passage(number, name, f"{name} and {other}"),
            Extraction(
                status="done",
                entities=(name, other),
                triples=(
                    Triple(name, "leads to", other),
                    Triple(other, f"follows {name}", name),
                    *(Triple("Fram", f"r{relation}", "C++") for relation in range(number % 7)),
                ),
            ),
        )
        for number, (name, other) in enumerate(zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True))
    ]


def hard_snapshot() -> Snapshot:
    return built(adversarial())


def stated(evidence: Evidence, snapshot: Snapshot) -> dict[tuple[str, str, str], list[str]]:
    """The ids of the passages that state each triple, by what was extracted from them."""
    keys = set(snapshot.entity_keys)
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for one, extraction in evidence:
        for triple in extraction.triples:
            subject, object_ = normalize(triple.subject), normalize(triple.object)
            relation = " ".join(triple.relation.split())
            if subject in keys and object_ in keys and subject != object_ and relation:
                found[subject, relation, object_].add(one.id)
    return {triple: sorted(ids) for triple, ids in found.items()}


def synonyms(snapshot: Snapshot) -> dict[tuple[str, str], float]:
    """Pairs of keys of which either has the other in its list, and their cosines."""
    tables, keys = snapshot.evidence, snapshot.entity_keys
    pairs = {}
    for entity in range(len(keys)):
        for place in range(int(tables.near_indptr[entity]), int(tables.near_indptr[entity + 1])):
            low, high = sorted([entity, int(tables.near_entities[place])])
            pairs[keys[low], keys[high]] = float(tables.near_cosines[place])
    return pairs


@dataclass(frozen=True)
class Edge:
    weight: float
    kinds: frozenset[str]
    relations: tuple[str, ...] = ()


def edges(evidence: Evidence, snapshot: Snapshot) -> dict[tuple[int, int], Edge]:
    """What each edge is made of."""
    graph, keys = snapshot.graph, snapshot.entity_keys.to_list()
    alike = synonyms(snapshot)
    phrases: dict[frozenset[str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (subject, relation, object_), ids in stated(evidence, snapshot).items():
        phrases[frozenset([subject, object_])][relation] += len(ids)
    found = {}
    for source in range(graph.n_nodes):
        for target, weight in zip(*(part.tolist() for part in graph.neighbours(source)), strict=True):
            if source > target:
                continue
            if target >= len(keys):
                titled = snapshot.title_entities[target - len(keys)] == source
                found[source, target] = Edge(weight, frozenset(["title" if titled else "mention"]))
                continue
            counts = phrases[frozenset([keys[source], keys[target]])]
            kinds = {"relation"} if counts else set()
            kinds |= {"synonym"} if (keys[source], keys[target]) in alike else set()
            relations = sorted(counts, key=lambda relation: (-counts[relation], relation))[:5]
            found[source, target] = Edge(weight, frozenset(kinds), tuple(relations))
    return found
