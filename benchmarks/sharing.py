"""Readers and a writer at one index, in processes of their own: no reader may get a wrong or a mixed result.

    python benchmarks/sharing.py [--generations 10] [--readers 3] [--passages 24]

A writer publishes one generation after the other, each in a session of its own that rewrites every document. The text
of a passage says which generation it is of, and the relations between the people differ from one to the next. The
readers open what is current, ask every question of every retriever, and open again; the first one keeps what it opened
at the beginning until the writer has finished. A ranking is wrong unless all its hits are of the generation that the
reader has open, and it equals, bit for bit, that of an index built of this generation's documents alone.

It prints what each reader did and what was left on the disk, and ends with 1 if anything was wrong. Models are
replaced by the doubles of `hippograph.testing`. `tests/store/test_sharing.py` runs the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from hippograph.composition import RETRIEVERS
from hippograph.hippograph import HippoGraph
from hippograph.store.snapshot import SNAPSHOTS
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Document, Ranking

__all__ = [
    "QUERIES",
    "Outcome",
    "Reading",
    "documents",
    "expected_digests",
    "faults",
    "generations_of",
    "open_index",
    "share",
]

QUERIES = ("Whom did Person 3 meet?", "the garden of Person 7", "a harbour in state 4", "Who lives in Town 2?")
Expected = Mapping[tuple[int, str, str], str]
"""The digest of the ranking by generation, retriever and query."""

_PATIENCE = 120.0


def documents(generation: int, passages: int) -> list[Document]:
    """Make what a generation holds: a few more documents each time, and all of them with new text."""
    count = passages + generation
    places = ("garden", "harbour", "library")
    return [
        Document(
            id=f"d{number:03d}",
            title=f"Person {number}",
            text=f"In state {generation}, Person {number} met Person {(number * generation + 1) % count} in the "
            f"{places[(number + generation) % 3]} of Town {number % 5}.",
        )
        for number in range(count)
    ]


def open_index(directory: Path) -> HippoGraph:
    """Open an index with doubles for models."""
    return HippoGraph(
        directory, extractor=CapitalsExtractor(), embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder()
    )


def expected_digests(folder: Path, generations: int, passages: int) -> dict[tuple[int, str, str], str]:
    """Build an index of each generation's documents alone, and return what its rankings are."""
    digests = {}
    for generation in range(1, generations + 1):
        with open_index(folder / f"{generation}.hippo") as index:
            index.index(documents(generation, passages))
            for name in RETRIEVERS:
                for ranking in index.retrieve_all(QUERIES, retriever=name):
                    digests[generation, name, ranking.query] = _digest(ranking)
    return digests


def faults(ranking: Ranking, *, name: str, generation: int, expected: Expected) -> list[str]:
    """Say what is wrong with a ranking of a retriever, if it is to be of a generation."""
    found = generations_of([ranking])
    if found != {generation}:
        return [f"{name}: {ranking.query!r} of generation {generation} found passages of {sorted(found)}"]
    if _digest(ranking) != expected[generation, name, ranking.query]:
        return [f"{name}: {ranking.query!r} of generation {generation} is ranked otherwise than it should be"]
    return []


def generations_of(rankings: Sequence[Ranking]) -> set[int]:
    """Return the generations that the texts of the hits say they are of."""
    return {int(hit.passage.text.split()[2].rstrip(",")) for ranking in rankings for hit in ranking.hits}


def _digest(ranking: Ranking) -> str:
    # The text of a float is exact in Python, so that equal digests are equal bits; times are left out.
    return blake2b(repr((ranking.hits, ranking.evidence)).encode(), digest_size=16).hexdigest()


@dataclass(kw_only=True)
class Reading:
    """What a reader did."""

    name: str
    openings: int = 0
    rankings: int = 0
    generations: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def check(self, index: HippoGraph, expected: Expected) -> None:
        """Ask everything of an open index."""
        generation = index.parts.snapshot.generation
        if generation not in self.generations:
            self.generations.append(generation)
        for name in RETRIEVERS:
            for ranking in index.retrieve_all(QUERIES, retriever=name):
                self.rankings += 1
                self.wrong += faults(ranking, name=name, generation=generation, expected=expected)


def _read(directory: Path, expected: Expected, *, name: str, keeps: bool, ready: Path, finished: Path) -> Reading:
    """Read until the writer has finished, and once more."""
    reading = Reading(name=name)
    index = open_index(directory)
    last = False
    while not last:
        last = finished.exists()
        if not keeps:
            index.close()
        reading.openings += not (keeps and reading.openings)
        reading.check(index, expected)
        ready.touch()
        if keeps and not (directory / SNAPSHOTS / f"{index.parts.snapshot.generation:08d}").is_dir():
            reading.wrong.append(f"generation {index.parts.snapshot.generation} was removed while it was open")
    index.close()
    return reading


def _write(directory: Path, *, passages: int, last: int, ready: Sequence[Path], finished: Path) -> list[float]:
    """Publish the second to the last generation once all readers read, and return how long each took."""
    seconds = []
    deadline = time.monotonic() + _PATIENCE
    try:
        while not all(file.exists() for file in ready):
            if time.monotonic() > deadline:
                raise TimeoutError(f"a reader has not begun within {_PATIENCE:g} s")
            time.sleep(0.01)
        for generation in range(2, last + 1):
            started = time.perf_counter()
            with open_index(directory) as index:
                report = index.index(documents(generation, passages))
            if report.generation != generation:
                raise RuntimeError(f"published {report.generation} instead of {generation}")
            seconds.append(time.perf_counter() - started)
    finally:
        finished.touch()
    return seconds


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the readers did, how long each publication took, and which generations were on the disk when."""

    readings: list[Reading]
    seconds: list[float]
    after_readers: list[int]
    after_next_session: list[int]
    wrong: list[str]


def share(folder: Path, *, generations: int, readers: int, passages: int) -> Outcome:
    """Let readers and a writer work at an index at the same time; the first reader keeps the first generation."""
    expected = expected_digests(folder, generations, passages)
    directory = folder / "shared.hippo"
    with open_index(directory) as index:
        index.index(documents(1, passages))
    finished = folder / "finished"
    ready = [folder / f"ready-{number}" for number in range(readers)]
    # Fresh interpreters: nothing of this process is shared with them but the directory.
    with ProcessPoolExecutor(readers + 1, mp_context=get_context("spawn")) as pool:
        reading = [
            pool.submit(
                _read,
                directory,
                expected,
                name=f"reader {number + 1}, {'keeps the first' if number == 0 else 'opens anew'}",
                keeps=number == 0,
                ready=file,
                finished=finished,
            )
            for number, file in enumerate(ready)
        ]
        writing = pool.submit(_write, directory, passages=passages, last=generations, ready=ready, finished=finished)
        seconds = writing.result()
        readings = [future.result() for future in reading]
    after_readers = _generations(directory)
    with open_index(directory) as index:
        index.index(documents(generations, passages))
    after_next_session = _generations(directory)
    wrong = [complaint for each in readings for complaint in each.wrong]
    if not {1, generations} <= set(after_readers):
        wrong.append(f"generations {after_readers} were left by the last publication; 1 was held and had to be there")
    if after_next_session != [generations]:
        wrong.append(f"generations {after_next_session} were left by a session when nobody held any")
    return Outcome(
        readings=readings,
        seconds=seconds,
        after_readers=after_readers,
        after_next_session=after_next_session,
        wrong=wrong,
    )


def _generations(directory: Path) -> list[int]:
    return sorted(int(entry.name) for entry in (directory / SNAPSHOTS).iterdir() if entry.name.isdigit())


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def main() -> int:
    """Print what the readers did and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--passages", type=int, default=24)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        outcome = share(Path(folder), generations=asked.generations, readers=asked.readers, passages=asked.passages)
    mean = sum(outcome.seconds) / max(1, len(outcome.seconds))
    print(f"writer: published generations 2 to {asked.generations}, {mean:.2f} s each")
    for reading in outcome.readings:
        print(
            f"{reading.name}: {reading.openings:,} openings, {reading.rankings:,} rankings checked, "
            f"generations {_listed(reading.generations)}; {len(reading.wrong)} wrong"
        )
    print(f"on the disk after the last publication: generations {_listed(outcome.after_readers)}")
    print(f"and after the next session of a writer: {_listed(outcome.after_next_session)}")
    for complaint in outcome.wrong[:20]:
        print(f"WRONG: {complaint}")
    print(f"{len(outcome.wrong)} wrong")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
