"""What a language model has spent is counted once, whatever happens between its answer and the index."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.composition import remembering, settling
from hippograph.hippograph import HippoGraph
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.models.caching import CachingModel
from hippograph.protocols import Reading
from hippograph.store.responses import RESPONSES
from hippograph.testing.doubles import HashingEmbedder, OverlapCrossEncoder
from hippograph.testing.scripted import ScriptedModel
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import Answer, Extraction, Passage, Usage

FACTS = '{"entities": ["Oslo", "Norway"], "triples": [["Oslo", "is in", "Norway"]]}'
REPLY = '{"answer": "Oslo", "support": [1], "sufficient": true}'
PASSAGES = toy_passages()[:4]


class Died(BaseException):
    """The process is gone."""


def answer(request: ModelRequest) -> str:
    return REPLY if request.schema is not None and "answer" in request.schema.model_fields else FACTS


def opened(folder: Path, model: ScriptedModel) -> HippoGraph:
    return HippoGraph(
        folder / "it.hippo",
        extractor=LLMExtractor(model=model),
        embedder=HashingEmbedder(),
        language_model=model,
        cross_encoder=OverlapCrossEncoder(),
    )


def spent(hippograph: HippoGraph) -> Usage:
    total = hippograph.status()["usage_total"]
    return Usage(calls=total["calls"], input_tokens=total["input_tokens"], output_tokens=total["output_tokens"])


@pytest.mark.parametrize("same_object", [True, False])
def test_what_was_spent_before_the_index_had_it_is_counted_by_the_next_run(tmp_path, monkeypatch, same_object):
    model = ScriptedModel(answers=answer)
    with opened(tmp_path / "whole", model) as whole:
        whole.index(PASSAGES)
        expected = spent(whole)
    assert (expected.calls, model.calls) == (4, 4)

    def die_with_answers(self: LLMExtractor, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for _ in list(extract(self, passages)):
            raise Died
        return iter([])

    extract = LLMExtractor.extract
    hippograph = opened(tmp_path / "broken", model)
    with monkeypatch.context() as patch:
        patch.setattr(LLMExtractor, "extract", die_with_answers)
        with pytest.raises(Died):
            hippograph.index(PASSAGES)
    assert model.calls == 8
    if not same_object:
        hippograph.close()
        hippograph = opened(tmp_path / "broken", model)
    hippograph.index(PASSAGES)
    assert spent(hippograph) == expected
    assert model.calls == 8
    hippograph.close()


def test_what_stands_in_the_books_is_free(tmp_path):
    model = ScriptedModel(answers=answer)
    with opened(tmp_path, model) as hippograph:
        hippograph.index(PASSAGES)
        assert hippograph.ask("Where is Oslo?").usage.calls == 1
    for name in ("catalog.sqlite", "snapshots"):
        (hippograph.directory / name).rename(tmp_path / name)
    with opened(tmp_path, model) as hippograph:
        hippograph.index(PASSAGES)
        assert (spent(hippograph).calls, hippograph.status()["usage_total"]["reused"]) == (0, 4)
        assert hippograph.ask("Where is Oslo?").usage == Usage(items=1, reused=1)
    assert model.calls == 5


def test_a_question_that_was_not_answered_to_anybody_is_counted_again(tmp_path):
    model = ScriptedModel(answers=answer)
    with opened(tmp_path, model) as hippograph:
        hippograph.index(PASSAGES)

        class Dies:
            def read(self, question: str) -> Answer:
                raise Died(reader.read(question).text)

            def steps(self, question: str) -> Reading:
                return reader.steps(question)

        reader = hippograph.parts.reader(retriever=hippograph.parts.retriever())
        with pytest.raises(Died):
            hippograph.ask("Where is Oslo?", reader=Dies())
        assert hippograph.ask("Where is Oslo?", reader=reader).usage.calls == 1
        assert hippograph.ask("Where is Oslo?").usage.calls == 0
    assert model.calls == 5


def test_a_damaged_store_of_answers_stops_nothing(tmp_path, caplog):
    model = ScriptedModel(answers=answer)
    (tmp_path / "it.hippo").mkdir()
    (tmp_path / "it.hippo" / RESPONSES).write_bytes(b"no database" * 1000)
    with opened(tmp_path, model) as hippograph:
        hippograph.index(PASSAGES)
        assert spent(hippograph).calls == 4
    assert "was put aside as responses.sqlite-damaged-1" in caplog.text


def test_settling_leaves_out_what_remembers_nothing(tmp_path):
    model = ScriptedModel(answers=answer)
    with settling(None, model, LLMExtractor(model=model)):
        pass
    caching = remembering(model, tmp_path)
    assert isinstance(caching, CachingModel)
    assert remembering(caching, tmp_path) is caching
    request = ModelRequest(messages=(Message("user", "Oslo"),))
    with pytest.raises(Died), settling(caching, LLMExtractor(model=caching)):
        raise Died(caching.submit(request).result().text)
    with settling(caching, LLMExtractor(model=caching)):
        assert caching.submit(request).result().usage.calls == 1
    assert caching.submit(request).result().usage.calls == 0
    caching.close()


def test_of_a_passage_half_of_which_failed_only_that_half_is_asked_again(tmp_path):
    text = " ".join(f"The ship A{number} sailed to a port in the far north." for number in range(8))
    cut = Completion(status="invalid", text='{"ent', finish_reason="length", error="cut off", usage=Usage(calls=1))
    is_up: list[bool] = []

    def answer_in_halves(request: ModelRequest) -> Completion | str:
        shown = request.messages[-1].text
        if "A0" in shown and "A7" in shown:
            return cut
        if "A7" in shown and not is_up:
            return Completion(status="failed", error="overloaded", usage=Usage(calls=1))
        return FACTS

    model = ScriptedModel(answers=answer_in_halves)
    with opened(tmp_path, model) as hippograph:
        hippograph.index([Passage(id="1", document="1", text=text)])
        assert (model.calls, spent(hippograph).calls) == (3, 3)
        is_up.append(True)
        assert hippograph.index().extraction["done"] == 1
        assert (model.calls, spent(hippograph).calls) == (4, 4)
