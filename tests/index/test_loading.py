"""Sources: files, folders, links, BEIR folders, memory; ids, order, duplicates."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.index.formats import SUFFIXES
from hippograph.index.loading import load
from hippograph.types import Document, Passage, SkippedItem


def split(sources: list[Any]) -> tuple[list[Document], list[SkippedItem]]:
    items = list(load(sources))
    return (
        [item for item in items if isinstance(item, Document)],
        [item for item in items if isinstance(item, SkippedItem)],
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, so that sources can be named as a user would."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_folder_is_read_in_the_order_of_its_names_without_what_is_hidden(here: Path) -> None:
    write(
        here / "docs",
        {"b.md": "# B\ntext", "a/z.txt": "z", "a/.hidden.txt": "h", ".git/x.txt": "h", "c.TXT": "c", "B.md": "# Big"},
    )
    documents, skipped = split(["docs/"])
    assert [(d.id, d.source, d.title) for d in documents] == [
        ("docs/B.md", "docs/B.md", "Big"),
        ("docs/a/z.txt", "docs/a/z.txt", "z"),
        ("docs/b.md", "docs/b.md", "B"),
        ("docs/c.TXT", "docs/c.TXT", "c"),
    ]
    assert skipped == []


@pytest.mark.parametrize(
    ("source", "id", "cited"),
    [
        ("docs/a.md", "a.md", "docs/a.md"),
        ("docs", "docs/a.md", "docs/a.md"),
        ("./docs/", "docs/a.md", "docs/a.md"),
        (".", "work/docs/a.md", "docs/a.md"),
        ("docs/..", "work/docs/a.md", "docs/../docs/a.md"),
    ],
)
def test_ids_are_paths_from_the_named_folder_on(here: Path, source: str, id: str, cited: str) -> None:
    write(here, {"docs/a.md": "A text."})
    (document,), _ = split([source])
    assert (document.id, document.source) == (id, cited)


def test_an_absolute_folder_gives_the_same_ids_and_an_absolute_source(here: Path) -> None:
    write(here, {"docs/a.md": "A text."})
    (document,), _ = split([here / "docs"])
    assert (document.id, document.source) == ("docs/a.md", (here / "docs/a.md").as_posix())


def test_unsupported_files_are_listed_one_by_one(here: Path) -> None:
    write(here, {"docs/a.html": "<p>", "docs/Makefile": "all:", "docs/b.txt": "b"})
    documents, skipped = split(["docs", "docs/a.html"])
    assert [d.id for d in documents] == ["docs/b.txt"]
    assert [s.where for s in skipped] == ["docs/Makefile", "docs/a.html", "docs/a.html"]
    assert "suffix is missing" in skipped[0].reason
    assert all(suffix in skipped[2].reason for suffix in SUFFIXES)


def test_links_are_followed_to_files_within_the_folder_only(here: Path) -> None:
    write(here, {"docs/a.txt": "inside", "docs/sub/b.txt": "b", "secret.txt": "outside", "out/c.txt": "outside"})
    (here / "docs/in.txt").symlink_to("a.txt")
    (here / "docs/leak.txt").symlink_to("../secret.txt")
    (here / "docs/leaks").symlink_to("../out")
    (here / "docs/loop").symlink_to(".")
    (here / "docs/sub/circle.txt").symlink_to("circle.txt")
    (here / "docs/sub/nowhere.txt").symlink_to("gone.txt")
    documents, skipped = split(["docs"])
    assert [(d.id, d.text) for d in documents] == [
        ("docs/a.txt", "inside"),
        ("docs/in.txt", "inside"),
        ("docs/sub/b.txt", "b"),
    ]
    reasons = {item.where: item.reason for item in skipped}
    assert {where: reason.split(";")[0] for where, reason in reasons.items()} == {
        "docs/leak.txt": "is a link that leads outside the folder",
        "docs/leaks": "is a link that leads outside the folder",
        "docs/loop": "is a link to a folder, and links to folders are not followed",
        "docs/sub/circle.txt": "is a link that leads nowhere",
        "docs/sub/nowhere.txt": "is a link that leads nowhere",
    }


def test_a_named_folder_may_itself_be_a_link(here: Path) -> None:
    write(here, {"real/a.txt": "a"})
    (here / "docs").symlink_to("real")
    documents, skipped = split(["docs"])
    assert [d.id for d in documents] == ["docs/a.txt"]
    assert skipped == []


def test_what_is_not_a_regular_file_is_never_opened(here: Path) -> None:
    (here / "docs").mkdir()
    os.mkfifo(here / "docs/pipe.txt")  # opening it would wait for a writer
    _, (skipped,) = split(["docs"])
    reason = "is not a regular file; copy its content into one"
    assert skipped == SkippedItem(where="docs/pipe.txt", reason=reason, path=str(here / "docs/pipe.txt"))


def test_names_that_cannot_be_cited_are_listed(here: Path) -> None:
    (here / "docs").mkdir()
    try:
        Path(os.fsdecode(b"docs/caf\xe9.txt")).write_text("text")
        (here / "docs/two\nlines.txt").write_text("text")
    except OSError:
        pytest.skip("this file system allows neither name")
    documents, skipped = split(["docs"])
    assert documents == []
    assert [item.where for item in skipped] == ["docs/caf\\udce9.txt", "docs/two\\nlines.txt"]
    assert "rename" in skipped[0].reason
    assert "control characters" in skipped[1].reason


def test_a_file_that_vanishes_or_is_closed_to_us_is_listed(here: Path) -> None:
    write(here, {"docs/a.txt": "a", "docs/b.txt": "b"})
    stream = load(["docs"])
    assert isinstance(next(stream), Document)
    (here / "docs/b.txt").unlink()
    (item,) = stream
    assert isinstance(item, SkippedItem)
    assert item.where == "docs/b.txt"


def test_of_a_beir_folder_only_the_corpus_is_loaded(here: Path) -> None:
    row = json.dumps({"_id": "d1", "title": "T", "text": "Body.", "metadata": {"url": "u"}})
    write(
        here / "sets/fact",
        {
            "corpus.jsonl": row,
            "queries.jsonl": json.dumps({"_id": "q1", "text": "Which?"}),
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
            "notes.txt": "n",
        },
    )
    write(here / "sets", {"other.txt": "o"})
    for source, places in (("sets/fact", ["sets/fact/notes.txt"]), ("sets", ["sets/fact/notes.txt"])):
        documents, skipped = split([source])
        assert documents[0] == Document(
            id="d1", title="T", text="Body.", source="sets/fact/corpus.jsonl", metadata={"url": "u"}
        )
        assert [item.where for item in skipped] == places
        assert "BEIR" in skipped[0].reason
    assert [d.id for d in split(["sets"])[0]] == ["d1", "sets/other.txt"]


@pytest.mark.parametrize("beside", ["queries.jsonl", "qrels/test.tsv"])
def test_queries_or_qrels_make_a_beir_folder(here: Path, beside: str) -> None:
    row = json.dumps({"_id": "d1", "text": "Body."})
    write(here / "fact", {"corpus.jsonl": row, beside: json.dumps({"_id": "q1", "text": "Which?"})})
    assert [item.id for item in split(["fact"])[0]] == ["d1"]
    assert split(["fact"])[1] == []


def test_questions_without_a_corpus_beside_them_are_like_any_file(here: Path) -> None:
    write(here / "fact", {"queries.jsonl": json.dumps({"_id": "q1", "text": "Which?"})})
    assert [item.id for item in split(["fact"])[0]] == ["q1"]


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["gone.txt"], "gone.txt does not exist"),
        ([""], "empty string"),
        (["a" * 5000], "cannot be opened"),
        ([3], "a source is a int"),
        ("docs", "sources is one str"),
        (Path("docs"), "sources is one"),
        (Document(id="a", text="a"), "sources is one Document"),
    ],
)
def test_unusable_sources_are_refused_before_anything_is_read(here: Path, sources: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(sources)


def test_a_missing_source_is_noticed_before_the_first_is_read(here: Path) -> None:
    write(here, {"a.txt": "a"})
    with pytest.raises(InputError, match=r"b\.txt does not exist"):
        load(["a.txt", "b.txt"])


def test_documents_pass_through_and_passages_become_documents() -> None:
    document = Document(id="d", title="T", text=" Some text.\r\n", source="s.txt", metadata={"year": 1999, "ok": True})
    passage = Passage(id="p#1", document="p", title="P", text="Text.", source="p.pdf", span=(5, 10), page=2)
    documents, skipped = split([document, passage])
    assert documents[0] is document
    assert documents[1] == Document(id="p#1", title="P", text="Text.", source="p.pdf")
    assert skipped == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": ""}, "id is empty"),
        ({"id": " "}, "id is empty"),
        ({"id": "a\tb"}, r'id "a\\tb" has control characters'),
        ({"id": "a\u2028b"}, "control characters"),
        ({"id": 3}, "its id is 3, not a string"),
        ({"text": None}, "its text is null, not a string"),
        ({"text": "\n \u200b\0"}, "the text is blank"),
        ({"title": "\ud800"}, "its title has half of a surrogate pair"),
        ({"metadata": {"k": [1]}}, r'metadata "k" is \[1\]'),
        ({"metadata": {"k": None}}, 'metadata "k" is null'),
        ({"metadata": {"k": float("inf")}}, 'metadata "k" is Infinity'),
        ({"metadata": {"k": "\ud800"}}, 'metadata "k" has half of a surrogate pair'),
        ({"metadata": {3: "v"}}, "metadata has the key 3"),
        ({"metadata": {"k": b"v"}}, "a value of type bytes"),
        ({"metadata": None}, "its metadata is null"),
    ],
)
def test_documents_that_cannot_be_stored_are_listed(changes: dict[str, Any], words: str) -> None:
    documents, (skipped,) = split([Document(**{"id": "a", "text": "text", **changes})])
    assert documents == []
    assert re.search(words, skipped.reason)
    assert skipped.where.startswith("document ")


def test_the_same_id_is_loaded_once() -> None:
    first = Document(id="1", title="T", text="Text.", metadata={"a": 1, "b": 2}, source="one.json")
    again = Document(id="1", title="T", text="Text.", metadata={"b": 2, "a": 1}, source="two.json")
    others = [
        Document(id="1", title="T", text="Other."),
        Document(id="1", title="TT", text="ext.", metadata={"a": 1, "b": 2}),
        Document(id="1", title="T", text="Text.", metadata={"a": True, "b": 2}),
    ]
    documents, skipped = split([first, again, *others])
    assert documents == [first]
    assert "same document" in skipped[0].reason
    assert all("duplicate id 1 gives two different texts" in item.reason for item in skipped[1:])
    assert len(skipped) == 4


rows = st.builds(
    lambda title, text: {"title": title, "text": text}, st.sampled_from(["", "a", "ab"]), st.sampled_from(["b", "bb"])
)


@settings(deadline=None)
@given(st.lists(rows, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_ids_made_from_content_depend_on_neither_order_nor_split(
    passages: list[dict[str, str]], random: Any, cut: int
) -> None:
    shuffled = passages.copy()
    random.shuffle(shuffled)
    with TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("whole.json", "first.json", "rest.jsonl")]
        paths[0].write_text(json.dumps(passages))
        paths[1].write_text(json.dumps({"passages": shuffled[:cut]}))
        paths[2].write_text("\n".join(json.dumps(row) for row in shuffled[cut:]))
        whole, parts = split([paths[0]])[0], split([paths[1], paths[2]])[0]
    assert {(d.id, d.title, d.text) for d in whole} == {(d.id, d.title, d.text) for d in parts}
    distinct = {(row["title"], row["text"]) for row in passages}
    assert {(d.title, d.text) for d in whole} == distinct
    assert len({d.id for d in whole}) == len(distinct)
    assert all(len(d.id) == 20 and d.id.startswith("sha-") for d in whole)
