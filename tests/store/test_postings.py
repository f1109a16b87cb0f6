"""Postings: what they hold, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, InputError
from hippograph.store.arrays import Bundle, BundleWriter, StringTable
from hippograph.store.postings import Postings, invert
from hippograph.text.search_terms import word_terms

WORDS = ("a", "ab", "c++", "oslo", "á", "łodz", "łódź", "ó", "北", "京", "퀴리", "퀴리는", "하하하")
Field = list[str]

fields = st.lists(st.sampled_from(WORDS), max_size=6)
passages = st.lists(st.tuples(fields, fields), max_size=6)


def inverted(texts: Sequence[tuple[Field, Field]], *, extra: Sequence[str] = (), dtype: Any = np.int32) -> Postings:
    """Postings of passages, each a title and a text; `extra` words belong to none of them."""
    words = sorted({word for title, text in texts for word in (*title, *text)} | set(extra))
    numbers = {word: number for number, word in enumerate(words)}
    lengths = [len(title) + len(text) for title, text in texts]
    return invert(
        np.array([numbers[word] for title, text in texts for word in (*title, *text)], dtype=dtype),
        StringTable.of(words),
        passage_indptr=np.cumsum([0, *lengths], dtype=np.int64),
        title_tokens=np.array([len(title) for title, _ in texts], dtype=np.int64),
    )


def listed(postings: Postings) -> dict[str, list[int]]:
    return {term: postings.places(term).tolist() for term in postings.terms}


def assert_same(one: Postings, other: Postings) -> None:
    assert one.terms.to_list() == other.terms.to_list()
    for name in ("indptr", "positions", "passage_indptr", "title_tokens"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype, name
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


@given(passages)
def test_every_token_is_listed_under_each_of_its_terms_and_nowhere_else(texts: list[tuple[Field, Field]]) -> None:
    expected: dict[str, list[int]] = {}
    for number, word in enumerate(word for title, text in texts for word in (*title, *text)):
        for term in word_terms(word):
            expected.setdefault(term, []).append(number)
    postings = inverted(texts)
    assert listed(postings) == expected
    assert postings.terms.to_list() == sorted(expected)
    assert postings.indptr.dtype == np.int64
    assert postings.positions.dtype == np.int32


@given(passages, st.lists(st.sampled_from([*WORDS, "zz", "é"])))
def test_they_depend_on_the_tokens_alone(texts: list[tuple[Field, Field]], extra: list[str]) -> None:
    assert_same(inverted(texts), inverted(texts, extra=extra, dtype=np.int64))


def test_words_that_fold_alike_are_one_term() -> None:
    postings = inverted([(["łódź"], ["łodz", "oslo", "łódź"])], extra=["lodz"])
    assert listed(postings) == {"lodz": [0, 1, 3], "oslo": [2]}


def test_a_plain_sequence_of_words_will_do() -> None:
    postings = invert(np.array([1, 0]), ["a", "é"], passage_indptr=np.array([0, 2]), title_tokens=np.array([0]))
    assert listed(postings) == {"a": [1], "e": [0]}


@given(passages)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[Field, Field]]) -> None:
    folder = tmp_path_factory.mktemp("postings")
    postings = inverted(texts)
    writer = BundleWriter(folder)
    postings.write(writer)
    assert_same(Postings.read(Bundle(folder, writer.files), passages=len(texts)), postings)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"token_words": np.array([0, 2])}, "token_words ranges from 0 to 2; there are 2 words"),
        ({"token_words": np.array([-1, 1])}, "token_words ranges from -1"),
        ({"passage_indptr": np.array([0, 1])}, "passage_indptr"),
        ({"passage_indptr": np.array([1, 2])}, "passage_indptr"),
        ({"passage_indptr": np.array([0, 3, 2]), "title_tokens": np.array([0, 0])}, "passage_indptr"),
        ({"title_tokens": np.array([3])}, "title_tokens"),
        ({"title_tokens": np.array([-1])}, "title_tokens"),
        ({"title_tokens": np.array([1, 1])}, "title_tokens"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], named: str) -> None:
    parts: dict[str, Any] = {
        "token_words": np.array([0, 1]),
        "passage_indptr": np.array([0, 2]),
        "title_tokens": np.array([1]),
    }
    invert(parts.pop("token_words"), ["a", "b"], **parts)
    parts = {"token_words": np.array([0, 1]), **parts, **changes}
    with pytest.raises(InputError, match=named):
        invert(parts.pop("token_words"), ["a", "b"], **parts)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("posting_indptr", np.array([0, 1, 3])),
        ("posting_indptr", np.array([0, 3, 2])),
        ("posting_indptr", np.array([0, 1, 1, 2])),
        ("posting_passage_indptr", np.array([0, 3, 2])),
        ("posting_title_tokens", np.array([3, 0])),
        ("posting_positions", np.array([0.0, 1.0])),
    ],
)
def test_damage_is_told_when_opened(tmp_path: Path, name: str, values: np.ndarray[Any, Any]) -> None:
    with pytest.raises(DamagedIndexError, match=name):
        reopened(tmp_path, name, values)


@pytest.mark.parametrize("values", [[0, 2], [-1, 1]])
def test_a_place_that_does_not_exist_is_told_when_met(tmp_path: Path, values: list[int]) -> None:
    postings = reopened(tmp_path, "posting_positions", np.array(values, dtype=np.int32))
    with pytest.raises(DamagedIndexError, match="posting_positions"):
        [postings.places(term) for term in postings.terms]


def reopened(folder: Path, name: str, values: np.ndarray[Any, Any]) -> Postings:
    """Write two passages, replace one array as the manifest would never allow, and read."""
    writer = BundleWriter(folder)
    inverted([(["a"], []), ([], ["oslo"])]).write(writer)
    (folder / f"{name}.npy").unlink()
    writer.write_array(name, values)
    return Postings.read(Bundle(folder, writer.files), passages=2)
