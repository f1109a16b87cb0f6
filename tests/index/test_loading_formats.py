"""File formats: encodings, titles, JSON rows and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.index.formats import printable
from hippograph.index.headings import first_heading
from hippograph.index.loading import load
from hippograph.types import Document, SkippedItem


def read(folder: Path, name: str, content: str | bytes) -> list[Document | SkippedItem]:
    """What a file of that content gives, cited by its name alone."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    items: list[Document | SkippedItem] = []
    for item in load([path]):
        if isinstance(item, SkippedItem):
            items.append(SkippedItem(where=item.where.removeprefix(f"{folder.as_posix()}/"), reason=item.reason))
        else:
            items.append(item)
    return items


def skipped(folder: Path, name: str, content: str | bytes) -> SkippedItem:
    (item,) = read(folder, name, content)
    assert isinstance(item, SkippedItem)
    return item


def document(folder: Path, name: str, content: str | bytes) -> Document:
    (item,) = read(folder, name, content)
    assert isinstance(item, Document)
    return item


def row(folder: Path, **fields: Any) -> Document | SkippedItem:
    (item,) = read(folder, "rows.jsonl", json.dumps(fields))
    return item


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One\n# Two", "One"),
        ("intro\n\n### Three ###\n", "Three"),
        ("# C#\n", "C#"),
        ("#hashtag\n####### seven\n#\n# Real", "Real"),
        ("    # code\n# Real", "Real"),
        ("Main title\n===\ntext", "Main title"),
        ("\nSub title\n---\n", "Sub title"),
        ("two lines\nof text\n---\n", ""),
        ("- item\n---\n", ""),
        ("> quote\n===\n", ""),
        ("***\n---\n", ""),
        ("```sh\n# comment\n```\n# Real", "Real"),
        ("~~~\n```\n# comment\n~~~~\n# Real", "Real"),
        ("````\n```\n# comment\n````\n# Real", "Real"),
        ("```not a fence```\n# Real", "Real"),
        ("---\ntitle: x\n---\n# Real", "Real"),
        ("---\ntitle: x\n", ""),
        ("# The `code` of **Old** [Town](a.md) ![x](y.png)", "The code of Old Town x"),
        ("# snake_case_name", "snake_case_name"),
        ("# " + "x" * 500, "x" * 200),
        ("# Ёлка и 東京", "Ёлка и 東京"),
        ("", ""),
    ],
)
def test_the_title_of_markdown_is_its_first_heading(text: str, title: str) -> None:
    assert first_heading(text) == title


@given(st.text(alphabet="#=-`~>[]()* \t\nab", max_size=60))
def test_any_text_has_a_heading_of_one_line_or_none(text: str) -> None:
    heading = first_heading(text)
    assert "\n" not in heading
    assert heading == heading.strip()


def test_long_hostile_lines_take_no_time() -> None:
    for line in ("# " + "[" * 200_000, "# " + " " * 200_000 + "x", "- " * 100_000 + "x\n---", "`" * 200_000 + "\n"):
        first_heading(line * 3)


@pytest.mark.parametrize(
    ("name", "title"),
    [("old_town-guide.txt", "old town guide"), ("plain.md", "plain"), ("a.b.markdown", "a.b"), ("N.TXT", "N")],
)
def test_a_file_without_a_heading_is_called_by_its_name(tmp_path: Path, name: str, title: str) -> None:
    assert document(tmp_path, name, "No heading here.").title == title


def test_a_text_file_has_no_headings(tmp_path: Path) -> None:
    assert document(tmp_path, "a.txt", "# not a heading").title == "a"


def test_marks_line_ends_and_nul_are_normalised(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf# Title\r\nfirst\rsecond\x00 third\x07\r\n"
    item = document(tmp_path, "a.md", content)
    assert (item.title, item.text) == ("Title", "# Title\nfirst\nsecond third\x07\n")


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'["caf\xe9"]', "byte 5 of the file is 0xe9"),
        (b"\xef\xbb\xbfab\xff", "byte 5 of the file is 0xff"),
        ("é".encode("utf-16"), "byte 0 of the file is 0xff"),
    ],
)
def test_other_encodings_are_named_with_their_place(tmp_path: Path, name: str, content: bytes, place: str) -> None:
    item = skipped(tmp_path, name, content)
    assert place in item.reason
    assert "convert it to UTF-8" in item.reason


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.json", "a.jsonl"])
@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_empty_files_are_listed(tmp_path: Path, name: str, content: bytes) -> None:
    item = skipped(tmp_path, name, content)
    assert item.where == name
    assert "blank" in item.reason or "empty" in item.reason


def test_json_lines_survive_a_bad_line(tmp_path: Path) -> None:
    good = [json.dumps({"id": n, "text": "A\u2028B"}, ensure_ascii=False).encode() for n in range(2)]
    lines = [
        b"\xef\xbb\xbf" + good[0],
        b'{"text": ',
        b"",
        b'{"text": "caf\xe9"}',
        b"\xef\xbb\xbf" + good[1] + b"\r",
        b"[1]",
        b'"s"',
    ]
    first, broken, foreign, last, array, text = read(tmp_path, "a.jsonl", b"\n".join(lines))
    assert isinstance(first, Document)
    assert isinstance(last, Document)
    assert (first.id, last.id, last.text) == ("0", "1", "A\u2028B")
    offset = len(lines[0]) + len(lines[1]) + 3 + lines[3].index(b"\xe9")
    assert [item.where for item in (broken, foreign, array, text) if isinstance(item, SkippedItem)] == [
        f"a.jsonl, line {n}" for n in (2, 4, 6, 7)
    ]
    assert isinstance(broken, SkippedItem)
    assert "Expecting value at column 10" in broken.reason
    assert isinstance(foreign, SkippedItem)
    assert f"byte {offset} of the file is 0xe9" in foreign.reason
    assert isinstance(array, SkippedItem)
    assert array.reason.startswith("is a list, not a passage")
    assert isinstance(text, SkippedItem)
    assert text.reason.startswith("is a string, not a passage")


@pytest.mark.parametrize("key", [None, "passages", "corpus", "data"])
def test_json_is_a_list_of_passages_bare_or_under_a_known_key(tmp_path: Path, key: str | None) -> None:
    passages = [{"idx": 7, "title": "T", "text": "one", "extra": {"nested": [1]}}, {"text": "two"}, 5]
    items = read(tmp_path, "a.json", json.dumps(passages if key is None else {key: passages, "version": 1}))
    assert isinstance(items[0], Document)
    assert (items[0].id, items[0].title, items[0].metadata) == ("7", "T", {})
    assert isinstance(items[1], Document)
    assert items[2] == SkippedItem(
        where="a.json, row 3",
        reason='is a number, not a passage; write an object such as {"title": "...", "text": "..."}',
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"text": "a"},\n}]', "line 2, column 1"),
        ('{"text": "a"}\n{"text": "b"}\n', "name it .jsonl"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 5000 + "]", "too many digits"),
        ("3", "is a number that holds no list of passages"),
        ('{"rows": []}', "is an object that holds no list of passages"),
        ('{"data": [], "corpus": []}', "just one under"),
        ("[]", "the list of passages is empty"),
    ],
)
def test_unusable_json_is_one_skipped_item(tmp_path: Path, content: str, words: str) -> None:
    item = skipped(tmp_path, "a.json", content)
    assert item.where == "a.json"
    assert words in item.reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "has no `text`; give each passage a `text` that is a string"),
        ({"text": None}, "`text` is null; give a string"),
        ({"text": ["a", "b"]}, '`text` is ["a", "b"]; give a string'),
        ({"text": "x", "title": 1984}, "`title` is 1984; give a string"),
        ({"text": "x", "id": True}, "`id` is true; give a string or a whole number, or leave it out"),
        ({"text": "x", "_id": 1.5}, "`_id` is 1.5; give a string or a whole number, or leave it out"),
        ({"text": "x", "idx": ["1"]}, '`idx` is ["1"]; give a string or a whole number, or leave it out'),
        ({"text": "x", "id": ""}, "its id is empty"),
        ({"text": "x", "id": "a\u0000b"}, "control characters"),
        ({"text": "x", "metadata": [1]}, "`metadata` is [1]; give an object"),
        ({"text": "x", "metadata": {"a": {"b": 1}}}, "`metadata.a` is an object; metadata is flat"),
        ({"text": "x", "metadata": {"a": [1]}}, "`metadata.a` is a list; metadata is flat"),
        ({"text": "x", "metadata": {"a": float("nan")}}, 'metadata "a" is NaN'),
        ({"text": " \n"}, "the text is blank"),
        ({"text": "\ud800"}, "its text has half of a surrogate pair"),
        ({"text": "x", "id": "\udfff"}, "its id has half of a surrogate pair"),
        ({"text": "x" * 9, "title": ["y" * 500]}, "…; give a string"),
    ],
)
def test_the_reason_names_the_field_and_the_remedy(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    item = row(tmp_path, **fields)
    assert isinstance(item, SkippedItem)
    assert item.where.endswith("rows.jsonl, line 1")
    assert words in item.reason
    assert item.reason.isprintable()


def test_rows_keep_flat_metadata_and_lose_nulls(tmp_path: Path) -> None:
    item = row(tmp_path, text="x", title=None, id=None, metadata={"a": "s", "b": 1, "c": 1.5, "d": True, "e": None})
    assert isinstance(item, Document)
    assert item.metadata == {"a": "s", "b": 1, "c": 1.5, "d": True}
    assert item.metadata["d"] is True
    assert item.title == ""


def test_the_first_id_given_names_the_passage(tmp_path: Path) -> None:
    for fields, id in (
        ({"id": "a", "_id": "b", "idx": 1}, "a"),
        ({"id": None, "_id": "b", "idx": 1}, "b"),
        ({"idx": 0}, "0"),
        ({"id": "Ünï 東京"}, "Ünï 東京"),
    ):
        item = row(tmp_path, text="x", **fields)
        assert isinstance(item, Document)
        assert item.id == id


def test_nul_in_a_row_changes_neither_text_nor_id(tmp_path: Path) -> None:
    plain, marked = row(tmp_path, title="T", text="ab"), row(tmp_path, title="T\0", text="a\0b")
    assert plain == marked


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(min_size=1, max_size=20)), max_size=6))
def test_every_row_comes_out_exactly_once(pairs: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"id": n, "title": title, "text": text}) for n, (title, text) in enumerate(pairs)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_text("\n".join(lines))
        items = list(load([path]))
    assert len(items) == max(1, len(pairs))
    for n, (item, (title, text)) in enumerate(zip(items, pairs, strict=False)):
        if isinstance(item, Document):
            assert (item.id, item.title, item.text) == (str(n), title.replace("\0", ""), text.replace("\0", ""))
        else:
            assert not any(c.isprintable() and c != " " for c in text)
            assert item.where.endswith(f"line {n + 1}")


@given(st.text())
def test_printable_text_is_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()
