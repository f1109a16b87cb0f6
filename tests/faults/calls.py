"""One counter over everything that changes the disk, and what befalls the n-th of those calls."""

import os
import signal
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["Befall", "Calls", "Mode", "Strike", "die"]

Mode: TypeAlias = Literal["once", "dead", "full", "kill"]
"""The n-th call fails and no other (EIO); it and all after it fail (EIO); it and all after it that need space fail
(ENOSPC); the process is killed in it."""

_NEEDS_SPACE: Final = frozenset({"create", "write", "extend", "mkdir"})


class Befall(Enum):
    """What becomes of one call."""

    NOTHING = "it does its work"
    FAILS = "it does half its work and reports an input/output error"
    FULL = "it does half its work and reports a full disk"
    DIES = "the process dies with half of it done"


@dataclass(frozen=True, kw_only=True)
class Strike:
    """Something that happens at the n-th call.

    Parameters
    ----------
    at
        The number of the call, from 1.
    mode
        What happens.
    torn
        Whether a write that fails or dies leaves half of its bytes on the disk, or none.
    """

    at: int
    mode: Mode
    torn: bool = True


@dataclass(kw_only=True)
class Calls:
    """Counts calls, and says of each what becomes of it.

    Parameters
    ----------
    strike
        What happens when; None if nothing does.
    made
        What the calls were, in order: layer, file and act.
    """

    strike: Strike | None = None
    made: list[str] = field(default_factory=list)

    def next(self, layer: str, path: Path, act: str) -> Befall:
        """Count a call that is about to be made.

        Parameters
        ----------
        layer, path, act
            Who makes it, on what, and what it does.
        """
        self.made.append(f"{layer}: {act} {path.name}")
        strike, number = self.strike, len(self.made)
        if strike is None or number < strike.at or (strike.mode in ("once", "kill") and number > strike.at):
            return Befall.NOTHING
        if strike.mode == "kill":
            return Befall.DIES
        if strike.mode == "full":
            return Befall.FULL if act in _NEEDS_SPACE else Befall.NOTHING
        return Befall.FAILS

    @property
    def struck(self) -> str | None:
        """The call that was struck first, or None if it never came to that."""
        return self.made[self.strike.at - 1] if self.strike and len(self.made) >= self.strike.at else None

    def torn(self, size: int) -> int:
        """How much of a write of so many bytes reaches the disk before it is struck."""
        return size // 2 if self.strike is not None and self.strike.torn else 0


def die() -> None:
    """Die as by `kill -9`: nothing is flushed, closed or cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
