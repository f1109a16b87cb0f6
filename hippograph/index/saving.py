"""Saving what arrives: at once if it comes alone, together if it comes faster than it can be saved."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic
from types import TracebackType
from typing import Final, Generic, TypeVar

__all__ = ["Saving"]

T = TypeVar("T")

# Seconds. What is dear and was waited for longer is saved at once, which takes some tenths of a millisecond.
_PAUSE: Final = 0.005
# Seconds until what came close behind other things is saved with them if nothing else comes, or if it is dear.
_DELAY: Final = 0.05
# Seconds until everything is saved that has arrived. Keys are random, so each time much of the file is written.
_LATEST: Final = 1.0


class Saving(Generic[T]):
    """Saves things within a twentieth of a second of their arrival, few at a time or many.

    Things that cost nothing and come without a pause are saved once a second: to make them again takes no longer. When
    this is left, be it by an error, whatever has arrived is saved.

    Parameters
    ----------
    save
        Keeps things in one transaction, and how many seconds they were waited for.

    Examples
    --------
    >>> saved = []
    >>> with Saving(lambda things, seconds: saved.append((things, seconds))) as saving:
    ...     told = [saving.add("slow", waited=2.0), saving.add("fast", waited=0.0)]
    >>> told, saved
    ([True, False], [(['slow'], 2.0), (['fast'], 0.0)])
    """

    def __init__(self, save: Callable[[list[T], float], None]) -> None:
        self._save = save
        self._changed = Condition()
        self._arrived: list[T] = []
        self._seconds = 0.0
        self._due = self._latest_arrival = 0.0
        self._ended = False
        self._error: BaseException | None = None
        self._thread: Thread | None = None

    def add(self, thing: T, *, waited: float, dear: bool = False) -> bool:
        """Take a thing, and tell whether it is saved already.

        Parameters
        ----------
        thing
            What is to be saved.
        waited
            How long it was waited for, in seconds.
        dear
            Whether it was paid for.

        Raises
        ------
        Exception
            Whatever saving it, or what came before, has raised.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            now = self._latest_arrival = monotonic()
            due = now + (_DELAY if dear else _LATEST)
            self._due = min(self._due, due) if self._arrived else due
            self._arrived.append(thing)
            self._seconds += waited
            if waited >= (_PAUSE if dear else _DELAY) or now >= self._due:
                self._save_all()
                return True
            if self._thread is None:
                self._thread = Thread(target=self._save_late, name="hippograph-save", daemon=True)
                self._thread.start()
            if len(self._arrived) == 1:
                self._changed.notify()
            return False

    def _save_late(self) -> None:
        """Save what nobody else has saved, while the next thing is waited for."""
        with self._changed:
            while not self._ended:
                if not self._arrived:
                    self._changed.wait()
                elif (left := min(self._due, self._latest_arrival + _DELAY) - monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    try:
                        self._save_all()
                    except Exception as error:  # noqa: BLE001 - it is raised where the next thing is added
                        self._error = error
                        return

    def _save_all(self) -> None:
        if not self._arrived:
            return
        # Taken first: an interruption after things are saved must not have them saved, and booked, again.
        arrived, seconds = self._arrived, self._seconds
        self._arrived, self._seconds = [], 0.0
        try:
            self._save(arrived, seconds)
        except Exception:
            # What could not be saved now may be in the end.
            self._arrived, self._seconds = arrived, seconds
            raise

    def __enter__(self) -> Saving[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._save_all()
        if error is None and self._error is not None:
            raise self._error
