"""Extract through the fault server, be killed and go on, and compare its ledger with the index.

Run as a program, this is the client that may be killed.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hippograph.hippograph import HippoGraph
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.store.index_directory import IndexDirectory
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Document, Extraction, Usage
from tests.servers.answers import found_in
from tests.servers.plan import ANSWERED, mixed
from tests.servers.running import FaultServer

__all__ = ["Books", "Client", "Trial", "document", "planned"]

_ROOT: Final = Path(__file__).parents[2]
# Every sentence names its passage, so that the server knows whose piece it is asked about.
_TOPIC: Final = r"file (p\d{6})"
_NAMES: Final = (
    "Ada",
    "Bruno",
    "Čapek",
    "Dora",
    "Émile",
    "Frida",
    "Gauss",
    "Hilde",
    "Ines",
    "Jonas",
    "Kepler",
    "Lovisa",
)
_PLACES: Final = ("Larvik", "Oslo", "Prague", "Lyon", "Turku", "Ghent", "Porto", "Riga")
_COUNTED: Final = ("calls", "answers", "prompt_tokens", "completion_tokens")
_SIGKILL: Final = -9


def document(number: int) -> Document:
    """Write a passage of two sentences; one of twenty has no names in it."""
    drawn, file = random.Random(number), f"file p{number:06d}"
    name, other = drawn.sample(_NAMES, 2)
    place = drawn.choice(_PLACES)
    text = f"{name} met {other} near {place}, as {file} tells. Later {other} left for {drawn.choice(_PLACES)} ({file})."
    return Document(id=f"p{number:06d}", text=text if number % 20 else f"nobody was there, says {file}.")


def planned(faults: float, *, seed: int = 0, latency: float = 0.0) -> FaultServer:
    """Return a server that a share of the requests fails at, in all ways alike."""
    return FaultServer(shares=mixed(faults), seed=seed, latency=latency, slow=0.1, topic=_TOPIC)


@dataclass(frozen=True, kw_only=True)
class Client:
    """How the client indexes.

    Parameters
    ----------
    passages
        How many there are.
    concurrency, attempts, timeout, longest_wait
        Its `Limits`; few attempts, so that some passages fail.
    calls
        Calls for a passage: 1 or 2.
    """

    passages: int
    concurrency: int = 32
    attempts: int = 2
    timeout: float = 1.0
    longest_wait: float = 0.1
    calls: int = 1

    def index(self, url: str, directory: Path) -> None:
        """Index all passages through a server."""
        limits = Limits(
            concurrency=self.concurrency,
            attempts=self.attempts,
            timeout=self.timeout,
            longest_wait=self.longest_wait,
        )
        model = OpenAIChat(base_url=url, model="fault-model", limits=limits)
        extractor = LLMExtractor(model=model, calls=2 if self.calls == 2 else 1)
        with HippoGraph(directory, extractor=extractor, embedder=HashingEmbedder()) as index:
            index.index([document(number) for number in range(self.passages)])
        model.close()


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the index says: what came of each passage, and what was spent on all."""

    found: dict[str, Extraction]
    usage: Usage

    @classmethod
    def of(cls, directory: Path) -> "Books":
        """Read them out of an index, published or not."""
        place = IndexDirectory(directory)
        try:
            catalog = place.catalog()
            read = list(catalog.extractions.items(catalog.extractors.all()))
            spent = [usage for (stage, _), usage in catalog.usage.totals().items() if stage == "extract"]
        finally:
            place.close()
        return cls(found={each.passage.id: each.extraction for each in read}, usage=sum(spent, start=Usage()))

    def named(self, *statuses: str) -> set[str]:
        """Return the passages that stand so."""
        return {name for name, found in self.found.items() if found.status in statuses}


class Trial:
    """One index made through one server, in one run or several.

    Parameters
    ----------
    client
        How it is made.
    server
        The server, as `planned`.
    folder
        Where the index is made.
    """

    def __init__(self, client: Client, server: FaultServer, folder: Path) -> None:
        self.client = client
        self.server = server
        self.place = folder / "faulty.hippo"
        self.books = [Books(found={}, usage=Usage())]
        self.killed: list[int] = []
        self.under_way: list[int] = []

    def run(self, *, kill_after: int | None = None) -> str:
        """Index in a process of its own, and say how it went.

        Parameters
        ----------
        kill_after
            Kill it after so many good answers; None lets it end.
        """
        order = json.dumps({"client": asdict(self.client), "url": self.server.base_url, "place": str(self.place)})
        began, before = time.perf_counter(), self.server.ledger()
        process = subprocess.Popen([sys.executable, "-m", __spec__.name, order], cwd=_ROOT)
        if kill_after is not None:
            while process.poll() is None and self.server.ledger()["good"] < before["good"] + kill_after:
                time.sleep(0.005)
            process.kill()
        code = process.wait()
        assert code in {0, _SIGKILL}, f"the client ended with exit code {code}"
        while self.server.ledger()["at_work"]:
            time.sleep(0.01)
        if code:
            self.killed.append(len(self.books) - 1)
        self.server.change(mark=True)
        self.books.append(Books.of(self.place))
        after = self.server.ledger()
        how: Counter[str] = Counter(found.status for found in self.books[-1].found.values())
        return (
            f"run {len(self.books) - 1}: {'killed' if code else 'ended'} after {time.perf_counter() - began:.1f} s; "
            f"{after['requests'] - before['requests']} requests, {after['most_at_work']} at a time at most; "
            f"{', '.join(f'{status} {how[status]}' for status in ('done', 'empty', 'invalid', 'failed'))}"
        )

    def finish(self) -> list[str]:
        """Run until nothing is left to retry."""
        told = [self.run()]
        while self.books[-1].named("failed"):
            assert len(told) < 20, "some passages fail for ever"
            told.append(self.run())
        return told

    def check(self) -> list[str]:
        """Compare the server's ledger with the index, and say what they show.

        Raises
        ------
        AssertionError
            If a passage is lost, was read twice or wrongly, or if a token or a call is not accounted for.
        """
        entries, last = self.server.entries(), self.books[-1]
        everything = {document(number).id for number in range(self.client.passages)}
        assert last.found.keys() == everything, f"lost: {sorted(everything - last.found.keys())[:5]}"
        topics = {entry["topic"] for entry in entries}
        assert topics <= everything, f"asked about {sorted(topics - everything)[:5]}"
        self._check_answers(entries)
        again = self._count_repetitions(entries)
        low, high = self._count_lost(entries)
        total = _cost(entries)
        counted = {
            "calls": last.usage.calls,
            "prompt_tokens": last.usage.input_tokens,
            "completion_tokens": last.usage.output_tokens,
        }
        for name, amount in counted.items():
            # What was answered to a client that was killed is booked later if it had been kept, and lost if not.
            least, most = total[name] - high[name], total[name]
            assert least <= amount <= most, f"{amount:,} {name} in the index, {least:,} to {most:,} by the server"
        sure = "" if low == high else f", at most {dict(high)}"
        return [
            f"delivered: {dict(total)}",
            f"in the index: {counted}",
            f"passages under way at each kill: {self.under_way}; on them: {dict(low)}{sure}",
            f"good answers asked for again: {again}",
            f"requests by what befell them: {dict(Counter(entry['fault'] for entry in entries))}",
        ]

    def _check_answers(self, entries: Iterable[dict[str, Any]]) -> None:
        good = {entry["topic"] for entry in entries if _is_good(entry)}
        for number in range(self.client.passages):
            written = document(number)
            found = self.books[-1].found[written.id]
            assert found.status in {"done", "empty", "invalid"}, f"{written.id} is {found.status}"
            if found.status == "invalid":
                continue
            assert written.id in good, f"{written.id} is {found.status}, but was never answered well"
            names, _ = found_in(written.text)
            assert set(found.entities) == set(names), f"{written.id}: {found.entities} read of {written.text!r}"
            assert (found.status == "empty") == (not names), f"{written.id} is {found.status} with {names}"

    def _count_repetitions(self, entries: Iterable[dict[str, Any]]) -> int:
        """Count good answers asked for again; there are none but of passages that were under way when killed."""
        runs: dict[str, list[int]] = defaultdict(list)
        ended = [books.named("done", "empty", "invalid") for books in self.books]
        for entry in entries:
            run, name = entry["mark"], entry["topic"]
            assert name not in ended[run], f"run {run + 1} asked about {name}, which had ended before"
            if _is_good(entry):
                runs[entry["digest"]].append(run)
        for digest, marks in runs.items():
            assert len(set(marks)) == len(marks), f"{digest} was answered well twice in a run: {marks}"
        return sum(len(marks) - 1 for marks in runs.values())

    def _count_lost(self, entries: Sequence[dict[str, Any]]) -> tuple[Counter[str], Counter[str]]:
        """Count what the client had not written down when it was killed: at least, and at most."""
        low, high = _cost(()), _cost(())
        self.under_way = []
        for mark in self.killed:
            mine = [entry for entry in entries if entry["mark"] == mark]
            asked = {entry["topic"] for entry in mine}
            lost = asked - self.books[mark + 1].found.keys()
            # One that failed again looks like one that was not asked.
            unsure = asked & self.books[mark].named("failed") & self.books[mark + 1].named("failed")
            low.update(_cost(entry for entry in mine if entry["topic"] in lost))
            high.update(_cost(entry for entry in mine if entry["topic"] in lost | unsure))
            # A client leads some more dialogues than it sends requests at a time, and saves what it has learnt within a
            # twentieth of a second.
            late = sum(entry["at"] > mine[-1]["at"] - 0.1 for entry in mine)
            room = self.client.concurrency + max(4, self.client.concurrency // 4) + late
            self.under_way.append(len(lost))
            assert len(lost) <= room, f"run {mark + 1} was killed with {len(lost)} passages under way"
        return low, high


def _cost(entries: Iterable[dict[str, Any]]) -> Counter[str]:
    counted: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
    for entry in entries:
        counted["calls"] += 1
        if entry["sent"]:
            counted["answers"] += 1
            # Of an answer without usage, the client has to count as much as it estimates.
            counted["prompt_tokens"] += entry["prompt_tokens"] + entry["prompt_estimate"]
            counted["completion_tokens"] += entry["completion_tokens"] + entry["completion_estimate"]
    return counted


def _is_good(entry: dict[str, Any]) -> bool:
    return bool(entry["sent"]) and entry["status"] == 200 and entry["fault"] in ANSWERED


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    Client(**given["client"]).index(given["url"], Path(given["place"]))
