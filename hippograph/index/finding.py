"""What an examination of an index finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["Examination", "Finding", "FindingKind", "counted"]

FindingKind: TypeAlias = Literal["damage", "mismatch", "note"]
"""`damage`: not what was written; `mismatch`: written by another model or version; `note`: nothing is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about an index that its owner should know.

    Parameters
    ----------
    part
        The file it is about, from the index directory on.
    kind
        How bad it is.
    what
        What was found.
    remedy
        What to do about it.
    """

    part: str
    kind: FindingKind
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that was found.

    Parameters
    ----------
    directory
        The index directory.
    generation
        The number of the current snapshot; 0 if nothing tells it.
    findings
        What was found, part by part.

    Examples
    --------
    >>> note = Finding(part="lock", kind="note", what="is held", remedy="examine it again when it is not")
    >>> Examination(directory=Path("a.hippo"), generation=3, findings=(note,)).sound
    True
    """

    directory: Path
    generation: int
    findings: Sequence[Finding]

    @property
    def sound(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.kind == "note" for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "directory": str(self.directory),
            "generation": self.generation,
            "sound": self.sound,
            "findings": [asdict(finding) for finding in self.findings],
        }


def counted(number: int, noun: str) -> str:
    """Say how many there are.

    Examples
    --------
    >>> counted(1, "passage"), counted(1200, "passage")
    ('1 passage', '1,200 passages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
