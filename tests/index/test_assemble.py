import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import from_edges
from hippograph.index.assemble import EdgeWeights, assemble, graph_digest
from hippograph.index.entities import name_entities, name_triples
from hippograph.index.synonyms import Synonyms
from hippograph.types import Extraction, Passage, Triple

FACT = Triple("Nansen", "left", "Oslo")
EVIDENCE = [
    (
        Passage(id="1", document="1", title="Nansen", text="Nansen left Oslo."),
        Extraction(status="done", entities=("Nansen", "Oslo"), triples=(FACT,)),
    ),
    (Passage(id="2", document="2", title="Oslo", text="Oslo, the city."), Extraction(status="done")),
]


def built(weights=None, synonyms=None):
    named = name_entities(EVIDENCE)
    nothing = Synonyms(left=np.zeros(0, np.int64), right=np.zeros(0, np.int64), similarities=np.zeros(0))
    return assemble(named, name_triples(EVIDENCE, named), synonyms or nothing, weights=weights or EdgeWeights())


def test_every_kind_of_edge_has_its_weight():
    pair = Synonyms(left=np.array([0]), right=np.array([1]), similarities=np.array([0.95]))
    weights = EdgeWeights(title=5, mention=1, popularity=1, relation=2, synonym=0.5)
    graph = built(weights, pair)
    # Entities nansen (0, in one passage) and oslo (1, in two); passages 2 and 3.
    wanted = np.zeros((4, 4))
    wanted[0, 2] = 5
    wanted[1, 3] = 5
    wanted[1, 2] = 1 / 2
    wanted[0, 1] = 2 / np.sqrt(1 * 2) + 0.5 * 0.95
    assert np.allclose(graph.adjacency.toarray(), wanted + wanted.T)
    graph.validate()


def test_relations_and_synonyms_may_be_left_out():
    assert built(EdgeWeights(relation=0)).neighbours(0)[0].tolist() == [2]


@pytest.mark.parametrize("arguments", [{"title": 0}, {"mention": 0}, {"relation": -1}, {"synonym": float("nan")}])
def test_unusable_weights_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        EdgeWeights(**arguments)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(5, 8), st.floats(0.1, 9)), max_size=12), st.permutations(range(5))
)
def test_the_digest_does_not_depend_on_the_numbering(edges, order):
    keys, contents = list("abcde"), ["p", "q", "p", "r"]

    def graph_of(place):
        rows, columns, weights = ([edge[at] for edge in edges] for at in range(3))
        return from_edges([place[row] for row in rows], columns, weights, n_entities=5, n_passages=4)

    renamed = [""] * 5
    for old, new in enumerate(order):
        renamed[new] = keys[old]
    one = graph_digest(graph_of(range(5)), keys, contents)
    assert one == graph_digest(graph_of(order), renamed, contents)


def test_the_digest_tells_contents_apart():
    graph = from_edges([0], [1], [1.0], n_entities=1, n_passages=1)
    heavier = from_edges([0], [1], [2.0], n_entities=1, n_passages=1)
    digests = {
        graph_digest(graph, ["a"], ["p"]),
        graph_digest(graph, ["b"], ["p"]),
        graph_digest(graph, ["a"], ["q"]),
        graph_digest(heavier, ["a"], ["p"]),
        graph_digest(from_edges([0], [1], [1.0], n_entities=1, n_passages=2), ["a"], ["p", "p"]),
    }
    assert len(digests) == 5
