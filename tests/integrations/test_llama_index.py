"""The adapter in real pipelines of LlamaIndex, with the model that it ships for tests."""

import asyncio
import doctest
import importlib
import json
from typing import Any

import pytest

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from tests.integrations.conftest import LOOSE, QUESTION, SHIP, ByHand, Waiting


def adapter(*index: Any, **settings: Any) -> Any:
    from hippograph.integrations.llama_index import HippoGraphRetriever

    return HippoGraphRetriever(*index, **settings)


def ids(nodes: list[Any]) -> list[str]:
    return [node.node_id for node in nodes]


def test_a_node_tells_all_that_is_known_of_a_passage():
    ship, loose = adapter(retriever=ByHand()).retrieve(QUESTION)
    assert (ship.node_id, ship.text, ship.score, ship.node.ref_doc_id) == ("fram", SHIP.text, 1.0, "ships")
    assert ship.node.get_node_info() == {"start": 120, "end": 185}
    assert ship.metadata == {
        "document": "ships",
        "source": "ships.pdf",
        "title": "Fram (ship)",
        "span": [120, 185],
        "page": 3,
        "year": 1892,
        "topic": "ship",
        "score": 0.5,
        "metadata.source": "The Times",
        "metadata.metadata.source": "a clipping",
    }
    assert loose.metadata == {"document": "loose", "source": "", "title": "", "span": [0, 0], "page": None}


def test_models_see_what_bears_on_the_text():
    from llama_index.core.schema import MetadataMode

    ship, loose = adapter(retriever=ByHand()).retrieve(QUESTION)
    told = ship.get_content(MetadataMode.LLM).split("\n")
    assert told[:3] == ["source: ships.pdf", "title: Fram (ship)", "page: 3"]
    assert "year: 1892" in told
    assert told[-1] == SHIP.text
    assert ship.get_content(MetadataMode.EMBED).startswith("title: Fram (ship)\nyear: 1892")
    assert loose.get_content(MetadataMode.LLM) == loose.get_content(MetadataMode.EMBED) == LOOSE.text


@pytest.mark.parametrize("settings", [{}, {"k": 2}, {"retriever": "bm25"}, {"filter": "year < 1850"}])
def test_it_finds_what_the_index_finds(index: HippoGraph, settings: dict[str, Any]):
    hits = index.retrieve(QUESTION, **settings).hits
    found = adapter(index, **settings).retrieve(QUESTION)
    assert [(node.node_id, node.score) for node in found] == [(hit.passage.id, hit.score) for hit in hits]
    assert asyncio.run(adapter(index, **settings).aretrieve(QUESTION)) == found


def test_it_is_made_of_a_directory(index: HippoGraph, tmp_path: Any):
    from hippograph.errors import NoIndexError

    with pytest.raises(NoIndexError, match="nowhere"):
        adapter(tmp_path / "nowhere").retrieve(QUESTION)


def test_many_at_once_find_what_each_finds(index: HippoGraph):
    questions = [QUESTION, "Who crossed Greenland?", "北京在哪里？"] * 3
    adapted = adapter(index, k=2)

    async def together() -> list[Any]:
        return await asyncio.gather(*(adapted.aretrieve(question) for question in questions))

    assert asyncio.run(together()) == [adapted.retrieve(question) for question in questions]


def test_the_event_loop_goes_on_meanwhile():
    waiting = Waiting()

    async def both() -> list[str]:
        retrieving = asyncio.create_task(adapter(retriever=waiting).aretrieve(QUESTION))
        await asyncio.sleep(0.01)
        assert not retrieving.done()
        waiting.told.set()
        return ids(await retrieving)

    assert asyncio.run(both()) == ["fram", "loose#2"]


def test_a_query_engine_reads_what_it_finds(index: HippoGraph):
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    engine = RetrieverQueryEngine.from_args(adapter(index, k=7), llm=MockLLM())
    answer = engine.query(QUESTION)
    assert sorted(ids(answer.source_nodes)) == sorted(ids(adapter(index, k=7).retrieve(QUESTION)))
    for shown in (QUESTION, f"title: {SHIP.title}", SHIP.text, LOOSE.text):
        assert shown in str(answer)  # this model repeats what it was asked
    assert str(asyncio.run(engine.aquery(QUESTION))) == str(answer)


def test_it_can_be_fused_with_others(index: HippoGraph):
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.retrievers.fusion_retriever import FUSION_MODES

    both = [adapter(index, retriever="dense"), adapter(index, retriever="bm25")]
    fused = QueryFusionRetriever(
        both, llm=MockLLM(), mode=FUSION_MODES.RECIPROCAL_RANK, num_queries=1, use_async=False, similarity_top_k=9
    )
    found = ids(fused.retrieve(QUESTION))
    assert len(found) == len(set(found))
    assert set(found) == {id for one in both for id in ids(one.retrieve(QUESTION))}


def test_callbacks_are_told(index: HippoGraph):
    from llama_index.core import Settings
    from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler

    listener = LlamaDebugHandler(print_trace_on_end=False)
    found = adapter(index, k=1, callback_manager=CallbackManager([listener])).retrieve(QUESTION)
    ((start, end),) = listener.get_event_pairs(CBEventType.RETRIEVE)
    assert start.payload == {EventPayload.QUERY_STR: QUESTION}
    assert end.payload == {EventPayload.NODES: found}
    assert adapter(index).callback_manager is Settings.callback_manager


def test_instrumentation_is_told(index: HippoGraph):
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent, RetrievalStartEvent

    told: list[Any] = []

    class Listener(BaseEventHandler):
        def handle(self, event: Any, **more: Any) -> None:
            told.append(event)

    root: Any = importlib.import_module("llama_index.core.instrumentation").get_dispatcher()
    listener = Listener()
    root.add_event_handler(listener)
    try:
        found = asyncio.run(adapter(index, k=1).aretrieve(QUESTION))
    finally:
        root.event_handlers.remove(listener)
    assert [type(event) for event in told] == [RetrievalStartEvent, RetrievalEndEvent]
    assert told[1].nodes == found


def test_what_is_found_can_be_written_and_read():
    from llama_index.core.schema import TextNode

    for found in adapter(retriever=ByHand()).retrieve(QUESTION):
        assert TextNode.from_dict(json.loads(found.node.to_json())) == found.node


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "there is no index"),
        ({"index": ByHand()}, "give a directory or a HippoGraph"),
        ({"index": "wiki.hippo", "k": 0}, "k is 0"),
        ({"index": "wiki.hippo", "filter": "year >"}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        adapter(**settings)


@pytest.mark.local
def test_the_example_runs():
    assert doctest.testmod(importlib.import_module("hippograph.integrations.llama_index")) == (0, 4)
