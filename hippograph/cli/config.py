"""`hippograph config`: what is set, and where."""

from __future__ import annotations

import json

import typer
from rich.markup import escape
from rich.table import Table

from hippograph.cli.console import JsonOption, output, print_json
from hippograph.cli.settings import ConfigOption, settings_of
from hippograph.config.sources import variable_of

__all__ = ["app", "show"]

app = typer.Typer(no_args_is_help=True, help="Look at the configuration.", rich_markup_mode=None)


@app.command("show")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every key that may be set: its value and where that is from. Secrets are not shown."""
    account = settings_of(config).account()
    if as_json:
        print_json({key: {"value": setting.value, "origin": setting.origin} for key, setting in account.items()})
        return
    table = Table(box=None)
    for heading in ("key", "value", "from"):
        table.add_column(heading, overflow="fold")
    for key, setting in account.items():
        value = "" if setting.value is None else _plain(setting.value)
        origin = f"default; {variable_of(key)}" if setting.origin == "default" else setting.origin
        table.add_row(key, escape(value), escape(origin), style="dim" if setting.origin == "default" else None)
    output().print(table)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# Typer shows the first command of an application with one alone as the application itself.
@app.callback()
def config() -> None:
    """Look at the configuration."""
