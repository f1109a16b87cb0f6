"""The names in queries, as extractors find them and as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from hippograph.errors import ModelError
from hippograph.retrieve.query_names import extracted_names, written_names
from hippograph.types import Extraction, Passage


class Backwards:
    """Yields what it found in the opposite order, and every name twice."""

    fingerprint = "backwards"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in reversed(list(passages)):
            last = passage.text.split()[-1]
            yield passage, Extraction(status="done", entities=(last, last))


class Failing:
    fingerprint = "failing"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            yield passage, Extraction(status="failed", error="the server is down")


def test_names_come_back_in_the_order_of_the_queries_and_once() -> None:
    assert extracted_names(Backwards())(["who is a", "who is b", "who is a"]) == [("a",), ("b",), ("a",)]
    assert extracted_names(Backwards())([]) == []


def test_a_failure_does_not_look_as_if_there_were_no_names() -> None:
    with pytest.raises(ModelError, match="the server is down"):
        extracted_names(Failing())(["Who built the Fram?"])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("Who is the father of Roald Amundsen?", ("Roald Amundsen",)),
        ("The Fram and the Fram", ("Fram",)),
        ("What did U.S. troops see in Łódź?", ("U.S.", "Łódź")),
        ("Did Lothair II's wife like The Who?", ("Lothair II", "The Who")),
        ("who sails?", ()),
    ],
)
def test_names_are_written_in_capitals(query: str, names: tuple[str, ...]) -> None:
    assert written_names([query]) == [names]
