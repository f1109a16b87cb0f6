"""`hippograph delete`: take documents out of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, complain, output, print_json
from hippograph.cli.models import FILTER_EXAMPLE, WaitOption
from hippograph.cli.settings import ConfigOption, place_of, settings_of
from hippograph.hippograph import HippoGraph

__all__ = ["delete"]

_SHOWN = 20


def delete(
    index: IndexOption = None,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Documents.", show_default=False)] = None,
    filter: Annotated[
        str | None,
        typer.Option(help=f"Documents to remove, by their metadata: {FILTER_EXAMPLE}", show_default=False),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="Documents of this file, or of all files in this folder, be they still there or not."),
    ] = None,
    wait: WaitOption = 0.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take documents out of an index: by id, by metadata, or by the file they came from. No model is called."""
    place = place_of(settings_of(config, index=index))
    with HippoGraph(place) as hippograph:
        report = hippograph.delete(ids or (), filter=filter, source=source, wait=wait)
    if as_json:
        print_json({"removed": list(report.removed), "missing": list(report.missing), "generation": report.generation})
    else:
        output().print(f"{len(report.removed):,} documents removed; generation {report.generation}")
        for name in report.missing[:_SHOWN]:
            complain(f"there is no document {name!r} in {place}")
        if len(report.missing) > _SHOWN:
            complain(f"and {len(report.missing) - _SHOWN:,} more; --json lists them all")
    if report.missing:
        raise typer.Exit(1)
