"""What the models that built an index were asked to do, added up over all runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from hippograph.store.database import Database
from hippograph.store.holdings import altered
from hippograph.store.schema import stamp_of
from hippograph.types import Usage

__all__ = ["UsageLedger", "add_usage", "sum_of"]

_FIELDS: Final = tuple(field.name for field in fields(Usage))
_NOTHING: Final = Usage()
_REAL: Final = frozenset({"seconds", "cost"})
_COLUMNS: Final = ", ".join(("stage", "model", *_FIELDS, "stamp"))


class UsageLedger:
    """The usage of every model in every stage.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, stage: str, model: str, usage: Usage) -> None:
        """Add to what a model has been asked to do in a stage.

        Parameters
        ----------
        stage
            What it was used for, such as `extract` or `embed`.
        model
            The model's fingerprint.
        usage
            What it has done since it was last added.
        """
        with self._database.transaction() as connection:
            add_usage(connection, stage, model, usage, path=self._database.path)

    def totals(self) -> dict[tuple[str, str], Usage]:
        """Return the sums by stage and model, in this order.

        Raises
        ------
        DamagedIndexError
            If one has been altered.
        """
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM usage ORDER BY stage, model")  # noqa: S608
        return {(row[0], row[1]): _usage(row, self._database.path) for row in rows}


def add_usage(connection: sqlite3.Connection, stage: str, model: str, usage: Usage, *, path: Path) -> None:
    """Add to the ledger inside the caller's transaction, so that work and what it cost are kept together or not at all.

    Parameters
    ----------
    connection
        May write, and is in a transaction.
    stage, model, usage
        As for `UsageLedger.add`.
    path
        The file, for messages.

    Raises
    ------
    DamagedIndexError
        If the former sum has been altered.
    """
    statement = f"SELECT {_COLUMNS} FROM usage WHERE stage = ? AND model = ?"  # noqa: S608 - names of ours
    found = connection.execute(statement, (stage, model)).fetchone()
    total = usage if found is None else _usage(found, path) + usage
    sums = [float(getattr(total, name)) if name in _REAL else getattr(total, name) for name in _FIELDS]
    marks = ",".join("?" * (len(sums) + 3))
    connection.execute(
        f"INSERT OR REPLACE INTO usage ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - names of ours and question marks
        (stage, model, *sums, stamp_of(stage, model, *sums)),
    )


def sum_of(usages: Sequence[Usage]) -> Usage:
    """Add up what was spent, faster than one by one.

    Examples
    --------
    >>> sum_of([Usage(calls=1, cost=0.5), Usage(calls=2)])
    Usage(calls=3, items=0, input_tokens=0, output_tokens=0, reused=0, seconds=0.0, cost=0.5)
    """
    return Usage(**{name: sum(map(attrgetter(name), usages), start=getattr(_NOTHING, name)) for name in _FIELDS})


def _usage(row: Sequence[Any], path: Path) -> Usage:
    *values, stamp = row
    if stamp_of(*values) != stamp:
        raise altered(f"the usage of {values[1]!r}", path)
    return Usage(**dict(zip(_FIELDS, values[2:], strict=True)))
