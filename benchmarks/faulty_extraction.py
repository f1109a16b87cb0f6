"""Extract through a server that fails: nothing lost, nothing paid for twice, tokens to the last.

::

    python benchmarks/faulty_extraction.py                  2,000 passages, 30 % of the requests fail, 32 at a time
    python benchmarks/faulty_extraction.py --kills 5        the same, and the client is killed (SIGKILL) five times

The server (`tests/servers`) writes down each request and what it has delivered; the index, what became of each passage
and what that cost. They are compared after each run. A run is a process of its own; further runs retry what has failed,
until nothing is left to retry. A violation ends the program with its description.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hippograph.hippograph import HippoGraph
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.store.index_directory import IndexDirectory
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Document, Extraction, Usage
from tests.servers.answers import found_in
from tests.servers.plan import CONTENT, mixed
from tests.servers.running import FaultServer

# Every sentence names its passage, so that the server knows whose piece it is asked about.
TOPIC = r"file (p\d{6})"
NAMES = ("Ada", "Bruno", "Čapek", "Dora", "Émile", "Frida", "Gauss", "Hilde", "Ines", "Jonas", "Kepler", "Lovisa")
PLACES = ("Larvik", "Oslo", "Prague", "Lyon", "Turku", "Ghent", "Porto", "Riga")
COUNTED = ("calls", "answers", "prompt_tokens", "completion_tokens")
ENDED = {"done", "empty", "invalid", "failed"}


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the index says: how each passage stands, and what was spent on all."""

    found: dict[str, Extraction]
    usage: Usage

    @classmethod
    def of(cls, directory: Path) -> "Books":
        """Read them out of an index, published or not."""
        place = IndexDirectory(directory)
        try:
            catalog = place.catalog()
            names = catalog.extractions.extractors()
            pairs = [pair for name in names for pair in catalog.extractions.items(name)]
            spent = [usage for (stage, _), usage in catalog.usage.totals().items() if stage == "extract"]
        finally:
            place.close()
        return cls(found={passage.id: found for passage, found in pairs}, usage=sum(spent, start=Usage()))

    def named(self, *statuses: str) -> set[str]:
        """Return the passages that stand so."""
        return {name for name, found in self.found.items() if found.status in statuses}


def document(number: int) -> Document:
    """Write a passage of a few sentences; one of twenty has no names in it."""
    drawn, file = random.Random(number), f"file p{number:06d}"
    name, other = drawn.sample(NAMES, 2)
    place = drawn.choice(PLACES)
    text = f"{name} met {other} near {place}, as {file} tells. Later {other} left for {drawn.choice(PLACES)} ({file})."
    return Document(id=f"p{number:06d}", text=text if number % 20 else f"nobody was there, says {file}.")


def extract(given: argparse.Namespace) -> int:
    """Index all passages: what the process that may be killed does."""
    limits = Limits(
        concurrency=given.concurrency, attempts=given.attempts, timeout=given.timeout, longest_wait=given.longest_wait
    )
    model = OpenAIChat(base_url=given.client, model="fault-model", limits=limits)
    extractor = LLMExtractor(model=model, calls=given.calls)
    with HippoGraph(given.index, extractor=extractor, embedder=HashingEmbedder()) as index:
        index.index([document(number) for number in range(given.passages)])
    model.close()
    return 0


class Trial:
    """One index and one server.

    Parameters
    ----------
    given
        The command line.
    server
        The server.
    folder
        Where the index is made.
    """

    def __init__(self, given: argparse.Namespace, server: FaultServer, folder: Path) -> None:
        self.given = given
        self.server = server
        self.place = folder / "faulty.hippo"
        self.books = [Books(found={}, usage=Usage())]
        self.killed: list[int] = []

    def run(self, *, kill_after: int | None = None) -> bool:
        """Index in another process, and kill it after so many good answers; return whether it ended by itself."""
        names = ("passages", "concurrency", "attempts", "timeout", "longest_wait", "calls")
        options = [f"--{name.replace('_', '-')}={getattr(self.given, name)}" for name in names]
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, "--client", self.server.base_url, "--index", str(self.place), *options]
        )
        before = self.server.ledger()
        if kill_after is not None:
            while process.poll() is None and self.server.ledger()["good"] < before["good"] + kill_after:
                time.sleep(0.005)
            process.kill()
        code = process.wait()
        check(code in {0, -9}, f"the client ended with exit code {code}")
        while self.server.ledger()["at_work"]:
            time.sleep(0.01)
        self.server.change(mark=True)
        if code:
            self.killed.append(len(self.books) - 1)
        self.books.append(Books.of(self.place))
        after = self.server.ledger()
        how: Counter[str] = Counter(found.status for found in self.books[-1].found.values())
        print(
            f"run {len(self.books) - 1}: {'killed' if code else 'ended'} after {time.perf_counter() - began:.1f} s; "
            f"{after['requests'] - before['requests']} requests, {after['most_at_work']} at a time at most; "
            f"{', '.join(f'{status} {how[status]}' for status in sorted(ENDED))}",
            flush=True,
        )
        return code == 0

    def check_all(self) -> None:
        """Compare the server's ledger with the index."""
        entries, last = self.server.entries(), self.books[-1]
        topics = {entry["topic"] for entry in entries}
        everything = {document(number).id for number in range(self.given.passages)}
        check(last.found.keys() == everything, f"lost: {sorted(everything - last.found.keys())[:5]}")
        check(topics <= everything, f"asked about {sorted(topics - everything)[:5]}")
        self._check_answers(last, entries)
        again = self._count_repetitions(entries)
        low, high = self._count_lost(entries)
        total = self.server.ledger()["usage"]
        for mine, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            counted = getattr(last.usage, mine)
            least, most = total[theirs] - high[theirs], total[theirs] - low[theirs]
            check(least <= counted <= most, f"{counted:,} {mine} counted, {least:,} to {most:,} delivered")
        least, most = len(entries) - high["calls"], len(entries) - low["calls"]
        check(least <= last.usage.calls <= most, f"{last.usage.calls} calls counted, {least} to {most} made")
        print(f"tokens delivered: {total['prompt_tokens']:,} read, {total['completion_tokens']:,} written")
        print(f"tokens in the index: {last.usage.input_tokens:,} read, {last.usage.output_tokens:,} written")
        exact = "exactly" if low == high else f"or up to {dict(high)}, for passages that had failed before,"
        print(f"under way when killed, {exact}: {dict(low)}; good answers asked for again: {again}")
        print(f"requests by what befell them: {dict(Counter(entry['fault'] for entry in entries))}")

    def _check_answers(self, last: Books, entries: Iterable[dict[str, Any]]) -> None:
        good = {entry["topic"] for entry in entries if is_good(entry)}
        for number in range(self.given.passages):
            written = document(number)
            found = last.found[written.id]
            check(found.status in ENDED, f"{written.id} is {found.status}")
            if found.status in {"done", "empty"}:
                check(written.id in good, f"{written.id} is {found.status}, but was never answered well")
                names, _ = found_in(written.text)
                check(set(found.entities) == set(names), f"{written.id}: {found.entities} read of {written.text!r}")
                check((found.status == "empty") == (not names), f"{written.id} is {found.status} with {names}")

    def _count_repetitions(self, entries: Iterable[dict[str, Any]]) -> int:
        """Count good answers asked for again; there are none but of passages that were under way when killed."""
        runs: dict[str, list[int]] = defaultdict(list)
        for entry in entries:
            ended = self.books[entry["mark"]].named("done", "empty", "invalid")
            check(entry["topic"] not in ended, f"run {entry['mark'] + 1} asked about {entry['topic']}, which had ended")
            if is_good(entry):
                runs[entry["digest"]].append(entry["mark"])
        for digest, marks in runs.items():
            check(len(set(marks)) == len(marks), f"{digest} was answered well twice in a run: {marks}")
        return sum(len(marks) - 1 for marks in runs.values())

    def _count_lost(self, entries: Sequence[dict[str, Any]]) -> tuple[Counter[str], Counter[str]]:
        """Count what the client had not written down when it was killed: at least, and at most."""
        low = Counter(dict.fromkeys(COUNTED, 0))
        high = Counter(low)
        for mark in self.killed:
            mine = [entry for entry in entries if entry["mark"] == mark]
            asked = {entry["topic"] for entry in mine}
            lost = asked - self.books[mark + 1].found.keys()
            # One that failed again looks like one that was not asked.
            unsure = asked & self.books[mark].named("failed") & self.books[mark + 1].named("failed")
            low += cost(entry for entry in mine if entry["topic"] in lost)
            high += cost(entry for entry in mine if entry["topic"] in lost | unsure)
            print(f"run {mark + 1}: {len(lost)} passages under way when it was killed")
            # A client leads some more dialogues than it sends requests at a time.
            room = self.given.concurrency + max(4, self.given.concurrency // 4)
            check(len(lost) <= room, f"run {mark + 1} was killed with {len(lost)} passages under way")
        return low, high


def cost(entries: Iterable[dict[str, Any]]) -> Counter[str]:
    """Count requests, answers and their tokens."""
    counted = Counter(dict.fromkeys(COUNTED, 0))
    for entry in entries:
        counted["calls"] += 1
        if entry["sent"]:
            counted["answers"] += 1
            counted["prompt_tokens"] += entry["prompt_tokens"]
            counted["completion_tokens"] += entry["completion_tokens"]
    return counted


def is_good(entry: dict[str, Any]) -> bool:
    """Say whether a request was answered with something to use."""
    return bool(entry["sent"]) and entry["status"] == 200 and entry["fault"] not in CONTENT | {"html-200"}


def check(holds: bool, violation: str) -> None:
    """End the program if something is wrong."""
    if not holds:
        raise SystemExit(f"VIOLATION: {violation}")


def main() -> int:
    """Run the trial and print what it shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--faults", type=float, default=0.3, help="share of requests that fail, in all ways alike")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--attempts", type=int, default=2, help="few, so that something fails")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds until a hanging request is given up")
    parser.add_argument("--longest-wait", type=float, default=0.1, help="seconds between two attempts")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the server takes")
    parser.add_argument("--calls", type=int, default=1, choices=(1, 2), help="calls for a passage")
    parser.add_argument("--kills", type=int, default=0, help="how often the client is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--index", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        return extract(given)
    drawn = random.Random(given.seed)
    plan = {"shares": mixed(given.faults), "seed": given.seed, "latency": given.latency, "slow": 0.2, "topic": TOPIC}
    with tempfile.TemporaryDirectory() as folder, FaultServer(**plan) as server:
        trial = Trial(given, server, Path(folder))
        kills = 0
        while kills < given.kills:
            kills += not trial.run(kill_after=drawn.randrange(given.passages // (given.kills + 1)))
        while trial.run() and trial.books[-1].named("failed"):
            check(len(trial.books) < given.kills + 20, "some passages fail for ever")
        trial.check_all()
    print("no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
