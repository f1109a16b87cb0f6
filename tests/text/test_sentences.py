"""Sentence borders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.text.sentences import sentence_spans
from tests.text.strategies import rich_text

prose = st.lists(
    st.one_of(
        st.sampled_from(["Dr.", "U.S.", "No. 5", "end.", "“Yes!”", "\n\n", "3.14", "。", "a", "B.", "\f", " "]),
        rich_text,
    ),
    max_size=12,
).map(" ".join)


@given(prose)
@settings(max_examples=300)
def test_spans_hold_every_character_but_spaces_once_and_in_order(text: str) -> None:
    spans = sentence_spans(text)
    previous = 0
    for start, end in spans:
        assert previous <= start < end <= len(text)
        assert not text[previous:start].strip()
        assert text[start:end] == text[start:end].strip()
        previous = end
    assert not text[previous:].strip()


@pytest.mark.parametrize(
    "sentences",
    [
        ["He left.", "She stayed!", "Why?", "Nobody knows…", "It was late."],
        ["“Stop!”", "He ran (fast).", "'No.'", "Then he slept."],
        ["Dr. Smith met Mrs. Jones at St. Mary's.", "They talked."],
        ["J. R. R. Tolkien wrote it.", "J.R.R. Tolkien did."],
        ["The U.S. Army came.", "He lives in the E.U. with Ph.D. Brown."],
        ["Symphony No. 5 is loud.", "See pp. 3-5 and Fig. 2 there.", "Did he say no.", "Yes."],
        ["Fruits, e.g. apples, i.e. food, approx. 3.5 kg.", "Version 2.0 is out."],
        ["Yahoo! is a company.", "“Why?” he asked.", "It ended in 1990.", "He left."],
        ["It rose.[12]", "It fell.[3][4]", "End."],
        ["北京是首都。", "很大！", "“真的吗？”", "是的。"],
        ["Москва — столица.", "Она велика.", "Пушкин А. С. родился тут."],
        ["هل هذا صحيح؟", "نعم، هذا صحيح."],
        ["यह दिल्ली है।", "यह बड़ी है॥"],
        ["1. First item is here.", "Second one."],
        ["What?!", "Really...", "Yes."],
        ["Jean-P. Sartre and J.-P. Melville met.", "So did (Mr. Poe) and “Dr. No”."],
        ["lower case. no border here.", "A border."],
    ],
)
def test_borders(sentences: list[str]) -> None:
    text = " ".join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


def test_borders_without_spaces_and_at_blank_lines() -> None:
    text = "  A heading\n \nThe text\ngoes on\r\n\r\nand on\fpage two.  \n"
    parts = ["A heading", "The text\ngoes on", "and on", "page two."]
    assert [text[start:end] for start, end in sentence_spans(text)] == parts
    chinese = "他说：「去吧。」我去了。"
    assert [chinese[start:end] for start, end in sentence_spans(chinese)] == ["他说：「去吧。」", "我去了。"]


@pytest.mark.parametrize("blank", ["", " ", "\n\n\n", "\f \u2029"])
def test_nothing_has_no_sentences(blank: str) -> None:
    assert sentence_spans(blank) == []


def test_long_texts_take_linear_time() -> None:
    assert len(sentence_spans("He came. " * 50_000)) == 50_000
    assert len(sentence_spans("." * 200_000)) == 1
    assert len(sentence_spans(" \n" * 100_000 + "x")) == 1
