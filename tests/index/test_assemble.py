import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import from_edges
from hippograph.index.assemble import EdgeWeights, graph_digest
from hippograph.index.revision import GraphSettings
from hippograph.index.synonyms import SynonymLinker
from hippograph.store.arrays import StringTable
from hippograph.types import Extraction, Passage, Triple
from tests.index.builds import built

FACT = Triple("Nansen", "left", "Nansens")
EVIDENCE = [
    (
        Passage(id="1", document="1", title="Nansen", text="Nansen left Nansens."),
        Extraction(status="done", entities=("Nansen", "Nansens"), triples=(FACT,)),
    ),
    (Passage(id="2", document="2", title="Nansens", text="Nansens, the kin."), Extraction(status="done")),
]


def test_every_kind_of_edge_has_its_weight():
    weights = EdgeWeights(title=5, mention=1, popularity=1, relation=2, synonym=0.5)
    snapshot = built(EVIDENCE, GraphSettings(weights=weights, synonyms=SynonymLinker(threshold=0.01)))
    cosine = float(np.multiply(*snapshot.entity_vectors, dtype=np.float64).sum())
    assert cosine > 0.01
    # Entities nansen (0, in one passage) and nansens (1, in two); passages 2 and 3.
    wanted = np.zeros((4, 4))
    wanted[0, 2] = 5
    wanted[1, 3] = 5
    wanted[1, 2] = 1 / 2
    wanted[0, 1] = 2 / np.sqrt(1 * 2) + 0.5 * cosine
    assert np.allclose(snapshot.graph.adjacency.toarray(), wanted + wanted.T)
    snapshot.graph.validate()


def test_relations_and_synonyms_may_be_left_out():
    weights = EdgeWeights(relation=0, synonym=0)
    graph = built(EVIDENCE, GraphSettings(weights=weights, synonyms=SynonymLinker(threshold=0.01))).graph
    assert graph.neighbours(0)[0].tolist() == [2]


@pytest.mark.parametrize("arguments", [{"title": 0}, {"mention": 0}, {"relation": -1}, {"synonym": float("nan")}])
def test_unusable_weights_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        EdgeWeights(**arguments)


def digest(graph, keys, contents):
    table = np.frombuffer("".join(contents).encode(), dtype=np.uint8).reshape(-1, 1)
    return graph_digest(graph, StringTable.of(keys), table)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(0.1, 9)), max_size=12), st.permutations(range(4))
)
def test_the_digest_does_not_depend_on_the_ids_of_passages(edges, order):
    keys, contents = list("abcde"), ["p", "q", "r", "s"]

    def graph_of(place):
        rows, weights = ([edge[at] for edge in edges] for at in (0, 2))
        return from_edges(rows, [5 + place[edge[1]] for edge in edges], weights, n_entities=5, n_passages=4)

    renamed = [""] * 4
    for old, new in enumerate(order):
        renamed[new] = contents[old]
    assert digest(graph_of(range(4)), keys, contents) == digest(graph_of(order), keys, renamed)


def test_the_digest_tells_contents_apart():
    graph = from_edges([0], [1], [1.0], n_entities=1, n_passages=1)
    heavier = from_edges([0], [1], [2.0], n_entities=1, n_passages=1)
    digests = {
        digest(graph, ["a"], ["p"]),
        digest(graph, ["b"], ["p"]),
        digest(graph, ["a"], ["q"]),
        digest(heavier, ["a"], ["p"]),
        digest(from_edges([0], [1], [1.0], n_entities=1, n_passages=2), ["a"], ["p", "p"]),
        digest(from_edges([0, 0], [1, 2], [1.0, 1.0], n_entities=2, n_passages=1), ["a", "b"], ["p"]),
        digest(from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=2, n_passages=1), ["a", "b"], ["p"]),
    }
    assert len(digests) == 7
