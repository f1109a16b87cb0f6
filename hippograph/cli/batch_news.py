"""What is told on stderr of batches, which a server may take a day for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hippograph.cli.console import complain, errors

__all__ = ["batch_news"]


class _Teller(logging.Handler):
    """Tells what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        if record.levelno >= logging.WARNING:
            complain(record.getMessage())
        else:
            errors().print(f"hippograph: {record.getMessage()}", style="dim", markup=False, soft_wrap=True)


@contextmanager
def batch_news() -> Iterator[None]:
    """Tell, while this is entered, how batches stand: when one is sent, gets on, ends, or nobody answers."""
    log, teller = logging.getLogger("hippograph.models.batches"), _Teller(logging.INFO)
    before = log.level
    log.addHandler(teller)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(teller)
        log.setLevel(before)
