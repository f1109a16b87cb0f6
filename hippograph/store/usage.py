"""What the models that built an index were asked to do, added up over all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hippograph.store.database import Database
from hippograph.store.holdings import altered
from hippograph.store.schema import stamp_of
from hippograph.types import Usage

__all__ = ["UsageLedger"]


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
            statement = f"SELECT {_COLUMNS} FROM usage WHERE stage = ? AND model = ?"  # noqa: S608
            found = connection.execute(statement, (stage, model)).fetchone()
            total = usage if found is None else self._usage(found) + usage
            values = (stage, model, total.calls, total.items, total.tokens, float(total.seconds))
            connection.execute(
                f"INSERT OR REPLACE INTO usage ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (*values, stamp_of(*values)),
            )

    def totals(self) -> dict[tuple[str, str], Usage]:
        """Return the sums by stage and model, in this order.

        Raises
        ------
        DamagedIndexError
            If one has been altered.
        """
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM usage ORDER BY stage, model")  # noqa: S608
        return {(row[0], row[1]): self._usage(row) for row in rows}

    def _usage(self, row: Sequence[Any]) -> Usage:
        *values, stamp = row
        if stamp_of(*values) != stamp:
            raise altered(f"the usage of {values[1]!r}", self._database.path)
        _, _, calls, items, tokens, seconds = values
        return Usage(calls=calls, items=items, input_tokens=tokens, seconds=seconds)


_COLUMNS: Final = "stage, model, calls, items, tokens, seconds, stamp"
