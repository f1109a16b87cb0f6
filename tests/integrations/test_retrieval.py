import importlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError, MissingExtraError
from hippograph.hippograph import HippoGraph
from hippograph.integrations.retrieval import Retrieval, joined, opened
from hippograph.text.metadata_filter import parse_filter
from tests.integrations.conftest import QUESTION, ByHand

OWN = st.sampled_from(["source", "title", "year"])
KEYS = OWN | st.sampled_from(["metadata.", "metadata.source", "metadata.metadata.source"]) | st.text(max_size=3)


@given(own=st.dictionaries(OWN, st.just("own")), metadata=st.dictionaries(KEYS, st.integers()))
def test_no_key_is_lost_and_none_of_ours_is_replaced(own, metadata):
    both = joined(own, metadata)
    assert len(both) == len(own) + len(metadata)
    assert own.items() <= both.items()
    kept = {key for key in metadata if key not in own and not key.startswith("metadata.")}
    assert {key: metadata[key] for key in kept}.items() <= both.items()


@pytest.mark.parametrize("settings", [{}, {"k": 2, "retriever": "dense"}, {"filter": parse_filter("year < 1850")}])
def test_the_index_is_asked_as_it_is_set(index, settings):
    expected = index.retrieve(QUESTION, **settings).hits
    assert Retrieval(index=index, **settings).hits(QUESTION) == expected
    assert expected


def test_a_retriever_made_by_hand_needs_no_index():
    assert [hit.passage.id for hit in Retrieval(index=None, retriever=ByHand(), k=1).hits(QUESTION)] == ["fram"]


def test_an_index_is_opened_once(index):
    again = opened(str(index.directory))
    assert isinstance(again, HippoGraph)
    assert again.directory == index.directory
    assert opened(index) is index


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"index": None}, "there is no index; give a directory or a HippoGraph"),
        ({"k": 0}, "k is 0; ask for 1 hit or more"),
        ({"k": "5"}, "k is '5'; ask for a whole number"),
        ({"retriever": "dens"}, "there is no retriever 'dens'; choose one of default, "),
        ({"filter": "year >"}, "the filter 'year >' cannot be read"),
        ({"retriever": ByHand(), "filter": "year > 1"}, "a retriever made by hand has a snapshot of its own"),
        ({"retriever": object()}, "give a name, or a retriever, and an index as index="),
        ({"retriever": HippoGraph("wiki.hippo")}, "give a name, or a retriever, and an index as index="),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(index, settings, message):
    with pytest.raises(InputError, match=message):
        Retrieval(**{"index": index, **settings})


def test_something_else_is_no_index():
    with pytest.raises(InputError, match=r"index is ByHand\(.*; give a directory or a HippoGraph"):
        opened(ByHand())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "absent", "extra"),
    [
        ("langchain", "langchain_core", "langchain"),
        ("llama_index", "llama_index", "llama-index"),
        ("llama_index", "llama_index.core", "llama-index"),
    ],
)
def test_without_the_framework_the_command_that_installs_it_is_told(monkeypatch, module, absent, extra):
    monkeypatch.delitem(sys.modules, f"hippograph.integrations.{module}", raising=False)
    monkeypatch.delitem(sys.modules, "llama_index.core", raising=False)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=rf"is not installed; type: pip install 'hippograph\[{extra}\]'"):
        importlib.import_module(f"hippograph.integrations.{module}")
