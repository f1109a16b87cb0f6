"""`hippograph status`: what an index holds."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.hippograph import HippoGraph

__all__ = ["status"]


def status(index: IndexOption, as_json: JsonOption = False) -> None:
    """Say what an index holds."""
    with HippoGraph(index) as hippograph:
        found = hippograph.status()
    if as_json:
        print_json(found)
    else:
        table = Table(show_header=False, box=None)
        for key, value in _flattened(found):
            table.add_row(key, value)
        output().print(table)


def _flattened(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows.extend(_flattened(value, prefix=f"{prefix}{key} "))
        else:
            rows.append((f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else str(value)))
    return rows
