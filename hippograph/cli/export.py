"""`hippograph export`: write an index in a form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.settings import ConfigOption, place_of, settings_of
from hippograph.errors import InputError
from hippograph.store.graph_interchange import write_graphml
from hippograph.store.interchange import export_parquet
from hippograph.store.snapshot import open_snapshot

__all__ = ["export"]


def export(
    out: Annotated[Path, typer.Argument(help="Where: a new folder, for graphml a new file.", show_default=False)],
    index: IndexOption = None,
    format: Annotated[str, typer.Option(help="parquet: tables; graphml: the graph.")] = "parquet",
    vectors: Annotated[bool, typer.Option("--vectors", help="Add the vectors to the tables.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an index in a form that other programs read. No model is needed, and the index may be changed meanwhile."""
    if format not in ("parquet", "graphml"):
        raise InputError(f"there is no format {format!r}; choose one of parquet, graphml")
    if vectors and format != "parquet":
        raise InputError(f"--vectors is for parquet, not for {format}; leave it out")
    # All of it is read anyway, and what leaves the index should be what was published.
    snapshot = open_snapshot(place_of(settings_of(config, index=index)), verify=True)
    files = export_parquet(snapshot, out, vectors=vectors) if format == "parquet" else [write_graphml(snapshot, out)]
    sizes = {str(path): path.stat().st_size for path in files}
    if as_json:
        print_json(
            {
                "format": format,
                "generation": snapshot.generation,
                "graph_digest": snapshot.manifest.graph_digest,
                "files": [{"path": path, "bytes": size} for path, size in sizes.items()],
            }
        )
        return
    for path, size in sizes.items():
        output().print(f"{path}  {size:,} bytes", markup=False, soft_wrap=True)
    output().print(f"exported generation {snapshot.generation}")
