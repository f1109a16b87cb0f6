"""`hippograph status`: what an index holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.markup import escape
from rich.table import Table

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.settings import ConfigOption, place_of, settings_of
from hippograph.hippograph import HippoGraph

__all__ = ["status"]


def status(index: IndexOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what an index holds."""
    with HippoGraph(place_of(settings_of(config, index=index))) as hippograph:
        found = hippograph.status()
    if as_json:
        print_json(found)
    else:
        table = Table(show_header=False, box=None)
        for key, value in (*_rows(found), *_usage_rows(found["usage"])):
            table.add_row(key, escape(value))
        output().print(table)


def _rows(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _rows(value, prefix=f"{prefix}{key} ")
        elif key == "sources" and isinstance(value, list):
            yield from ((key, str(source)) for source in value)
        elif not isinstance(value, list):
            yield f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else str(value)


def _usage_rows(entries: object) -> Iterator[tuple[str, str]]:
    for entry in entries if isinstance(entries, list) else []:
        yield f"usage {entry['stage']}", f"{entry['items']:,} texts in {entry['seconds']:,.1f} s, {entry['model']}"
