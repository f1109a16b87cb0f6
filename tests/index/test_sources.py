"""Which documents belong to which files: nothing goes that should stay, however files are named, linked or moved."""

import json
import os
import shutil
from pathlib import Path

import pytest

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.types import Document, Passage


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = (tmp_path / "project").resolve()
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def opened(directory: str | Path = "it.hippo") -> HippoGraph:
    return HippoGraph(directory, extractor=CapitalsExtractor(), embedder=HashingEmbedder())


def write(path: str, text: str = "The Fram lies in Oslo.") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def rows(path: str, **texts: str) -> None:
    write(path, json.dumps([{"id": name, "text": text} for name, text in texts.items()]))


def held(index: HippoGraph) -> dict[str, str]:
    with opened(index.directory) as other:
        return {passage.id: passage.source for passage in other.parts.snapshot.passages}


def texts(index: HippoGraph) -> dict[str, str]:
    with opened(index.directory) as other:
        return {passage.id: passage.text for passage in other.parts.snapshot.passages}


def test_what_lies_beside_the_folder_of_the_index_is_not_in_it(here):
    write("a.txt")
    write("../other/b.md")
    index = opened()
    index.index([".", "../other"])
    assert index.update(["."]).removed == 0
    assert index.delete(source=".").removed == ("project/a.txt",)
    assert list(held(index)) == ["other/b.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter any folder")
@pytest.mark.parametrize("folder", ["docs", "docs/sub"])
def test_a_folder_that_cannot_be_entered_loses_nothing(here, folder):
    write("docs/a.txt")
    write("docs/sub/b.txt")
    index = opened()
    index.index(["docs"])
    Path(folder).chmod(0o444)
    try:
        report = index.update(["docs"])
    finally:
        Path(folder).chmod(0o755)
    assert (report.removed, bool(report.skipped)) == (0, True)


@pytest.mark.parametrize("name", ["Smith, John.txt", "a\u00a0b.txt", "plain.txt", "a, line 3.txt"])
def test_a_file_that_cannot_be_read_keeps_its_documents_whatever_it_is_called(here, name):
    write(f"docs/{name}")
    write("docs/gone.txt")
    index = opened()
    index.index(["docs"])
    Path("docs", name).write_bytes(b"\xff\xfe\xff")
    Path("docs/gone.txt").unlink()
    report = index.update()
    assert (report.removed, len(report.skipped)) == (1, 1)
    assert list(held(index)) == [f"docs/{name}"]


def test_a_source_is_a_place_and_not_a_text(here, monkeypatch):
    rows("a/corpus.json", one="Of a.")
    rows("b/corpus.json", two="Of b.")
    index = opened(here / "it.hippo")
    for folder in ("a", "b"):
        monkeypatch.chdir(here / folder)
        index.index(["corpus.json"])
    monkeypatch.chdir(here / "a")
    assert index.delete(source="corpus.json").removed == ("one",)
    (here / "empty").mkdir()
    monkeypatch.chdir(here / "empty")
    assert index.delete(source=".").removed == ()
    assert list(held(index)) == ["two"]


def test_documents_given_in_memory_are_of_no_file_whatever_they_cite(here):
    write("docs/a.txt")
    write("docs/report.txt")
    index = opened()
    index.index([Document(id="report", text="What the report says.", source="docs/report.pdf")])
    index.index(["docs", Document(id="readme", text="Read me.", source="docs/report.txt")])
    assert index.update().removed == 0
    assert index.delete(source="docs").removed == ("docs/a.txt", "docs/report.txt", "readme", "report")


def test_what_another_source_has_stays(here):
    write("p/docs/a.md")
    index = opened()
    index.index(["p/docs", "p/docs/a.md", "p"])
    before = held(index)
    assert set(before) == {"docs/a.md", "a.md", "p/docs/a.md"}
    for sources in (["p"], ["p/docs"], ["p/docs/a.md"], []):
        assert index.update(sources).removed == 0
    assert held(index) == before


def test_a_row_in_two_files_stays_until_it_is_in_neither(here):
    rows("a.json", x="Twice.", y="Of a.")
    rows("b.json", x="Twice.", z="Of b.")
    index = opened()
    index.index(["a.json", "b.json"])
    rows("b.json", z="Of b.")
    assert index.update(["b.json"]).removed == 0
    rows("b.json", x="Twice.", z="Of b.")
    rows("a.json", y="Of a.")
    assert index.update().removed == 0
    assert held(index) == {"x": "b.json", "y": "a.json", "z": "b.json"}
    rows("b.json", z="Of b.")
    assert index.update().removed == 1


@pytest.mark.parametrize("renamed", [True, False])
def test_a_row_that_moves_and_changes_is_taken_from_where_it_is_now(here, renamed):
    rows("d/a.json", x="As it was.", y="Of a.")
    index = opened()
    index.index(["d"])
    rows("d/b.json", x="As it is.")
    if renamed:
        Path("d/a.json").unlink()
    else:
        rows("d/a.json", y="Of a.")
    report = index.update()
    assert (report.replaced, report.skipped) == (1, ())
    assert texts(index)["x"] == "As it is."
    assert held(index)["x"] == "d/b.json"


def test_an_update_names_everything_as_it_was_named(here, monkeypatch):
    write("real/a.md")
    Path("docs").symlink_to("real")
    Path("note.txt").symlink_to("real/a.md")
    index = opened(here / "it.hippo")
    index.index(["docs", "note.txt"])
    named = {"docs/a.md": "docs/a.md", "note.txt": "note.txt"}
    assert held(index) == named
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    write(str(here / "real/b.md"))
    report = index.update()
    assert (report.added, report.unchanged, report.removed) == (1, 2, 0)
    assert held(index) == named | {"docs/b.md": "docs/b.md"}
    assert index.status()["sources"] == ["docs", "note.txt"]


def test_a_link_that_leads_elsewhere_now_is_followed(here):
    for version in ("v1", "v2"):
        write(f"{version}/a.md", f"This is {version}.")
    write("v1/only.md")
    Path("current").symlink_to("v1")
    index = opened()
    index.index(["current"])
    Path("current").unlink()
    Path("current").symlink_to("v2")
    report = index.update()
    assert report.skipped == ()
    assert texts(index) == {"current/a.md": "This is v2."}


def test_parts_with_other_ids_or_pages_replace_the_former_ones(here):
    def parts(*names_and_pages: tuple[str, int]) -> list[Passage]:
        return [
            Passage(id=name, document="book", text=f"Part {place}.", page=page)
            for place, (name, page) in enumerate(names_and_pages)
        ]

    index = opened()
    index.index(parts(("book:1", 1), ("book:2", 2)))
    assert index.index(parts(("book:1", 1), ("book:2", 2))).unchanged == 1
    assert index.index(parts(("book:1", 7), ("book:2", 8))).replaced == 1
    assert [passage.page for passage in index.parts.snapshot.passages] == [7, 8]
    assert index.index(parts(("b-1", 7), ("b-2", 8))).replaced == 1
    assert list(held(index)) == ["b-1", "b-2"]


def test_an_index_inside_its_source_is_no_source(here):
    write("a.txt")
    index = opened("w.hippo")
    for _ in range(2):
        report = index.index(["."])
        assert all(item.harmless for item in report.skipped)
    assert list(held(index)) == ["project/a.txt"]


def test_files_that_moved_away_from_the_index_are_found_again_by_indexing_them(here):
    write("docs/a.txt", "As it was.")
    write("docs/b.txt")
    opened().index(["docs"])
    shutil.move("it.hippo", "../far.hippo")
    write("docs/a.txt", "As it is.")
    index = opened("../far.hippo")
    with pytest.raises(InputError, match="hippograph delete --source"):
        index.update()
    report = index.index(["docs"])
    assert (report.replaced, report.unchanged, report.skipped) == (1, 1, ())
    assert texts(index)["docs/a.txt"] == "As it is."


def test_an_extractor_that_read_nothing_binds_no_index(here):
    class Broken(CapitalsExtractor):
        @property
        def fingerprint(self):
            return "broken:1"

        def extract(self, passages):
            raise RuntimeError("no power")

    write("a.txt")
    with pytest.raises(RuntimeError, match="power"):
        HippoGraph("it.hippo", extractor=Broken(), embedder=HashingEmbedder()).index(["a.txt"])
    assert opened().index(["a.txt"]).published
