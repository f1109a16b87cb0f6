"""What a change costs, beside making the whole index: `python benchmarks/living_index.py [--passages 100000]`.

Synthetic passages, with an embedder and an extractor that cost next to nothing, so that everything else is measured.
One run makes an index, then adds 1 % to it, replaces 1 % and deletes 1 %, each through `HippoGraph` as a user would,
and proves that the last state is that of an index made of the same documents in one go.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import shake_128
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

import numpy as np

from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor
from hippograph.types import Document, FloatArray, TextRole

_SYLLABLES: Final = [
    "ka",
    "lo",
    "mi",
    "ter",
    "san",
    "vor",
    "el",
    "ru",
    "pin",
    "dar",
    "os",
    "qui",
    "ban",
    "fer",
    "no",
    "ga",
]
_T = TypeVar("_T")


@dataclass(kw_only=True)
class DigestEmbedder:
    """A vector from the digest of each text; a name and its plural or possessive are close to each other.

    Parameters
    ----------
    dimension
        Length of a vector.
    calls
        How many texts were embedded.
    """

    dimension: int = 64
    calls: int = 0

    @property
    def fingerprint(self) -> str:
        """Names the double."""
        return f"digest:2:{self.dimension}"

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts."""
        self.calls += len(texts)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            stem = text.removesuffix("s").encode()
            vectors[row] = np.frombuffer(shake_128(stem).digest(self.dimension), np.uint8)
            vectors[row] -= 127.5
            if text.endswith("s"):
                vectors[row, 0] += 40.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) if len(texts) else 1.0
        return vectors


class Library:
    """Documents about people who know each other; some of them are in many documents.

    Parameters
    ----------
    passages
        How many documents there will be.
    """

    def __init__(self, passages: int) -> None:
        self._random = random.Random(1)
        self._people = [self._name() for _ in range(passages + passages // 2)]

    def document(self, number: int, *, edition: int = 0) -> Document:
        """Write a document; another edition says something else."""
        drawn = random.Random(f"{number} {edition}")
        people = [self._somebody(drawn) for _ in range(6)]
        text = (
            f"{people[0]} was founded by {people[1]} in the year of the river. Later {people[2]} joined {people[3]} "
            f"for a while, and it went on with many words that say little of anything. {people[4]} married {people[5]}."
        )
        return Document(id=f"d{number:07d}", title=self._people[number % len(self._people)], text=text)

    def _somebody(self, drawn: random.Random) -> str:
        known = drawn.random() < 0.3
        last = len(self._people) - 1
        return self._people[min(int(drawn.paretovariate(0.6)), last) if known else drawn.randrange(last)]

    def _name(self) -> str:
        words = ("".join(self._random.choice(_SYLLABLES) for _ in range(3)).title() for _ in range(2))
        return " ".join(words) + ("s" if self._random.random() < 0.05 else "")


def timed(work: Callable[[], _T]) -> tuple[float, _T]:
    """Return how long something takes, in seconds, and what it returns."""
    started = perf_counter()
    result = work()
    return perf_counter() - started, result


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument(
        "--check", action="store_true", help="compare with an index made in one go, which takes as long"
    )
    given = parser.parse_args()
    n, share = given.passages, max(1, given.passages // 100)
    library = Library(n)
    documents = [library.document(number) for number in range(n)]
    more = [library.document(n + number) for number in range(share)]
    changed = [library.document(number * 97 % n, edition=1) for number in range(share)]
    gone = [f"d{number * 89 % n + 1:07d}" for number in range(share)]
    with tempfile.TemporaryDirectory() as folder:
        embedder = DigestEmbedder(dimension=given.dimension)

        def opened(name: str) -> HippoGraph:
            return HippoGraph(Path(folder) / name, extractor=CapitalsExtractor(), embedder=embedder)

        def ran(what: str, work: Callable[[], object], whole: float = 0.0) -> float:
            before = embedder.calls
            seconds, _ = timed(work)
            ratio = f"{100 * seconds / whole:5.2f} % of the whole" if whole else ""
            print(f"{what:28} {seconds:8.2f} s  {ratio:24} {embedder.calls - before:,} texts embedded", flush=True)
            return seconds

        with opened("living") as index:
            whole = ran(f"index {n:,} documents", lambda: report(index.index(documents)))
        with opened("living") as index:
            ran(f"add {share:,}", lambda: report(index.index(more)), whole)
            ran(f"replace {share:,}", lambda: report(index.index(changed)), whole)
            ran(f"delete {share:,}", lambda: index.delete(gone), whole)
            ran("index them again", lambda: index.index([*changed, *more]), whole)
            status = index.status()
        with opened("living") as index:
            seconds, snapshot = timed(lambda: index.parts.snapshot)
            print(f"open: {1000 * seconds:.1f} ms; {snapshot.manifest.counts}; {status['bytes']:,} bytes")
            question = f"Who married {library.document(7).title}?"
            for name in ("default", "dense", "bm25"):
                seconds, _ = timed(lambda name=name: index.retrieve(question, retriever=name))  # type: ignore[misc]
                print(f"{name}: first answer after {1000 * seconds:.0f} ms")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of all of this: {peak:,.0f} MB", flush=True)
        if not given.check:
            return 0
        kept = {document.id: document for document in (*documents, *more, *changed)}
        rest = [kept[name] for name in sorted(kept.keys() - set(gone) | {document.id for document in changed})]
        with opened("fresh") as index:
            index.index(rest)
            same = index.status()["graph_digest"] == status["graph_digest"]
        print("the graph is that of an index made in one go" if same else "WRONG: the graph differs from a fresh one")
        return 0 if same else 1


def report(done: object) -> None:
    """Print where the time went."""
    seconds = getattr(done, "other_seconds", {})
    print("    " + ", ".join(f"{stage} {spent:.2f}" for stage, spent in seconds.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
