"""`hippograph status`: what an index holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
        for key, value in (*_rows(found), *_usage_rows(found["usage"], found["usage_total"])):
            table.add_row(key, escape(value))
        output().print(table)


def _rows(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if key in {"usage", "usage_total"}:
            continue
        if isinstance(value, Mapping):
            yield from _rows(value, prefix=f"{prefix}{key} ")
        elif key == "sources":
            yield from ((key, str(source)) for source in value)
        elif key == "extractors":
            yield from (("read by", _reader(one)) for one in value)
        elif isinstance(value, bool):
            yield f"{prefix}{key}", "yes" if value else "no"
        elif value != "":
            yield f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else str(value)


def _reader(one: Mapping[str, Any]) -> str:
    waiting = f", {one['pending']:,} wait" if one["preferred"] and one["pending"] else ""
    return f"{one['extractor']}: {one['read']:,} passages read, {one['used']:,} in use{waiting}"


def _usage_rows(entries: Sequence[Mapping[str, Any]], total: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        yield f"usage {entry['stage']}", f"{_spent(entry)}, {entry['model']}"
    if total["tokens"]:
        yield "usage in all", _spent(total)


def _spent(entry: Mapping[str, Any]) -> str:
    parts = [f"{entry['items']:,} texts in {entry['seconds']:,.1f} s"]
    if entry["tokens"]:
        parts.append(
            f"{entry['calls']:,} calls, {entry['input_tokens']:,} tokens read, {entry['output_tokens']:,} written"
        )
    if entry["reused"]:
        parts.append(f"{entry['reused']:,} answers known before")
    if entry["cost"]:
        parts.append(f"{entry['cost']:,.4f} dollars")
    return ", ".join(parts)
