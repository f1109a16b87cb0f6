"""What is made of a snapshot once, when it is first asked for, and kept as long as the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from hippograph.store.snapshot import Snapshot

__all__ = ["PerSnapshot"]

Made = TypeVar("Made")


class PerSnapshot(Generic[Made]):
    """Keeps what is made of snapshots; threads may share it, and wait for each other at the same snapshot only.

    Examples
    --------
    >>> kept, snapshot = PerSnapshot(), Snapshot.empty()
    >>> kept.of(snapshot, lambda: ["made"]) is kept.of(snapshot, lambda: ["made"]), len(kept)
    (True, 1)
    """

    def __init__(self) -> None:
        self._looking = Lock()
        self._slots: WeakKeyDictionary[Snapshot, _Slot[Made]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._slots)

    def of(self, snapshot: Snapshot, make: Callable[[], Made], *, variant: Hashable = None) -> Made:
        """Return what was made of a snapshot, or make it.

        Parameters
        ----------
        snapshot
            The index, or a part of it.
        make
            Makes it; the result must not refer to the snapshot, which would then never go.
        variant
            What else it depends on.
        """
        with self._looking:
            slot = self._slots.setdefault(snapshot, _Slot())
        with slot.making:
            if variant not in slot.made:
                slot.made[variant] = make()
            return slot.made[variant]


class _Slot(Generic[Made]):
    def __init__(self) -> None:
        self.making = Lock()
        self.made: dict[Hashable, Made] = {}
