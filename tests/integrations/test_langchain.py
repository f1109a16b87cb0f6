"""The adapter in real pipelines of LangChain, with the models that it ships for tests."""

import asyncio
import doctest
import importlib
import json
from typing import Any

import pytest

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from tests.integrations.conftest import LOOSE, QUESTION, SHIP, ByHand, Waiting


def adapter(**settings: Any) -> Any:
    from hippograph.integrations.langchain import HippoGraphRetriever

    return HippoGraphRetriever(**settings)


def ids(documents: list[Any]) -> list[str]:
    return [document.id for document in documents]


def test_a_document_tells_all_that_is_known_of_a_passage():
    ship, loose = adapter(retriever=ByHand()).invoke(QUESTION)
    assert (ship.id, ship.page_content) == ("fram", SHIP.text)
    assert ship.metadata == {
        "document": "ships",
        "source": "ships.pdf",
        "title": "Fram (ship)",
        "span": [120, 185],
        "page": 3,
        "score": 1.0,
        "year": 1892,
        "topic": "ship",
        "metadata.source": "The Times",
        "metadata.score": 0.5,
        "metadata.metadata.source": "a clipping",
    }
    assert loose.metadata == {
        "document": "loose",
        "source": "",
        "title": "",
        "span": [0, 0],
        "page": None,
        "score": 0.5,
    }


@pytest.mark.parametrize("settings", [{}, {"k": 2}, {"retriever": "bm25"}, {"filter": "year < 1850"}])
def test_it_finds_what_the_index_finds(index: HippoGraph, settings: dict[str, Any]):
    hits = index.retrieve(QUESTION, **settings).hits
    found = adapter(index=index, **settings).invoke(QUESTION)
    assert ids(found) == [hit.passage.id for hit in hits]
    assert [document.metadata["score"] for document in found] == [hit.score for hit in hits]
    assert found == asyncio.run(adapter(index=index, **settings).ainvoke(QUESTION))


def test_it_is_made_of_a_directory(index: HippoGraph):
    adapted = adapter(index=str(index.directory), k=3)
    assert isinstance(adapted.index, HippoGraph)
    assert adapted.index.directory == index.directory


def test_many_are_answered_in_order(index: HippoGraph):
    questions = [QUESTION, "Who crossed Greenland?", "北京在哪里？"]
    adapted = adapter(index=index, k=2)
    one_by_one = [adapted.invoke(question) for question in questions]
    assert adapted.batch(questions) == one_by_one
    assert asyncio.run(adapted.abatch(questions)) == one_by_one


def test_the_event_loop_goes_on_meanwhile():
    waiting = Waiting()

    async def both() -> list[str]:
        retrieving = asyncio.create_task(adapter(retriever=waiting).ainvoke(QUESTION))
        await asyncio.sleep(0.01)
        assert not retrieving.done()
        waiting.told.set()
        return ids(await retrieving)

    assert asyncio.run(both()) == ["fram", "loose#2"]


def test_a_chain_reads_what_it_finds(index: HippoGraph):
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough

    def shown(documents: list[Any]) -> str:
        return "\n\n".join(f"{document.metadata['title']}\n{document.page_content}" for document in documents)

    prompt = ChatPromptTemplate.from_template("Read:\n{context}\n\nQuestion: {question}")
    asked = {"context": adapter(index=index, k=7) | shown, "question": RunnablePassthrough()} | prompt
    chain = asked | FakeListChatModel(responses=["Newburgh"]) | StrOutputParser()
    text = asked.invoke(QUESTION).to_string()
    assert SHIP.headed_text in text
    assert LOOSE.text in text
    assert chain.invoke(QUESTION) == "Newburgh"
    assert asyncio.run(chain.ainvoke(QUESTION)) == "Newburgh"
    assert list(chain.stream(QUESTION)) == list("Newburgh")


def test_fields_can_be_set_per_call(index: HippoGraph, monkeypatch: pytest.MonkeyPatch):
    from langchain_core.runnables import ConfigurableField

    chosen = adapter(index=index).configurable_fields(
        k=ConfigurableField(id="k"), filter=ConfigurableField(id="filter")
    )
    monkeypatch.setattr(HippoGraph, "__init__", lambda *given: pytest.fail("the index was opened again"))
    old = chosen.invoke(QUESTION, {"configurable": {"filter": "year < 1850", "k": 2}})
    assert sorted(ids(old)) == sorted(
        hit.passage.id for hit in index.retrieve(QUESTION, filter="year < 1850", k=2).hits
    )
    assert len(chosen.invoke(QUESTION)) == 5


def test_callbacks_are_told(index: HippoGraph):
    from langchain_core.callbacks import BaseCallbackHandler

    told: list[Any] = []

    class Listener(BaseCallbackHandler):
        def on_retriever_start(self, serialized: Any, query: str, **more: Any) -> None:
            told.append((query, more["metadata"]["ls_retriever_name"], more["tags"]))

        def on_retriever_end(self, documents: Any, **more: Any) -> None:
            told.append(ids(documents))

        def on_retriever_error(self, error: BaseException, **more: Any) -> None:
            told.append(error)

    adapted = adapter(index=index, k=1, tags=["ships"])
    found = adapted.invoke(QUESTION, {"callbacks": [Listener()]})
    assert told == [(QUESTION, "hippograph", ["ships"]), ids(found)]
    with pytest.raises(InputError, match="blank"):
        asyncio.run(adapted.ainvoke(" ", {"callbacks": [Listener()]}))
    assert isinstance(told[-1], InputError)


def test_what_is_found_can_be_written_and_read(index: HippoGraph):
    from langchain_core.documents import Document
    from langchain_core.load import dumps

    adapted = adapter(index=index)
    (ship, _) = adapter(retriever=ByHand()).invoke(QUESTION)
    assert Document.model_validate_json(ship.model_dump_json()) == ship
    assert json.loads(dumps(ship))["kwargs"]["metadata"] == ship.metadata
    assert json.loads(dumps(adapted))["id"][-1] == "HippoGraphRetriever"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "there is no index"),
        ({"index": ByHand()}, "HippoGraph"),
        ({"index": "wiki.hippo", "k": 0}, "k is 0"),
        ({"index": "wiki.hippo", "filter": "year >"}, "cannot be read"),
        ({"index": "wiki.hippo", "retreiver": "dense"}, "retreiver"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        adapter(**settings)


def test_a_field_that_is_changed_is_checked_and_used(index: HippoGraph):
    adapted = adapter(index=index)
    adapted.k = 1
    assert len(adapted.invoke(QUESTION)) == 1
    with pytest.raises(ValueError, match="there is no retriever 'dens'"):
        adapted.retriever = "dens"


@pytest.mark.local
def test_the_example_runs():
    assert doctest.testmod(importlib.import_module("hippograph.integrations.langchain")) == (0, 4)
