"""Passages of whole sentences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.text.chunking import SentenceChunker
from hippograph.types import Document
from tests.text.strategies import rich_text

pieces = st.one_of(
    st.sampled_from(
        ["A short one.", "Who is it?", "北京是首都。", "\n\n", "word", "so on and on, without an end", "x" * 70]
    ),
    rich_text,
)
texts = st.lists(pieces, max_size=20).map(" ".join)


@given(texts, st.integers(1, 12), st.integers(0, 11))
@example("A short one. 北京是首都。 \n\n A short one. A short one.", 10, 6)
@settings(max_examples=300)
def test_spans_point_at_the_text_and_nothing_is_lost(text: str, max_tokens: int, overlap: int) -> None:
    chunker = SentenceChunker(max_tokens=max_tokens, overlap=min(overlap, max_tokens - 1))
    document = Document(id="d", text=text)
    passages = chunker.chunk(document)
    assert passages == chunker.chunk(document)
    missing = list(text)
    previous = (-1, -1)
    for passage in passages:
        start, end = passage.span
        assert text[start:end] == passage.text == passage.text.strip() != ""
        assert previous[0] < start
        assert previous[1] < end
        previous = passage.span
        missing[start:end] = " " * (end - start)
        whole = SentenceChunker(max_tokens=max_tokens).chunk(Document(id="p", text=passage.text))
        assert [part.id for part in whole] == ["p"], "a passage holds no more than max_tokens"
    assert not "".join(missing).strip()
    numbered = [f"d#{number}" for number in range(len(passages))]
    assert [passage.id for passage in passages] == (["d"] if len(passages) == 1 else numbered)
    if not chunker.overlap:
        assert all(one.span[1] <= two.span[0] for one, two in pairwise(passages))


def test_a_document_that_fits_stays_whole_and_keeps_everything() -> None:
    document = Document(
        id="oslo", title="Oslo", text="\n Oslo is big.\n\nVery. ", source="o.txt", metadata={"year": 1048}
    )
    (passage,) = SentenceChunker().chunk(document)
    assert (passage.id, passage.document, passage.title, passage.source) == ("oslo", "oslo", "Oslo", "o.txt")
    assert (passage.text, passage.span, passage.metadata) == ("Oslo is big.\n\nVery.", (2, 21), {"year": 1048})
    assert passage.page is None


@pytest.mark.parametrize("blank", ["", " \n\t", "\f"])
def test_blank_documents_give_no_passages(blank: str) -> None:
    assert SentenceChunker().chunk(Document(id="d", text=blank)) == []


def test_paragraph_borders_win_when_the_window_is_full_enough() -> None:
    text = "One two three. Four five six.\n\nSeven eight nine. Ten eleven twelve."
    assert [p.text for p in SentenceChunker(max_tokens=13).chunk(Document(id="d", text=text))] == [
        "One two three. Four five six.",
        "Seven eight nine. Ten eleven twelve.",
    ]
    early = "One.\n\nTwo three four. Five six seven. Eight nine ten."
    assert [p.text for p in SentenceChunker(max_tokens=11).chunk(Document(id="d", text=early))] == [
        "One.\n\nTwo three four. Five six seven.",
        "Eight nine ten.",
    ]


def test_overlap_repeats_whole_sentences() -> None:
    text = "One is it. Two is it. Three is it. Four is it."
    passages = SentenceChunker(max_tokens=8, overlap=5).chunk(Document(id="d", text=text))
    assert [p.text for p in passages] == [
        "One is it. Two is it.",
        "Two is it. Three is it.",
        "Three is it. Four is it.",
    ]


def test_long_sentences_are_cut_between_tokens() -> None:
    text = "one two three four five six seven."
    passages = SentenceChunker(max_tokens=3).chunk(Document(id="d", text=text))
    assert [p.text for p in passages] == ["one two three", "four five six", "seven."]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", 4),
        ("北京是首都。", 6),
        ("東京 Tower", 3),
        ("हिन्दी भाषा।", 3),
        ("العَرَبِيَّة جميلة", 2),
        ("don't", 3),
        ("x" * 65, 3),
    ],
)
def test_tokens_are_words_marks_and_unspaced_characters(text: str, tokens: int) -> None:
    document = Document(id="d", text=text)
    assert len(SentenceChunker(max_tokens=tokens).chunk(document)) == 1
    assert len(SentenceChunker(max_tokens=tokens - 1).chunk(document)) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"overlap": -1}, "overlap is -1"),
        ({"max_tokens": 5, "overlap": 5}, "is 5"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SentenceChunker(**parameters)
