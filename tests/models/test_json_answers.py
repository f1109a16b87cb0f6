"""Objects out of what models write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from hippograph.models.json_answers import InvalidAnswerError, clean, read_answer, without_thoughts


class Facts(BaseModel):
    names: list[str] = []
    triples: list[tuple[str, str, str]] = []


GOOD = Facts(names=["Nansen", "Fram"], triples=[("Nansen", "sailed", "Fram")])
WRITTEN = json.dumps(GOOD.model_dump())

texts = st.text(max_size=20)
facts = st.builds(
    Facts, names=st.lists(texts, max_size=4), triples=st.lists(st.tuples(texts, texts, texts), max_size=3)
)


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN,
        f"  {WRITTEN}\n",
        f"```json\n{WRITTEN}\n```",
        f"```\n{WRITTEN}\n```",
        f"Here is what I found:\n```json\n{WRITTEN}\n```\nAnything else?",
        f"Of course! {WRITTEN} I hope that this helps {{really}}.",
        f"A {{good}} question. {WRITTEN}",
        f"Such as {{}}? No: {WRITTEN}",
        json.dumps(WRITTEN),
        f'<think>I write {{"names": ["Oslo"]}} first.</think>{WRITTEN}',
        f'I write {{"names": ["Oslo"]}} first.\n</think>\n\n{WRITTEN}',
        WRITTEN.replace("]}", "],}"),
        WRITTEN.replace('"', "'"),
        WRITTEN.replace('"names"', "names"),
        WRITTEN[:-1],
        WRITTEN[:-2],
        WRITTEN.replace("], ", "], // names first\n"),
        f"```json\n{WRITTEN[:-1]}\n```",
        f"{WRITTEN[:-1].replace('[[', '[ [')},}} That is all.",
    ],
)
def test_answers_that_can_be_read(text):
    assert read_answer(text, Facts) == GOOD


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ("<think>Let me see.</think>", "it is empty"),
        ("<think>Let me see. {", "it is empty"),
        ("I am sorry, but I cannot help with that.", "there is no JSON"),
        ("I think that [this] and {that} is prose.", "."),
        ("{}", "none of the fields names, triples"),
        ('{"people": ["Nansen"]}', "none of the fields"),
        ("[]", "valid dict"),
        ('{"names": {"wrong": true}}', "names: "),
        ('{"names": ["a"], "triples": [["a", "b"]]}', "triples.0.2: Field required"),
        (WRITTEN[: WRITTEN.index("sailed") + 3], "ends in the middle"),
        ('{"names": ["Nansen"], "triples": [["a", "b", "c"], ["d", "e', "ends in the middle"),
        ('{"names": ["Nansen"], "triples": [["a", "b", "c"], ', "ends in the middle"),
        ("[" * 100_000, "."),
        ('{"names": ' * 20_000, "."),
        ("{" + "x" * 200_000 + '"}', "."),
    ],
)
def test_answers_that_cannot_be_read(text, why):
    with pytest.raises(InvalidAnswerError, match=why) as told:
        read_answer(text, Facts)
    assert len(str(told.value)) <= 302


def test_a_part_of_a_broken_answer_is_not_taken_for_it():
    with pytest.raises(InvalidAnswerError):
        read_answer('{"found": {"names": ["Nansen"]}, "more": {"names": ["Fr', Facts)


def test_the_longest_answer_is_taken():
    assert read_answer(f'Not {{"names": []}} but {WRITTEN} or {{"names": ["x"]}}', Facts) == GOOD


def test_text_is_cleaned_also_within_escapes():
    text = '{"names": ["a\\u0000b", "\\ud800", "\\ud83d\\ude00", "\\u00e9"]}'
    assert read_answer(text, Facts).names == ["ab", "?", "😀", "é"]


def test_what_is_said_in_strings_is_no_thought():
    written = json.dumps({"names": ["<think>", "</think>"]})
    assert read_answer(written, Facts).names == ["<think>", "</think>"]


@given(facts)
def test_whatever_is_written_as_json_is_read(value):
    if value.model_fields_set:
        expected = Facts.model_validate(json.loads(clean(json.dumps(value.model_dump()))))
        expected = Facts(names=[clean(name) for name in expected.names], triples=expected.triples)
        read = read_answer(value.model_dump_json(), Facts)
        assert [clean(name) for name in read.names] == expected.names
        assert len(read.triples) == len(expected.triples)


@given(facts.filter(lambda value: value.names or value.triples), st.data())
def test_a_cut_answer_loses_no_whole_item_unnoticed(value, data):
    written = value.model_dump_json()
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    try:
        read = read_answer(cut, Facts)
    except InvalidAnswerError:
        return
    # What is mended ends with a bracket: all that stands in it is there.
    assert cut.rstrip().endswith(("]", "}"))
    assert all(name in value.names for name in read.names)


@given(st.text(alphabet="ab {}[]\",:'\n`\\", max_size=60))
def test_whatever_is_written_there_is_an_answer_or_a_reason(text):
    try:
        read = read_answer(text, Facts)
    except InvalidAnswerError:
        return
    assert read.model_fields_set


@given(st.text())
def test_clean_text_can_be_stored(text):
    cleaned = clean(text + "\ud800\0")
    assert cleaned.encode().decode() == cleaned
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


def test_thoughts_are_left_out_once():
    assert without_thoughts("The tag <think> opens thoughts.") == "The tag <think> opens thoughts."
    assert without_thoughts("<think>a</think>b</think>c") == "b</think>c"
    assert without_thoughts("<thinking>a</thinking> b").strip() == "b"
