import json
import re
import unicodedata
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from hippograph.evaluation.datasets import load_questions
from hippograph.index.loading import load
from hippograph.testing.toy_corpus import (
    toy_corpus_path,
    toy_passages,
    toy_questions_path,
    unicode_corpus_path,
    unicode_questions_path,
)
from hippograph.types import Document

PASSAGES = {passage.id: passage for passage in toy_passages()}
QUESTIONS: list[dict[str, Any]] = json.loads(toy_questions_path().read_text(encoding="utf-8"))
UNICODE = {item.id: item for item in load([unicode_corpus_path()]) if isinstance(item, Document)}
UNICODE_QUESTIONS: list[dict[str, Any]] = json.loads(unicode_questions_path().read_text(encoding="utf-8"))
FUNCTION_WORDS = """
a an and are at by did do does for from has he her his how in is it its of on or s she that the their they to used was
were what when where which who with
"""


def each(questions: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("question", questions, ids=lambda question: question["id"])


def of_type(*types: str) -> list[dict[str, Any]]:
    return [question for question in QUESTIONS if question["type"] in types]


def content_words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold())) - set(FUNCTION_WORDS.split())


@pytest.mark.parametrize("path", [toy_corpus_path(), unicode_corpus_path()], ids=lambda path: path.name)
def test_every_line_loads_and_ids_and_titles_are_unique(path):
    items = list(load([path]))
    documents = [item for item in items if isinstance(item, Document)]
    assert documents == items
    assert len(documents) == path.read_text(encoding="utf-8").count("\n")
    assert len({document.title for document in documents}) == len(documents)


def test_passages_are_the_documents_of_the_file():
    documents = [item for item in load([toy_corpus_path()]) if isinstance(item, Document)]
    passages = toy_passages()
    assert [(d.id, d.title, d.text, d.metadata) for d in documents] == [
        (p.document, p.title, p.text, p.metadata) for p in passages
    ]
    assert all(passage.span == (0, len(passage.text)) and passage.source == "" for passage in passages)


@pytest.mark.parametrize("passage", PASSAGES.values(), ids=lambda passage: passage.id)
def test_passages_have_the_length_and_metadata_promised(passage):
    assert 25 <= len(passage.text.split()) <= 110
    assert {name: type(value) for name, value in passage.metadata.items()} == {"topic": str, "year": int}


def test_names_with_qualifiers_shared_surnames_and_accents_are_there():
    titles = [passage.title for passage in PASSAGES.values()]
    bare = Counter(re.sub(r" \(.*\)$", "", title) for title in titles)
    assert {name for name, count in bare.items() if count > 1} == {"Aldermere", "The Salt Ledger"}
    people = Counter(p.title.split()[-1] for p in PASSAGES.values() if p.metadata["topic"] == "person")
    assert {name for name, count in people.items() if count > 1} == {"Averill", "Hale", "Varga"}
    assert sum(not title.isascii() for title in titles) >= 4


@pytest.mark.parametrize("path", [toy_questions_path(), unicode_questions_path()], ids=lambda path: path.name)
def test_questions_load_with_gold(path):
    questions = load_questions(path)
    assert len(questions.questions) == len(json.loads(path.read_text(encoding="utf-8")))
    assert questions.n_without_gold == 0


def test_every_type_of_question_is_there():
    assert set(Counter(question["type"] for question in QUESTIONS)) == {
        "single",
        "bridge",
        "comparison",
        "compositional",
        "bridge_comparison",
    }


@each(QUESTIONS)
def test_gold_is_as_long_as_the_hops_and_exists(question):
    assert len(set(question["gold"])) == question["hops"] == len(question["gold"])
    assert set(question["gold"]) <= set(PASSAGES)
    exact = {"single": 1, "comparison": 2, "bridge_comparison": 4}
    assert question["hops"] == exact.get(question["type"], question["hops"])
    assert question["type"] in exact or question["hops"] in (2, 3)


@each(of_type("single", "bridge", "compositional"))
def test_answers_stand_in_the_last_gold_passage_and_not_before(question):
    *before, last = (PASSAGES[name].headed_text.casefold() for name in question["gold"])
    assert question["answers"]
    for answer in question["answers"]:
        assert answer.casefold() in last
        assert answer.casefold() not in " ".join(before)


@each(of_type("comparison", "bridge_comparison"))
def test_comparisons_choose_between_what_the_question_names(question):
    assert question["answers"]
    assert all(answer in ("yes", "no") or answer in question["question"] for answer in question["answers"])


@each(of_type("bridge", "compositional", "bridge_comparison"))
def test_each_gold_passage_of_a_chain_names_the_next_which_the_question_does_not(question):
    gold = question["gold"]
    for chain in [gold[:2], gold[2:]] if question["type"] == "bridge_comparison" else [gold]:
        for here, there in pairwise(chain):
            name = re.sub(r" \(.*\)$| of Verrane$", "", PASSAGES[there].title)
            assert name in PASSAGES[here].text
            assert name not in question["question"]


@each(of_type("bridge"))
def test_the_last_gold_passage_of_a_bridge_shares_no_word_with_the_question(question):
    last = PASSAGES[question["gold"][-1]]
    assert last.title not in question["question"]
    assert not content_words(question["question"]) & content_words(last.headed_text)


def test_unicode_passages_are_in_the_scripts_they_claim():
    scripts = {"zh": "CJK UNIFIED", "ru": "CYRILLIC", "ar": "ARABIC"}
    for document in UNICODE.values():
        script = scripts.get(str(document.metadata["language"]), "LATIN")
        letters = [unicodedata.name(letter) for letter in document.text if letter.isalpha()]
        assert all(name.startswith(script) for name in letters), document.id
    assert Counter(document.metadata["language"] for document in UNICODE.values()).keys() == {
        *scripts, "fr", "cs", "tr", "de", "en"
    }  # fmt: skip


def test_unicode_passages_hold_the_letters_and_names_that_break_normalisers():
    text = " ".join(document.text for document in UNICODE.values())
    assert all(letter in text for letter in "İıßřčêûЁё")
    assert {"C", "C++", "C#", "F#", ".NET", "AT&T"} <= {document.title for document in UNICODE.values()}


@each(UNICODE_QUESTIONS)
def test_unicode_questions_name_their_first_gold_and_are_answered_in_their_last(question):
    first, last = UNICODE[question["gold"][0]], UNICODE[question["gold"][-1]]
    assert question["hops"] == len(set(question["gold"]))
    assert first.title in question["question"]
    assert last.title in first.text
    assert all(answer in last.text and answer not in question["question"] for answer in question["answers"])
