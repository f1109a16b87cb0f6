"""Doubles that tests of readers share: a retriever over a few passages, and replies."""

import json
from dataclasses import dataclass, field

from hippograph.errors import InputError
from hippograph.types import Hit, Passage, Ranking

TEXTS = (
    "The Fram is a ship. The Fram lies in Oslo.",
    "Colin Archer built the Fram in Larvik.",
    "Oslo is the capital of Norway.",
    "Larvik is a town on a fjord.",
    "Bananas are yellow.",
    "Nansen sailed north.",
)


def passage(place, text):
    return Passage(id=f"p{place}", document=f"p{place}", title=f"T{place}", text=text)


@dataclass
class Shelf:
    """Ranks passages by the words they share with a query; keeps what it was asked."""

    texts: tuple[str, ...] = TEXTS
    asked: list[tuple[str, int]] = field(default_factory=list)

    def retrieve(self, queries, *, k):
        if not all(query.strip() for query in queries):
            raise InputError("a query is blank")
        self.asked += [(query, k) for query in queries]
        return [Ranking(query=query, hits=self._hits(query)[:k]) for query in queries]

    def _hits(self, query):
        words = set(query.lower().strip("?").split())
        hits = [
            Hit(passage=passage(place, text), score=float(len(words & set(text.lower().rstrip(".").split()))))
            for place, text in enumerate(self.texts)
        ]
        return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.passage.id)))


def answer_reply(**values):
    return json.dumps({"answer": "Oslo", "support": [1], "sufficient": True} | values)
