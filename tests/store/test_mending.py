"""Mending a catalog: what is sound stays as it was, what goes is told of, and nothing is there by half."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from hippograph.errors import DamagedIndexError, IndexDirectoryError
from hippograph.store.catalog import Catalog
from hippograph.store.mending import LostDocument, restore_header
from tests.store.damage import EMBEDDERS, EXTRACTORS, LONG, Values, fill, flipped, overwrite, pairs, root_page, say


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Values]:
    path = tmp_path_factory.mktemp("sound") / "catalog.sqlite"
    with Catalog.open(path, create=True) as catalog:
        fill(catalog)
        said = say(catalog)
    return path.read_bytes(), said


@pytest.fixture
def path(tmp_path: Path, sound: tuple[bytes, Values]) -> Path:
    path = tmp_path / "a.hippo" / "catalog.sqlite"
    path.parent.mkdir()
    path.write_bytes(sound[0])
    return path


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def mended(path: Path, said: Values) -> list[LostDocument]:
    """Mend a catalog and see that nothing in it is other than it was, and that all that is missing is told of."""
    with Catalog.open(path, write=True) as catalog:
        lost = catalog.mend(catalog.check())
        assert catalog.check() == []
        now = say(catalog)
    assert now["records"].items() <= said["records"].items()
    assert said["records"].keys() - now["records"].keys() <= {document.id for document in lost}
    assert not now["records"].keys() & {document.id for document in lost}
    assert now["passages"] == {
        name: passage for name, passage in said["passages"].items() if passage.document in now["records"]
    }
    for what in (
        "sources",
        "usage",
        *(f"items {name}" for name in EXTRACTORS),
        *(f"vectors {name}" for name in EMBEDDERS),
    ):
        assert now[what].items() <= said[what].items(), what
    assert {entry.name for entry in path.parent.iterdir()} == {path.name}
    # What was lost can be put in again, and then nothing is missing but what is made again.
    with Catalog.open(path, write=True) as catalog:
        gone = {document.id for document in lost}
        again = [pair for pair in pairs() if pair[0].id in gone]
        catalog.documents.replace_all(again, origins={one.id: f"../{one.source}" for one, _ in again})
        assert {part: say(catalog)[part] for part in ("records", "facts", "passages", "counts")} == {
            part: said[part] for part in ("records", "facts", "passages", "counts")
        }
        assert catalog.check() == []
    return lost


def test_flipped_bits(path: Path, sound: tuple[bytes, Values]) -> None:
    random = Random(11)
    content, said = sound
    opened = 0
    for _ in range(40):
        overwrite(path, flipped(content, random.randrange(4096, len(content)), random.randrange(8)))
        try:
            Catalog.open(path).close()
        except DamagedIndexError:
            continue
        mended(path, said)
        opened += 1
    assert opened > 25


def test_overwritten_sectors(path: Path, sound: tuple[bytes, Values]) -> None:
    random = Random(12)
    content, said = sound
    for _ in range(20):
        at = random.randrange(4096, len(content), 512)
        size = random.choice((512, 4096))
        garbage = random.choice((bytes(size), random.randbytes(size)))
        overwrite(path, (content[:at] + garbage + content[at + size :])[: len(content)])
        mended(path, said)


@pytest.mark.parametrize("table", ["documents", "passages", "extractions", "vectors"])
def test_a_table_without_its_first_page_loses_no_more_than_what_stood_there(
    path: Path, sound: tuple[bytes, Values], table: str
) -> None:
    content, said = sound
    at = root_page(path, table)
    overwrite(path, content[:at] + b"\xa5" * 4096 + content[at + 4096 :])
    lost = mended(path, said)
    assert bool(lost) == (table in ("documents", "passages"))


def test_what_can_be_made_again_is_deleted_alone(path: Path, sound: tuple[bytes, Values]) -> None:
    _, said = sound
    alter(
        path,
        "UPDATE vectors SET vector = zeroblob(16) WHERE row = (SELECT max(row) FROM vectors)",
        "UPDATE extractions SET entities = '[]' WHERE row = 1",
        "UPDATE sources SET source = 'x' WHERE origin = '../folder 1'",
        "UPDATE usage SET calls = 9 WHERE model = 'model 1'",
    )
    assert mended(path, said) == []
    with Catalog.open(path) as catalog:
        assert catalog.vectors.missing(EMBEDDERS[0], "passage", LONG) == []
        assert len(catalog.vectors.missing(EMBEDDERS[1], "passage", LONG)) == 1
        assert len(catalog.extractions.pending(EXTRACTORS[0])) == 1
        assert len(catalog.extractions.pending(EXTRACTORS[1])) == 0
        assert list(catalog.sources.all()) == ["../folder 0", "../folder 2"]
        assert len(catalog.usage.totals()) == 2


def test_with_an_extractor_or_an_embedder_goes_what_is_of_it(path: Path, sound: tuple[bytes, Values]) -> None:
    alter(
        path,
        "UPDATE extractors SET fingerprint = 'extractor:onf' WHERE number = 1",
        "UPDATE embedders SET fingerprint = 'embedder:twp' WHERE number = 2",
    )
    assert mended(path, sound[1]) == []
    with Catalog.open(path) as catalog:
        assert catalog.extractions.counts(EXTRACTORS[0])["done"] == 0
        assert catalog.extractions.counts("extractor:onf")["done"] == 0
        assert len(catalog.extractions.pending(EXTRACTORS[1])) == 0
        assert catalog.vectors.missing(EMBEDDERS[1], "passage", LONG) == LONG


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("UPDATE passages SET text = 'x' WHERE id = 'd06#1'", ["d06"]),
        ("UPDATE passages SET id = 'd06#9' WHERE id = 'd06#1'", ["d06"]),
        ("UPDATE documents SET metadata = '{}' WHERE id = 'd06'", ["d06"]),
        ("DELETE FROM passages WHERE id = 'd06#1'", ["d06"]),
        # The last passage of one document becomes the last one of another: neither may seem complete without it.
        ("UPDATE passages SET document = document + 1, position = 3 WHERE id = 'd06#1'", ["d06"]),
    ],
)
def test_a_document_goes_whole_and_is_told_of(
    path: Path, sound: tuple[bytes, Values], statement: str, lost: list[str]
) -> None:
    alter(path, statement)
    assert mended(path, sound[1]) == [LostDocument(id=name, source="folder/1.txt") for name in lost]


def test_an_altered_id_is_told_of_as_it_was_where_the_index_remembers(path: Path, sound: tuple[bytes, Values]) -> None:
    content, said = sound
    at = content.index(b"folder/1.txt../folder/1.txt", root_page(path, "documents"))
    name = content.rindex(b"d", 0, at - 16)
    overwrite(path, flipped(content, name + 1, 2))
    lost = mended(path, said)
    assert len(lost) == 2
    assert {document.source for document in lost} == {"", "folder/1.txt"}


@pytest.mark.parametrize("name", ["passages_by_content", "extractions_by_content", "passages_by_document"])
def test_a_wrong_index_costs_nothing(path: Path, sound: tuple[bytes, Values], name: str) -> None:
    content, said = sound
    # What fills a page from its end is the content of its cells.
    overwrite(path, flipped(content, root_page(path, name) + 4095, 1))
    with Catalog.open(path) as catalog:
        assert {fault.part for fault in catalog.check()} <= {"indices", "file"} != set()
    assert mended(path, said) == []
    with Catalog.open(path) as catalog:
        assert say(catalog) == said


def test_missing_definitions_are_made_anew(path: Path, sound: tuple[bytes, Values]) -> None:
    alter(path, "DROP INDEX extractions_by_content", "DROP TABLE vectors", "DROP TABLE usage")
    assert mended(path, sound[1]) == []
    with Catalog.open(path) as catalog:
        assert catalog.vectors.missing(EMBEDDERS[0], "passage", LONG) == LONG
        assert len(catalog.extractions.pending(EXTRACTORS[0])) == 0


def test_without_its_documents_a_catalog_is_left_as_it_is(path: Path) -> None:
    alter(path, "DROP TABLE passages")
    before = path.read_bytes()
    with Catalog.open(path, write=True) as catalog, pytest.raises(DamagedIndexError, match="no such table"):
        catalog.mend(catalog.check())
    assert path.read_bytes() == before


def test_nothing_to_mend(path: Path, sound: tuple[bytes, Values]) -> None:
    with Catalog.open(path, write=True) as catalog:
        assert catalog.mend(catalog.check()) == []
        assert say(catalog) == sound[1]


def test_a_reader_keeps_what_it_reads_and_may_not_mend(path: Path, sound: tuple[bytes, Values]) -> None:
    alter(path, "DROP INDEX extractions_by_content")
    path.with_name(f"{path.name}-mended").write_bytes(b"what a killed process left behind")
    with Catalog.open(path) as reader:
        faults = reader.check()
        with pytest.raises(IndexDirectoryError, match="opened for reading"):
            reader.mend(faults)
        passages = reader.documents.passages()
        first = next(passages)
        with Catalog.open(path, write=True) as catalog:
            assert catalog.mend(faults) == []
        assert {passage.id: passage for passage in (first, *passages)} == sound[1]["passages"]
        assert reader.check() == []


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 0", "user_version = 1", "user_version = 77"])
def test_an_altered_header(path: Path, sound: tuple[bytes, Values], pragma: str) -> None:
    alter(path, f"PRAGMA {pragma}")
    with pytest.raises(DamagedIndexError, match="header"):
        Catalog.open(path)
    assert restore_header(path)
    with Catalog.open(path) as catalog:
        assert (catalog.check(), say(catalog)) == ([], sound[1])


def test_a_header_is_not_given_to_what_is_no_catalog(path: Path) -> None:
    alter(path, "DROP TABLE usage", "PRAGMA application_id = 7")
    before = path.read_bytes()
    assert not restore_header(path)
    assert path.read_bytes() == before
    path.write_bytes(b"garbage" * 999)
    with pytest.raises(DamagedIndexError):
        restore_header(path)
