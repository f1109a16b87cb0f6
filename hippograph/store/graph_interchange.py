"""Interchange by graphs: a snapshot as a graph of NetworkX or igraph, or as a GraphML file.

All three hold the same. Nodes are the numbers of the snapshot's graph, entities first, with the attributes

* `kind`: `entity` or `passage`;
* `key`: an entity's normalised name, a passage's id;
* `name`: an entity's name as displayed, a passage's title (its id where it has none);
* `document` and `source`: where a passage is from.

Edges have the attributes

* `weight`;
* `kinds`: what the edge is made of, one or several of `KINDS` with a blank between them;
* `relations`: for relations, their phrases, at most five, those stated by most passages first, joined by `"; "`.

The graph has the attributes `generation`, `graph_digest`, `embedder` and `extractor`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias
from xml.sax.saxutils import escape

from hippograph.extras import import_extra
from hippograph.store.edges import KINDS, edge_blocks
from hippograph.store.placement import new_file
from hippograph.store.snapshot import Snapshot

if TYPE_CHECKING:
    import igraph
    import networkx

__all__ = ["to_igraph", "to_networkx", "write_graphml"]

_Attributes: TypeAlias = Mapping[str, str | float]

_NODE_ATTRIBUTES: Final = ("kind", "key", "name", "document", "source")
_EDGE_ATTRIBUTES: Final = ("weight", "kinds", "relations")

# What XML 1.0 has no way to write: most control characters, and two that are no characters.
_UNSPEAKABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REPLACEMENT: Final = "\ufffd"


def to_networkx(snapshot: Snapshot) -> networkx.Graph:
    """Make a graph of NetworkX, in memory.

    Raises
    ------
    MissingExtraError
        If NetworkX is not installed.
    DamagedIndexError
        If the snapshot holds what cannot be.

    Examples
    --------
    >>> to_networkx(Snapshot.empty()).number_of_nodes()
    0
    """
    networkx = import_extra("networkx", extra="networkx")
    graph = networkx.Graph(**_graph_attributes(snapshot))
    graph.add_nodes_from(enumerate(_nodes(snapshot)))
    graph.add_edges_from(_edges(snapshot))
    return graph


def to_igraph(snapshot: Snapshot) -> igraph.Graph:
    """Make a graph of igraph, in memory; an attribute that a node or an edge lacks is an empty text there.

    Raises
    ------
    MissingExtraError
        If igraph is not installed.
    DamagedIndexError
        If the snapshot holds what cannot be.

    Examples
    --------
    >>> to_igraph(Snapshot.empty()).vcount()
    0
    """
    igraph = import_extra("igraph", extra="igraph")
    nodes: dict[str, list[str | float]] = {name: [] for name in _NODE_ATTRIBUTES}
    for node in _nodes(snapshot):
        for name, values in nodes.items():
            values.append(node.get(name, ""))
    ends: list[tuple[int, int]] = []
    edges: dict[str, list[str | float]] = {name: [] for name in _EDGE_ATTRIBUTES}
    for source, target, edge in _edges(snapshot):
        ends.append((source, target))
        for name, values in edges.items():
            values.append(edge.get(name, ""))
    return igraph.Graph(
        n=snapshot.graph.n_nodes,
        edges=ends,
        graph_attrs=_graph_attributes(snapshot),
        vertex_attrs=nodes,
        edge_attrs=edges,
    )


def write_graphml(snapshot: Snapshot, path: str | Path) -> Path:
    r"""Write the graph as a GraphML file, which NetworkX, igraph, Gephi and others read.

    It is written as it goes, so it may be larger than memory, and appears whole or not at all. Weights come back bit
    for bit. Characters that XML cannot hold (NUL and other control characters) are replaced by U+FFFD.

    Parameters
    ----------
    snapshot
        What to write.
    path
        Where; a new file. Missing folders above it are made.

    Returns
    -------
    The path.

    Raises
    ------
    InputError
        If there is something already.
    DamagedIndexError
        If the snapshot holds what cannot be.
    OSError
        If the disk is full or may not be written to.

    References
    ----------
    The GraphML file format, http://graphml.graphdrawing.org.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     write_graphml(Snapshot.empty(), f"{directory}/empty.graphml").read_text(encoding="utf-8")[:38]
    '<?xml version="1.0" encoding="UTF-8"?>'
    """
    with new_file(path) as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n')
        about = _graph_attributes(snapshot)
        for owner, names in (("graph", tuple(about)), ("node", _NODE_ATTRIBUTES), ("edge", _EDGE_ATTRIBUTES)):
            _write_keys(file, owner, names)
        file.write('<graph edgedefault="undirected">\n')
        file.write(_data("graph", about) + "\n")
        for number, node in enumerate(_nodes(snapshot)):
            file.write(f'<node id="{number}">{_data("node", node)}</node>\n')
        for source, target, edge in _edges(snapshot):
            file.write(f'<edge source="{source}" target="{target}">{_data("edge", edge)}</edge>\n')
        file.write("</graph>\n</graphml>\n")
    return Path(path)


def _graph_attributes(snapshot: Snapshot) -> dict[str, str | float]:
    manifest = snapshot.manifest
    return {
        "generation": manifest.generation,
        "graph_digest": manifest.graph_digest,
        "embedder": manifest.embedder,
        "extractor": manifest.extractor,
    }


def _nodes(snapshot: Snapshot) -> Iterator[_Attributes]:
    for key, name in zip(snapshot.entity_keys, snapshot.entity_names, strict=True):
        yield {"kind": "entity", "key": key, "name": name}
    passages = snapshot.passages
    columns = (passages.ids, passages.titles, passages.documents, passages.sources)
    for key, title, document, source in zip(*columns, strict=True):
        yield {"kind": "passage", "key": key, "name": title or key, "document": document, "source": source}


def _edges(snapshot: Snapshot) -> Iterator[tuple[int, int, _Attributes]]:
    phrases = snapshot.triples.phrases
    for block in edge_blocks(snapshot):
        rows = zip(block.sources.tolist(), block.targets.tolist(), block.weights.tolist(), strict=True)
        for row, (source, target, weight) in enumerate(rows):
            kinds = " ".join(kind for kind, there in zip(KINDS, block.kinds[row].tolist(), strict=True) if there)
            edge: dict[str, str | float] = {"weight": weight, "kinds": kinds}
            relations = block.phrases[block.phrase_indptr[row] : block.phrase_indptr[row + 1]]
            if len(relations):
                edge["relations"] = "; ".join(phrases[number] for number in relations.tolist())
            yield source, target, edge


def _write_keys(file: TextIO, owner: str, names: tuple[str, ...]) -> None:
    kinds = {"weight": "double", "generation": "long"}
    for name in names:
        file.write(
            f'<key id="{owner}-{name}" for="{owner}" attr.name="{name}" attr.type="{kinds.get(name, "string")}"/>\n'
        )


def _data(owner: str, attributes: _Attributes) -> str:
    return "".join(f'<data key="{owner}-{name}">{_text(value)}</data>' for name, value in attributes.items())


def _text(value: str | float) -> str:
    # A reader makes line feeds of carriage returns, unless they are spelled out.
    return escape(_UNSPEAKABLE.sub(_REPLACEMENT, str(value)), {"\r": "&#13;"})
