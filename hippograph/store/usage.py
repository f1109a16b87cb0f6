"""What the models that built an index were asked to do, added up over all runs."""

from __future__ import annotations

from hippograph.store.database import Database
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
            connection.execute(
                """INSERT INTO usage (stage, model, calls, items, tokens, seconds) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (stage, model) DO UPDATE SET calls = calls + excluded.calls,
                items = items + excluded.items, tokens = tokens + excluded.tokens,
                seconds = seconds + excluded.seconds""",
                (stage, model, usage.calls, usage.items, usage.tokens, usage.seconds),
            )

    def totals(self) -> dict[tuple[str, str], Usage]:
        """Return the sums by stage and model, in this order."""
        statement = "SELECT stage, model, calls, items, tokens, seconds FROM usage ORDER BY stage, model"
        return {
            (stage, model): Usage(calls=calls, items=items, tokens=tokens, seconds=seconds)
            for stage, model, calls, items, tokens, seconds in self._database.rows(statement)
        }
