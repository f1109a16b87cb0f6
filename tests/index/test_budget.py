"""What a run may spend: it is not exceeded but by what nobody could know, and what was paid for is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.index import budget as budgets
from hippograph.index.budget import Allowance, Budget, RunEndedError, Stop
from hippograph.index.indexer import Indexer
from hippograph.index.report import IndexReport
from hippograph.protocols import Embedder
from hippograph.store.catalog import Catalog
from hippograph.store.index_directory import CATALOG, IndexDirectory
from hippograph.store.snapshot import open_snapshot
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Document, Extraction, FloatArray, Passage, TextRole, Usage
from tests.index.readers import PAID, FussyExtractor


@pytest.mark.parametrize("name", ["max_tokens", "max_cost", "max_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_that_are_none(name, value):
    with pytest.raises(InputError, match=f"{name} is {value}"):
        Budget(**{name: value})


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(1, 2000), st.integers(1, 8), st.data())
def test_a_limit_is_exceeded_by_no_more_than_what_the_estimate_was_off_by(costs, limit, width, data):
    allowance = Allowance(Budget(max_tokens=limit))
    under_way: list[int] = []
    begun = 0
    while True:
        while len(under_way) < width and begun < len(costs) and allowance.may_begin():
            under_way.append(costs[begun])
            begun += 1
        if not under_way:
            break
        done = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        allowance.finish(Usage(input_tokens=done))
    assert allowance.spent.tokens == sum(costs[:begun])
    assert allowance.spent.tokens <= limit + width * max(costs)
    assert bool(allowance.stopped) == (begun < len(costs))
    if len(set(costs)) == 1 and width == 1:
        assert allowance.spent.tokens <= max(limit, costs[0])
        assert begun == len(costs) or allowance.spent.tokens + costs[0] > limit


def test_what_is_under_way_counts():
    allowance = Allowance(Budget(max_cost=1.0))
    assert allowance.may_begin()
    allowance.finish(Usage(cost=0.25))
    assert [allowance.may_begin() for _ in range(5)] == [True, True, True, False, False]
    assert allowance.stopped == "max-cost"
    # Once it has ended, it does not begin again, be it that there is something left.
    for _ in range(3):
        allowance.finish(Usage())
    assert not allowance.may_begin()


def test_what_was_known_before_costs_nothing():
    allowance = Allowance(Budget(max_tokens=1, max_cost=0.1))
    for _ in range(100):
        assert allowance.may_begin()
        allowance.finish(Usage(reused=1))


def test_time_ends_the_reading_and_nothing_else(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(budgets, "monotonic", lambda: now[0])
    allowance = Allowance(Budget(max_seconds=60))
    assert allowance.may_begin()
    now[0] = 60.0
    assert not allowance.may_begin()
    assert allowance.stopped == "max-minutes"
    assert allowance.afford([Usage(input_tokens=9)]) == 1


def test_a_budget_may_be_exceeded_by_a_tenth_to_embed_what_was_read():
    allowance = Allowance(Budget(max_tokens=100))
    each = Usage(input_tokens=10)
    assert allowance.afford([each] * 20) == 11
    allowance.spend(Usage(input_tokens=50), expected=Usage(input_tokens=100))
    # Half of what was expected: 60 are left, at 5 each.
    assert allowance.afford([each] * 20) == 12
    allowance.spend(Usage(input_tokens=60))
    allowance.go_on()
    with pytest.raises(RunEndedError, match="max-tokens"):
        allowance.afford([each])
    assert allowance.stopped == "max-tokens"


@pytest.mark.parametrize("limit", [Budget(max_tokens=1000), Budget(max_cost=1.0)])
def test_nothing_is_begun_blindly(limit):
    expected = Usage(input_tokens=80, output_tokens=20, cost=0.1)
    allowance = Allowance(limit)
    begun = 0
    while allowance.may_begin(expected):
        begun += 1
    assert (begun, bool(allowance.stopped)) == (10, True)


def test_what_is_expected_is_scaled_by_what_came_of_it():
    allowance = Allowance(Budget(max_tokens=1000))
    for size in (100, 50):
        assert allowance.may_begin(Usage(input_tokens=size))
        allowance.finish(Usage(input_tokens=2 * size), expected=Usage(input_tokens=size))
    # 700 are left, for what is expected to be 350.
    assert [allowance.may_begin(Usage(input_tokens=size)) for size in (200, 150, 1)] == [True, True, False]


def test_free_answers_say_nothing_of_the_price_of_others():
    allowance = Allowance(Budget(max_tokens=1000))
    for usage in (Usage(input_tokens=100), *[Usage(reused=1)] * 20):
        assert allowance.may_begin()
        allowance.finish(usage)
    assert sum(allowance.may_begin() for _ in range(50)) == 9


def test_what_follows_is_set_aside():
    allowance = Allowance(Budget(max_tokens=1000))
    allowance.reserve(Usage(input_tokens=100))
    begun = 0
    while allowance.may_begin(Usage(input_tokens=100), then=Usage(input_tokens=50)):
        begun += 1
        allowance.finish(Usage(input_tokens=100), expected=Usage(input_tokens=100))
    assert begun == 6
    assert allowance.spent.tokens == 600


def test_what_cost_less_than_expected_lets_a_run_begin_anew_where_that_is_worthwhile():
    allowance = Allowance(Budget(max_tokens=1000))
    expected = Usage(input_tokens=100)
    rounds = []
    while True:
        begun = 0
        while allowance.may_begin(expected):
            begun += 1
        for _ in range(begun):
            allowance.finish(Usage(input_tokens=50), expected=expected)
        rounds.append(begun)
        if not allowance.resume():
            break
    assert rounds == [10, 10]
    assert not allowance.may_begin(expected)
    assert (allowance.spent.tokens, allowance.stopped) == (1000, "max-tokens")
    # What does not fit in though much is left is not asked for again and again.
    allowance = Allowance(Budget(max_tokens=10))
    assert not allowance.may_begin(expected)
    assert not allowance.resume()


@pytest.mark.parametrize("make", [lambda event: event, lambda event: event.is_set])
def test_an_interruption_ends_everything(make):
    event = Event()
    allowance = Allowance(stop=make(event))
    assert allowance.may_begin()
    allowance.go_on()
    assert allowance.afford([Usage()]) == 1
    event.set()
    assert not allowance.may_begin()
    with pytest.raises(RunEndedError, match="interrupted"):
        allowance.go_on()
    assert allowance.stopped == "interrupted"


DOCUMENTS = [
    Document(id=f"d{number:02d}", title=f"T{number}", text=f"Oslo{number} lies near Bergen{number}.")
    for number in range(20)
]


@dataclass(kw_only=True)
class PaidReader(FussyExtractor):
    """Reads everything, three passages at a time."""

    name: str = "paid"
    stop_after: int = 99
    stop: Event = field(default_factory=Event)

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        room: list[Passage] = []
        for passage in passages:
            room.append(passage)
            self.read.append(passage.id)
            if len(self.read) == self.stop_after:
                self.stop.set()
            if len(room) == 3:
                yield self._done(room.pop(1))
        for passage in room:
            yield self._done(passage)

    def _done(self, passage: Passage) -> tuple[Passage, Extraction]:
        return passage, Extraction(status="done", entities=(f"Name {passage.id}",), usage=PAID)


@dataclass(kw_only=True)
class PaidEmbedder:
    """Counts a token for each text."""

    double: HashingEmbedder = field(default_factory=HashingEmbedder)
    texts: list[str] = field(default_factory=list)
    told: int = 0
    before: Callable[[int], object] = lambda number: None

    @property
    def fingerprint(self) -> str:
        return self.double.fingerprint

    @property
    def dimension(self) -> int:
        return self.double.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        self.before(len(self.texts))
        self.texts += texts
        return self.double.embed(texts, role=role)

    def spent(self) -> Usage:
        tokens, self.told = len(self.texts) - self.told, len(self.texts)
        return Usage(calls=3, input_tokens=tokens, cost=tokens / 100)


class Runs:
    """Runs of one index."""

    def __init__(self, directory: Path) -> None:
        self.place = IndexDirectory(directory)

    def __call__(
        self,
        extractor: FussyExtractor,
        embedder: Embedder | None = None,
        *,
        budget: Budget | None = None,
        stop: Stop | None = None,
    ) -> IndexReport:
        indexer = Indexer(extractor=extractor, embedder=embedder or HashingEmbedder())
        with self.place.session(create=True) as session:
            return indexer.index(DOCUMENTS, session=session, budget=budget, stop=stop)

    def ledger(self) -> dict[tuple[str, str], Usage]:
        with Catalog.open(self.place.path / CATALOG) as catalog:
            return catalog.usage.totals()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    return Runs(tmp_path / "it.hippo")


@pytest.mark.parametrize(
    ("budget", "stopped"), [(Budget(max_tokens=700), "max-tokens"), (Budget(max_cost=0.07), "max-cost")]
)
def test_a_run_stops_in_time_publishes_what_it_has_and_goes_on(runs, budget, stopped):
    first = PaidReader()
    report = runs(first, budget=budget)
    assert (report.stopped, report.pending, report.extraction["done"]) == (stopped, 13, 7)
    assert (report.usage.tokens, report.published) == (700, True)
    assert len(open_snapshot(runs.place.path).passages) == 7
    assert runs.ledger()["extract", "paid:1"].tokens == 700
    second = PaidReader()
    report = runs(second)
    assert (report.stopped, report.pending, report.usage.tokens) == ("", 0, 1300)
    assert sorted([*first.read, *second.read]) == [one.id for one in DOCUMENTS]
    assert runs.ledger()["extract", "paid:1"] == replace(
        runs.ledger()["extract", "paid:1"], calls=20, items=20, input_tokens=1800, output_tokens=200
    )


def test_a_budget_that_just_suffices_stops_nothing(runs):
    assert runs(PaidReader(), budget=Budget(max_tokens=2000)).stopped == ""


def test_an_interrupted_run_keeps_what_is_under_way_and_publishes_nothing(runs):
    stop = Event()
    first = PaidReader(stop_after=5, stop=stop)
    report = runs(first, stop=stop)
    assert (report.stopped, report.published, report.generation) == ("interrupted", False, 0)
    assert (report.pending, report.extraction["done"], len(first.read)) == (15, 5, 5)
    stop.clear()
    second = PaidReader(stop_after=15, stop=stop)
    # The last passage was begun before, and yet nothing is published.
    report = runs(second, stop=stop)
    assert (report.stopped, report.pending, report.published) == ("interrupted", 0, False)
    report = runs(PaidReader(breaks=frozenset()), stop=None)
    assert (report.stopped, report.usage.input_tokens, report.generation) == ("", 0, 1)


def test_an_interruption_while_embedding(runs, monkeypatch):
    monkeypatch.setattr("hippograph.index.embedding._TEXTS_PER_COMMIT", 4)
    stop = Event()

    def interrupt(number: int) -> None:
        if number >= 8:
            stop.set()

    first = PaidEmbedder(before=interrupt)
    report = runs(PaidReader(), first, stop=stop)
    assert (report.stopped, report.pending, report.published) == ("interrupted", 0, False)
    assert len(first.texts) == 12
    second = PaidEmbedder()
    assert runs(PaidReader(), second).published
    assert not set(first.texts) & set(second.texts)


def test_what_it_costs_to_embed_is_set_aside(runs, monkeypatch):
    monkeypatch.setattr("hippograph.index.embedding._TEXTS_PER_COMMIT", 4)
    first = PaidEmbedder()
    report = runs(PaidReader(), first, budget=Budget(max_tokens=1500))
    assert (report.stopped, report.published) == ("max-tokens", True)
    assert 0 < report.pending < 20
    read = 20 - report.pending
    assert report.usage.tokens == read * PAID.tokens + len(first.texts) <= 1500
    second = PaidEmbedder()
    report = runs(PaidReader(), second)
    assert (report.stopped, report.pending, report.published) == ("", 0, True)
    assert not set(first.texts) & set(second.texts)
    spent = sum((usage for (stage, _), usage in runs.ledger().items() if stage.startswith("embed")), Usage())
    assert (spent.input_tokens, spent.items) == (len(first.texts) + len(second.texts),) * 2
    assert spent.cost == pytest.approx(spent.input_tokens / 100)


def test_embedding_that_costs_much_more_than_expected_ends_it_and_is_gone_on_with(runs, monkeypatch):
    monkeypatch.setattr("hippograph.index.embedding._TEXTS_PER_COMMIT", 4)

    class Dear(PaidEmbedder):
        def spent(self) -> Usage:
            return replace(super().spent(), input_tokens=400)

    first = Dear()
    report = runs(PaidReader(), first, budget=Budget(max_tokens=2600))
    assert (report.stopped, report.published) == ("max-tokens", False)
    assert 0 < len(first.texts) < 20
    # What waits for being embedded is set aside before anything is read.
    second = PaidReader()
    report = runs(second, PaidEmbedder(), budget=Budget(max_tokens=400))
    assert report.published
    assert len(second.read) < 4


def test_what_an_embedder_spent_in_vain_is_in_the_books(runs):
    def fail(number: int) -> None:
        raise RuntimeError("no power")

    embedder = PaidEmbedder(before=fail)
    embedder.texts.append("read, and then the power failed")
    with pytest.raises(RuntimeError, match="power"):
        runs(PaidReader(), embedder)
    assert runs.ledger()["embed passages", embedder.fingerprint].input_tokens == 1


def test_a_failing_extractor_leaves_what_it_has_read_and_what_that_cost(runs):
    with pytest.raises(RuntimeError, match="power"):
        runs(FussyExtractor(name="paid", breaks=frozenset({"d07"})))
    assert runs.ledger()["extract", "paid:1"].tokens == 7 * PAID.tokens
    rest = FussyExtractor(name="paid")
    runs(rest)
    assert rest.read == [one.id for one in DOCUMENTS[7:]]


def test_what_a_local_extractor_does_is_in_the_books(runs):
    class Local(FussyExtractor):
        def reading(self, passage: Passage) -> Extraction:
            return Extraction(status="empty")

    report = runs(Local())
    booked = runs.ledger()["extract", "fussy:1"]
    assert (booked.calls, booked.items, booked.tokens, booked.cost) == (0, 20, 0, 0.0)
    assert report.usage.items >= 20


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.index.readers import FussyExtractor
from tests.index.test_budget import Runs

class Killed(FussyExtractor):
    def reading(self, passage):
        if len(self.read) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reading(passage)

Runs(Path(sys.argv[1]))(Killed())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
@pytest.mark.parametrize("at", [1, 4, 20])
def test_after_a_kill_the_books_tell_of_what_is_there_and_of_nothing_else(runs, at):
    command = [sys.executable, "-c", KILLED, str(runs.place.path), str(at)]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL
    with Catalog.open(runs.place.path / CATALOG) as catalog:
        done = sum(catalog.extractions.counts("fussy:1").values())
        assert sum((usage.tokens for usage in catalog.usage.totals().values()), 0) == done * PAID.tokens
    again = FussyExtractor()
    runs(again)
    assert len(again.read) == len(DOCUMENTS) - done
    assert runs.ledger()["extract", "fussy:1"].tokens == len(DOCUMENTS) * PAID.tokens
