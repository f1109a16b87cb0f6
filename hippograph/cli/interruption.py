"""What Ctrl-C does to a run that is paid for: the first one lets it finish what is under way."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

from hippograph.cli.console import complain

__all__ = ["Interruption"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, the first Ctrl-C, or SIGTERM, is only taken note of; the second one interrupts.

    Calling it tells whether the first has come. Outside of the main thread, which alone can receive signals, it does
    nothing.

    Parameters
    ----------
    resumable
        Whether what is under way may take a day, and goes on without us: then the first one interrupts.
    """

    def __init__(self, *, resumable: bool = False) -> None:
        self._resumable = resumable
        self._wanted = False
        self._former: dict[int, signal.Handlers] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}  # type: ignore[misc]
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)

    def __call__(self) -> bool:
        """Tell whether a stop is wanted."""
        return self._wanted

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._resumable and not self._wanted:
            complain("leaving the batches to the server; the same command fetches their answers later")
        if self._wanted or self._resumable:
            self._wanted = True
            raise KeyboardInterrupt
        self._wanted = True
        complain("finishing and saving what is under way; once more to end at once")
