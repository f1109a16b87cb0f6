"""Graphs of NetworkX and igraph, and GraphML files: the nodes, edges and weights of the snapshot, and what they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import igraph
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, InputError, MissingExtraError
from hippograph.graph.knowledge_graph import from_edges
from hippograph.hippograph import HippoGraph
from hippograph.store.edges import KINDS
from hippograph.store.graph_interchange import to_igraph, to_networkx, write_graphml
from hippograph.store.snapshot import Snapshot
from tests.index.builds import built
from tests.store.exports import Evidence, adversarial, edges, evidence, hard_snapshot, passage

Nodes = dict[int, dict[str, Any]]
Edges = dict[tuple[int, int], dict[str, Any]]


def expected_nodes(snapshot: Snapshot) -> Nodes:
    nodes: list[dict[str, Any]] = [
        {"kind": "entity", "key": key, "name": name}
        for key, name in zip(snapshot.entity_keys, snapshot.entity_names, strict=True)
    ]
    nodes += [
        {
            "kind": "passage",
            "key": one.id,
            "name": one.title or one.id,
            "document": one.document,
            "source": one.source,
        }
        for one in snapshot.passages
    ]
    return dict(enumerate(nodes))


def expected_edges(said: Evidence, snapshot: Snapshot) -> Edges:
    return {
        ends: {
            "weight": edge.weight,
            "kinds": " ".join(kind for kind in KINDS if kind in edge.kinds),
            **({"relations": "; ".join(edge.relations)} if edge.relations else {}),
        }
        for ends, edge in edges(said, snapshot).items()
    }


def without_empty(attributes: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """igraph, and NetworkX before 3.3, cannot tell what is empty from what is not there."""
    return {one: {name: value for name, value in found.items() if value != ""} for one, found in attributes.items()}


def as_xml_can(attributes: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    return {
        one: {
            name: re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", value)
            if isinstance(value, str)
            else value
            for name, value in found.items()
        }
        for one, found in attributes.items()
    }


def in_networkx(graph: networkx.Graph) -> tuple[Nodes, Edges]:
    found = {(min(ends), max(ends)): attributes for *ends, attributes in graph.edges(data=True)}
    return dict(graph.nodes(data=True)), found


def in_igraph(graph: igraph.Graph) -> tuple[Nodes, Edges]:
    nodes = {node.index: {k: v for k, v in node.attributes().items() if k != "id"} for node in graph.vs}
    return nodes, {(min(edge.tuple), max(edge.tuple)): edge.attributes() for edge in graph.es}


@settings(max_examples=30, deadline=None)
@given(evidence())
def test_networkx_holds_what_the_snapshot_says(said: Evidence) -> None:
    snapshot = built(said)
    graph = to_networkx(snapshot)
    assert in_networkx(graph) == (expected_nodes(snapshot), expected_edges(said, snapshot))
    assert not graph.is_directed()
    assert list(graph) == list(range(snapshot.graph.n_nodes))


@settings(max_examples=30, deadline=None)
@given(evidence())
def test_igraph_holds_what_the_snapshot_says(said: Evidence) -> None:
    snapshot = built(said)
    graph = to_igraph(snapshot)
    nodes, edges_ = in_igraph(graph)
    assert without_empty(nodes) == without_empty(expected_nodes(snapshot))
    assert without_empty(edges_) == without_empty(expected_edges(said, snapshot))
    assert (graph.is_directed(), graph.is_simple()) == (False, True)


def assert_graphml_says(snapshot: Snapshot, said: Evidence) -> None:
    nodes, edges_ = as_xml_can(expected_nodes(snapshot)), as_xml_can(expected_edges(said, snapshot))
    with TemporaryDirectory() as directory:
        path = write_graphml(snapshot, f"{directory}/graph.graphml")
        for found_nodes, found_edges in (
            in_networkx(networkx.read_graphml(path, node_type=int)),
            in_igraph(igraph.Graph.Read_GraphML(str(path))),
        ):
            assert without_empty(found_nodes) == without_empty(nodes)
            assert without_empty(found_edges) == without_empty(edges_)


@settings(max_examples=40, deadline=None)
@given(evidence())
def test_networkx_and_igraph_read_the_graphml(said: Evidence) -> None:
    assert_graphml_says(built(said), said)


def test_hard_names_come_through_all_of_them() -> None:
    snapshot, said = hard_snapshot(), adversarial()
    expected = expected_edges(said, snapshot)
    assert {"title", "mention", "relation", "relation synonym"} <= {edge["kinds"] for edge in expected.values()}
    assert max(edge.get("relations", "").count("; ") for edge in expected.values()) == 4
    assert in_networkx(to_networkx(snapshot)) == (expected_nodes(snapshot), expected)
    assert_graphml_says(snapshot, said)


def test_the_relations_that_most_passages_state_come_first() -> None:
    graph = to_networkx(hard_snapshot())
    nodes = {attributes["key"]: node for node, attributes in graph.nodes(data=True)}
    # Of r0 to r5, each is stated by more passages than the next.
    assert graph.edges[nodes["fram"], nodes["c++"]]["relations"] == "r0; r1; r2; r3; r4"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(min_value=2.3e-308, max_value=1.7e308), min_size=1, max_size=8))
def test_weights_come_back_bit_for_bit(weights: list[float]) -> None:
    # igraph refuses to read smaller ones, which have fewer digits.
    snapshot = built([(passage(number, "Fram", "Fram"), adversarial()[0][1]) for number in range(8)])
    n_entities, ends = snapshot.graph.n_entities, np.arange(len(weights))
    graph = from_edges(
        ends * 0, n_entities + ends, weights, n_entities=n_entities, n_passages=snapshot.graph.n_passages
    )
    changed = replace(snapshot, graph=graph)
    with TemporaryDirectory() as directory:
        path = write_graphml(changed, f"{directory}/graph.graphml")
        for found in (
            in_networkx(to_networkx(changed)),
            in_networkx(networkx.read_graphml(path, node_type=int)),
            in_igraph(to_igraph(changed)),
            in_igraph(igraph.Graph.Read_GraphML(str(path))),
        ):
            read = {ends: edge["weight"].hex() for ends, edge in found[1].items()}
            assert read == {(0, n_entities + row): weight.hex() for row, weight in enumerate(weights)}


@pytest.mark.parametrize("make", [to_networkx, to_igraph])
def test_a_graph_tells_where_it_is_from(small: HippoGraph, tmp_path: Path, make: Callable[[Snapshot], Any]) -> None:
    snapshot = small.parts.snapshot
    graph = make(snapshot)
    read = igraph.Graph.Read_GraphML(str(write_graphml(snapshot, tmp_path / "small.graphml")))
    names = ("generation", "graph_digest", "embedder", "extractor")
    about = {name: graph.graph[name] if make is to_networkx else graph[name] for name in names}
    assert about == {name: read[name] for name in names}
    assert about["graph_digest"] == snapshot.manifest.graph_digest
    assert about["generation"] == 1


def test_the_empty_graph_is_one(tmp_path: Path) -> None:
    path = write_graphml(Snapshot.empty(), tmp_path / "empty.graphml")
    assert networkx.read_graphml(path).number_of_nodes() == igraph.Graph.Read_GraphML(str(path)).vcount() == 0


def test_the_same_snapshot_makes_the_same_file_and_any_parser_reads_it(tmp_path: Path) -> None:
    once, again = (write_graphml(hard_snapshot(), tmp_path / "deep" / f"{name}.graphml") for name in ("one", "two"))
    assert once.read_bytes() == again.read_bytes()
    assert ElementTree.parse(once).getroot().tag == "{http://graphml.graphdrawing.org/xmlns}graphml"
    assert b"\r" not in once.read_bytes()


def test_a_file_that_is_there_is_refused(small: HippoGraph, tmp_path: Path) -> None:
    (tmp_path / "mine.graphml").write_text("keep")
    for taken in ("mine.graphml", "."):
        with pytest.raises(InputError, match=r"exists already"):
            write_graphml(small.parts.snapshot, tmp_path / taken)
    assert (tmp_path / "mine.graphml").read_text() == "keep"


@pytest.mark.parametrize("make", [to_networkx, to_igraph])
def test_without_the_library_the_extra_is_named(
    make: Callable[[Snapshot], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make.__name__.removeprefix("to_")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'hippograph\[{package}\]'"):
        make(Snapshot.empty())


def test_triples_that_are_not_those_of_the_evidence_are_damage(tmp_path: Path) -> None:
    snapshot = hard_snapshot()
    subjects = snapshot.triples.subjects.copy()
    subjects[0] += 1
    damaged = replace(snapshot, triples=replace(snapshot.triples, subjects=subjects))
    with pytest.raises(DamagedIndexError, match="does not fit the triples"):
        write_graphml(damaged, tmp_path / "graph.graphml")
    assert list(tmp_path.iterdir()) == []
