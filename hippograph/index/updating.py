"""What may be said of an update."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from hippograph.index.budget import Budget, Stop
from hippograph.index.report import Progress
from hippograph.index.summaries import Summariser
from hippograph.types import ExtractionStatus

__all__ = ["UpdateOptions"]


class UpdateOptions(TypedDict, total=False):
    """The options of `HippoGraph.update`, which mean what they mean to `HippoGraph.index`."""

    progress: Progress | None
    wait: float
    reread: bool
    retry: Collection[ExtractionStatus]
    budget: Budget | None
    stop: Stop | None
    switch: bool | None
    layers: bool | None
    summariser: Summariser | str | None
