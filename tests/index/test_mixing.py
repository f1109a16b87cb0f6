"""An index that several extractors have read, passage by passage, and back again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hippograph.errors import IndexMismatchError, ModelError
from hippograph.hippograph import HippoGraph
from hippograph.index.doctor import examine
from hippograph.index.indexer import Indexer
from hippograph.index.repair import repair
from hippograph.protocols import Extractor
from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Document
from tests.index.builds import built
from tests.index.damaged import CATALOG, FORBIDDEN, ForbiddenExtractor, alter, current, rankings, write_format_2
from tests.index.readers import FussyExtractor, capitals
from tests.index.test_indexer import CountingExtractor

NAMES = ("Fram", "Nansen", "Oslo", "Amundsen", "Larvik", "Colin Archer", "Gjøa")


def documents(n: int = 14) -> list[Document]:
    found = []
    for number in range(n):
        one, other, third = (NAMES[(number * step + step) % len(NAMES)] for step in (1, 2, 4))
        text = f"{one} met {other} near {third}, {number} nautical miles off." if number % 6 else "nothing to be told"
        found.append(Document(id=f"d{number:02d}", title=one, text=text, metadata={"number": number}))
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "mixed.hippo"


def opened(directory: Path, extractor: Extractor) -> HippoGraph:
    return HippoGraph(directory, extractor=extractor, embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder())


def run(directory: Path, extractor: Extractor, sources: list[Document] | None = None) -> Snapshot:
    """Index by an extractor, and return what is published."""
    with opened(directory, extractor) as index:
        index.index(documents() if sources is None else sources)
    return open_snapshot(directory, verify=True)


def readers(snapshot: Snapshot) -> dict[str, str]:
    """Tell who has read which passage."""
    numbers = snapshot.evidence.readers.tolist()
    return {
        name: snapshot.manifest.extractors[number] for name, number in zip(snapshot.passages.ids, numbers, strict=True)
    }


@pytest.fixture
def mixed(directory: Path) -> Snapshot:
    """Read by one, and as far as it can by the other."""
    run(directory, CapitalsExtractor())
    return run(directory, FussyExtractor(failing=True))


def expected_readers(snapshot: Snapshot) -> dict[str, str]:
    fussy = FussyExtractor(failing=True)
    usable = {passage.id: fussy.reading(passage).status in ("done", "empty") for passage in snapshot.passages}
    return {name: "fussy:1" if usable[name] else "capitals:1" for name in usable}


def test_what_the_new_one_cannot_read_stays_as_it_was_read(mixed):
    assert readers(mixed) == expected_readers(mixed)
    assert set(readers(mixed).values()) == {"capitals:1", "fussy:1"} == set(mixed.manifest.extractors)
    assert mixed.manifest.extractor == "fussy:1"
    fussy = FussyExtractor(failing=True)
    evidence = [
        (passage, fussy.reading(passage) if name == "fussy:1" else capitals(passage))
        for passage, name in zip(mixed.passages, readers(mixed).values(), strict=True)
    ]
    assert mixed.manifest.graph_digest == built(evidence, None, HashingEmbedder()).manifest.graph_digest


def test_going_back_costs_nothing_and_gives_the_same_bits(directory):
    first = run(directory, CapitalsExtractor())
    other = run(directory, FussyExtractor())
    assert other.manifest.graph_digest != first.manifest.graph_digest
    back = run(directory, ForbiddenExtractor())
    assert (back.manifest.files, back.manifest.graph_digest, back.manifest.extractors) == (
        first.manifest.files, first.manifest.graph_digest, ("capitals:1",),
    )  # fmt: skip
    forth = run(directory, ForbiddenExtractor(fingerprint="fussy:1"))
    assert (forth.manifest.files, forth.manifest.extractor) == (other.manifest.files, "fussy:1")


def test_what_failed_is_tried_again_and_then_taken_over(directory, mixed):
    again = FussyExtractor()
    healed = run(directory, again)
    failed = list(again.read)
    assert failed
    assert {readers(mixed)[name] for name in failed} == {"capitals:1"}
    assert {readers(healed)[name] for name in failed} == {"fussy:1"}


def test_others_are_read_again_on_request(directory, mixed):
    fussy = FussyExtractor()
    with opened(directory, fussy) as index, index.parts.place.session() as session:
        report = index.indexer.index([], session=session, retry=["invalid"])
        assert set(fussy.read) == {failure.where for failure in report.failures} != set()
        fussy.read.clear()
        index.indexer.index([], session=session, retry=())
        assert fussy.read == []


def test_of_what_nobody_can_read_the_preferred_one_tells(directory):
    unusable = run(directory, FussyExtractor(name="one", failing=True))
    assert set(readers(unusable).values()) == {"one:1"}
    assert set(readers(run(directory, FussyExtractor(name="other", failing=True))).values()) == {"other:1"}


def test_a_switch_that_was_not_asked_for_is_refused(directory, mixed):
    for extractor, switch in ((CapitalsExtractor(), True), (FussyExtractor(), False)):
        with opened(directory, extractor) as index, index.parts.place.session() as session:
            if switch:
                with pytest.raises(IndexMismatchError, match=r"'fussy:1', not 'capitals:1'.*--extractor"):
                    index.indexer.index([], session=session, switch=False)
            else:
                index.indexer.index([], session=session, switch=False)
    assert open_snapshot(directory).manifest.extractor == "fussy:1"


@pytest.mark.parametrize("error", [ModelError("no such key"), KeyboardInterrupt()])
def test_one_that_reads_nothing_is_not_preferred(directory, error):
    run(directory, CapitalsExtractor())
    broken = FussyExtractor(breaks=frozenset(one.id for one in documents()), error=error)
    with pytest.raises(type(error)):
        run(directory, broken)
    with Catalog.open(directory / CATALOG) as catalog:
        assert catalog.extractors.order() == ["capitals:1"]


def test_one_that_breaks_off_is_mixed_in_by_the_next_run(directory):
    run(directory, CapitalsExtractor())
    with pytest.raises(RuntimeError, match="power"):
        run(directory, FussyExtractor(breaks=frozenset({"d05"})))
    assert set(readers(open_snapshot(directory)).values()) == {"capitals:1"}
    # The work of the new one is used as far as it goes, and no more of it is asked for.
    with opened(directory, FussyExtractor()) as index, index.parts.place.session() as session:
        index.indexer.rebuild(session)
    assert {name for name, by in readers(open_snapshot(directory)).items() if by == "fussy:1"} <= {
        f"d{number:02d}" for number in range(5)
    }
    rest = FussyExtractor()
    run(directory, rest)
    assert rest.read == [f"d{number:02d}" for number in range(5, 14)]


def test_a_delete_and_a_filter_keep_who_has_read_what(directory, mixed, tmp_path):
    everybody = readers(mixed)
    with opened(directory, ForbiddenExtractor(fingerprint="fussy:1")) as index:
        part = index.parts.part("number >= 4")
        assert readers(part) == {name: by for name, by in everybody.items() if name >= "d04"}
        index.delete(filter="number < 4")
    rest = open_snapshot(directory, verify=True)
    assert readers(rest) == readers(part)
    kept = [one for one in documents() if one.id >= "d04"]
    run(tmp_path / "fresh.hippo", CapitalsExtractor(), kept)
    fresh = run(tmp_path / "fresh.hippo", FussyExtractor(failing=True), kept)
    assert rest.manifest.files == fresh.manifest.files
    alone = [name for name, by in readers(rest).items() if by == "capitals:1"]
    with opened(directory, ForbiddenExtractor(fingerprint="fussy:1")) as index:
        index.delete(alone)
        assert index.parts.snapshot.manifest.extractors == ("fussy:1",)


def test_standing(directory, mixed):
    with opened(directory, ForbiddenExtractor()) as index:
        found = index.status()
    fussy = FussyExtractor(failing=True)
    statuses = [fussy.reading(passage).status for passage in mixed.passages]
    assert found["extractor"] == "fussy:1"
    assert found["extraction"] == {status: statuses.count(status) for status in ("done", "empty", "invalid", "failed")}
    usable = statuses.count("done") + statuses.count("empty")
    assert found["extractors"] == [
        {
            "extractor": "fussy:1",
            "preferred": True,
            "read": usable,
            "used": usable,
            "pending": statuses.count("failed"),
            "kept": 0,
        },
        {"extractor": "capitals:1", "preferred": False, "read": 14, "used": 14 - usable, "pending": 0, "kept": 0},
    ]


LOOK = Indexer(extractor=ForbiddenExtractor(fingerprint="fussy:1"), embedder=FORBIDDEN.embedder)


def test_a_mixed_index_is_sound(directory, mixed):
    assert examine(directory, indexer=LOOK).findings == ()
    # Which extractor is meant is no fault of the index.
    [finding] = examine(directory, indexer=FORBIDDEN).findings
    assert (finding.kind, "'fussy:1', not 'capitals:1'" in finding.what) == ("note", True)


@pytest.mark.parametrize("lost", ["snapshots", "a file", "the catalog"])
def test_either_half_of_a_mixed_index_is_made_of_the_other(directory, mixed, lost):
    answers = rankings(directory)
    if lost == "snapshots":
        shutil.rmtree(directory / SNAPSHOTS)
    elif lost == "a file":
        (current(directory) / "readers.npy").unlink()
    else:
        (directory / CATALOG).unlink()
    repaired = repair(directory, indexer=LOOK)
    assert repaired.left.findings == (), repaired.left.findings
    made = open_snapshot(directory, verify=True)
    assert (made.manifest.graph_digest, readers(made)) == (mixed.manifest.graph_digest, readers(mixed))
    assert made.manifest.extractor == "fussy:1"
    assert rankings(directory) == answers
    with Catalog.open(directory / CATALOG) as catalog:
        assert catalog.extractors.order() == ["fussy:1", "capitals:1"]
    if lost != "the catalog":
        assert made.manifest.files == mixed.manifest.files
        assert run(directory, ForbiddenExtractor()).manifest.extractors == ("capitals:1",)


def test_a_catalog_from_before_the_switch_learns_of_it(directory):
    run(directory, CapitalsExtractor())
    older = (directory / CATALOG).read_bytes()
    newer = run(directory, FussyExtractor(), [*documents(), Document(id="new", title="Maud", text="Maud sank.")])
    (directory / CATALOG).write_bytes(older)
    assert repair(directory, indexer=LOOK).left.sound
    made = open_snapshot(directory, verify=True)
    assert (made.manifest.graph_digest, readers(made)) == (newer.manifest.graph_digest, readers(newer))
    assert made.manifest.extractor == "fussy:1"


def test_an_index_of_the_second_format_is_gone_on_with(directory):
    first = run(directory, CapitalsExtractor())
    write_format_2(directory)
    with (
        opened(directory, FussyExtractor()) as index,
        index.parts.place.session() as session,
        pytest.raises(IndexMismatchError, match="'capitals:1', not 'fussy:1'"),
    ):
        index.indexer.index([], session=session, switch=False)
    assert run(directory, ForbiddenExtractor(), []).manifest.files == first.manifest.files


def test_where_an_older_format_does_not_tell_which_extractor_is_meant_the_snapshot_does(directory):
    run(directory, FussyExtractor())
    first = run(directory, CapitalsExtractor())
    write_format_2(directory)
    repair(directory, indexer=LOOK)
    made = open_snapshot(directory)
    assert (made.manifest.extractor, made.manifest.files) == ("capitals:1", first.manifest.files)


def test_an_extractor_whose_row_is_damaged_leaves_the_others(directory, mixed):
    alter(directory, "UPDATE extractors SET preference = 9 WHERE fingerprint = 'fussy:1'")
    repair(directory, indexer=LOOK)
    with Catalog.open(directory / CATALOG) as catalog:
        assert catalog.extractors.order() == ["capitals:1"]
    again = FussyExtractor(failing=True)
    assert run(directory, again).manifest.graph_digest == mixed.manifest.graph_digest
    assert len(again.read) == len(documents())


def test_extractions_of_one_are_none_of_the_other(directory):
    counting = CountingExtractor()
    run(directory, FussyExtractor())
    run(directory, counting)
    assert len(counting.read) == len(documents())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here; tests/faults tests what of that."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
