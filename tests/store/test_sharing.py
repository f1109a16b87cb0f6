"""Readers and a writer at one index at the same time: no result is wrong or mixed, in processes and in threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event

import pytest

from benchmarks import sharing
from benchmarks.sharing import QUERIES, documents, expected_digests, faults, generations_of, open_index, share
from hippograph.composition import RETRIEVERS, Composition
from hippograph.errors import IndexDirectoryError
from hippograph.hippograph import HippoGraph
from hippograph.store import index_directory
from hippograph.store.lock import writing
from hippograph.store.snapshot import Snapshot, open_snapshot

PASSAGES = 8
NAMES = tuple(RETRIEVERS)
THREADS = 8


def generations(directory: Path) -> list[str]:
    return sorted(entry.name for entry in (directory / "snapshots").iterdir())


def test_readers_in_other_processes_never_get_a_wrong_or_mixed_result(tmp_path: Path) -> None:
    outcome = share(tmp_path, generations=5, readers=3, passages=PASSAGES)
    assert outcome.wrong == []
    keeper, *others = outcome.readings
    assert (keeper.openings, keeper.generations) == (1, [1])
    for reader in others:
        assert reader.openings > 1
        assert reader.generations == sorted(reader.generations)
        assert (reader.generations[0], reader.generations[-1]) == (1, 5)
    assert all(reader.rankings >= 2 * len(NAMES) * len(QUERIES) for reader in outcome.readings)
    assert {1, 5} <= set(outcome.after_readers)
    assert outcome.after_next_session == [5]


def test_a_wrong_and_a_mixed_ranking_would_be_told(tmp_path: Path) -> None:
    expected = expected_digests(tmp_path, 2, PASSAGES)
    with open_index(tmp_path / "1.hippo") as first, open_index(tmp_path / "2.hippo") as second:
        one, two = (index.retrieve(QUERIES[0], retriever="dense") for index in (first, second))
    assert faults(one, name="dense", generation=1, expected=expected) == []
    assert faults(two, name="dense", generation=2, expected=expected) == []
    mixed = replace(one, hits=(*one.hits[:-1], two.hits[-1]))
    swapped = replace(one, hits=(one.hits[1], one.hits[0], *one.hits[2:]))
    other_bit = replace(one, hits=(replace(one.hits[0], score=one.hits[0].score * (1 + 2**-52)), *one.hits[1:]))
    for ranking, what in ((mixed, "[1, 2]"), (two, "[2]"), (swapped, "otherwise"), (other_bit, "otherwise")):
        [complaint] = faults(ranking, name="dense", generation=1, expected=expected)
        assert what in complaint


@pytest.fixture(autouse=True)
def _taking_turns_often() -> Iterator[None]:
    """Threads change fifty times as often as usual: more orders of events, and no writer that waits for readers."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 50)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def expected(tmp_path: Path) -> dict[tuple[int, str, str], str]:
    return expected_digests(tmp_path / "alone", 3, PASSAGES)


def retrieved_while(
    index: HippoGraph, publish: Callable[[], None], check: Callable[[HippoGraph, str], list[str]]
) -> int:
    """Let threads retrieve until everything is published, and return how often they did."""
    together, published = Barrier(THREADS + 1), Event()

    def read(number: int) -> list[str]:
        complaints, turn = [], number
        together.wait()
        while turn < number + len(NAMES) or not published.wait(0.002):
            complaints += check(index, NAMES[turn % len(NAMES)])
            turn += 1
        return complaints or [""] * (turn - number)

    with ThreadPoolExecutor(THREADS) as pool:
        readers = [pool.submit(read, number) for number in range(THREADS)]
        together.wait()
        try:
            publish()
        finally:
            published.set()
        told = [line for reader in readers for line in reader.result()]
    assert set(told) == {""}
    return len(told)


def test_threads_keep_what_their_object_opened_while_another_object_publishes(
    tmp_path: Path, expected: dict[tuple[int, str, str], str]
) -> None:
    directory = tmp_path / "shared.hippo"
    with open_index(directory) as first:
        first.index(documents(1, PASSAGES))

    def check(index: HippoGraph, name: str) -> list[str]:
        rankings = index.retrieve_all(QUERIES, retriever=name)
        return [fault for each in rankings for fault in faults(each, name=name, generation=1, expected=expected)]

    def publish() -> None:
        for generation in range(2, 4):
            with open_index(directory) as writer:
                assert writer.index(documents(generation, PASSAGES)).generation == generation

    with open_index(directory) as index:
        assert retrieved_while(index, publish, check) >= THREADS * len(NAMES)
        assert generations(directory) == ["00000001", "00000003", "CURRENT"]
    with open_index(directory) as writer:
        writer.index(documents(3, PASSAGES))
    assert generations(directory) == ["00000003", "CURRENT"]


def test_threads_get_one_generation_at_a_time_from_the_object_that_publishes(
    tmp_path: Path, expected: dict[tuple[int, str, str], str]
) -> None:
    def check(index: HippoGraph, name: str) -> list[str]:
        before = index.parts.snapshot.generation
        rankings = index.retrieve_all(QUERIES, retriever=name)
        # A ranking says by its hits which generation it is of; all of one call must be of the same.
        found = generations_of(rankings)
        if len(found) != 1 or not before <= min(found):
            return [f"{name}: {sorted(found)} in one answer, after {before}"]
        return [
            fault for each in rankings for fault in faults(each, name=name, generation=min(found), expected=expected)
        ]

    with open_index(tmp_path / "shared.hippo") as index:
        index.index(documents(1, PASSAGES))

        def publish() -> None:
            for generation in range(2, 4):
                assert index.index(documents(generation, PASSAGES)).generation == generation
                assert index.parts.snapshot.generation == generation

        assert retrieved_while(index, publish, check) >= THREADS * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_retriever_is_of_one_snapshot_whatever_is_published_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with open_index(tmp_path) as index:
        index.index(documents(1, PASSAGES))
        answers = [index.parts.snapshot]
        # A second look may find another one.
        monkeypatch.setattr(Composition, "snapshot", property(lambda self: answers.pop()))
        ranking = index.parts.retriever(name).retrieve(QUERIES, k=5)[0]
    assert generations_of([ranking]) == {1}


def test_who_opens_while_the_same_object_publishes_does_not_keep_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go_on = Event(), Event()

    def slowly(directory: Path) -> Snapshot:
        found = open_snapshot(directory)
        opened.set()
        assert go_on.wait(30)
        return found

    with open_index(tmp_path) as index, open_index(tmp_path) as writer, ThreadPoolExecutor(2) as pool:
        writer.index(documents(1, PASSAGES))
        with monkeypatch.context() as patch:
            patch.setattr(index_directory, "open_snapshot", slowly)
            reading = pool.submit(lambda: index.parts.snapshot.generation)
            assert opened.wait(30)
        publishing = pool.submit(index.index, documents(2, PASSAGES))
        # Time enough to publish, if the two did not take turns.
        wait([publishing], timeout=0.5)
        go_on.set()
        assert reading.result() in {1, 2}
        assert publishing.result().generation == 2
        assert index.parts.snapshot.generation == 2


def test_a_second_writer_waits_or_is_told(tmp_path: Path) -> None:
    with open_index(tmp_path) as index, ThreadPoolExecutor(1) as pool:
        with writing(tmp_path):
            with pytest.raises(IndexDirectoryError, match="--wait SECONDS"):
                index.index(documents(1, PASSAGES))
            waiting = pool.submit(index.index, documents(1, PASSAGES), wait=60)
        assert waiting.result().generation == 1


def test_writers_that_begin_an_index_at_the_same_time_take_turns(tmp_path: Path) -> None:
    together = Barrier(4)

    def write(number: int) -> int:
        with open_index(tmp_path / "new.hippo") as index:
            together.wait()
            index.index(documents(1, PASSAGES)[number::4], wait=60)
            return index.parts.snapshot.generation

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4)))[-1] == 4
    with open_index(tmp_path / "new.hippo") as index:
        assert index.parts.snapshot.manifest.counts.documents == PASSAGES + 1
    assert generations(tmp_path / "new.hippo") == ["00000004", "CURRENT"]


@pytest.mark.parametrize("wrong", [[], ["dense: 'a query' of generation 1 is ranked otherwise than it should be"]])
def test_the_transcript_tells_what_was_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    reading = sharing.Reading(name="reader 1", openings=1, rankings=2345, generations=[2, 1], wrong=wrong)
    outcome = sharing.Outcome(
        readings=[reading], seconds=[0.5, 1.5], after_readers=[1, 3], after_next_session=[3], wrong=wrong
    )
    monkeypatch.setattr(sharing, "share", lambda *args, **kwargs: outcome)
    monkeypatch.setattr(sys, "argv", ["sharing.py", "--generations", "3"])
    assert sharing.main() == len(wrong)
    told = capsys.readouterr().out
    assert "generations 2 to 3, 1.00 s each" in told
    assert f"reader 1: 1 openings, 2,345 rankings checked, generations 1, 2; {len(wrong)} wrong" in told
    assert all(f"WRONG: {complaint}\n" in told for complaint in wrong)
    assert told.endswith(f"\n{len(wrong)} wrong\n")
