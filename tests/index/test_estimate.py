"""What indexing would ask of models, held against what it asks when it is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.index.estimate import Estimate, Reading, estimate, minutes_within
from hippograph.index.llm_extractor import LLMExtractor, extraction_prompts
from hippograph.models.prices import PriceTable
from hippograph.testing.doubles import HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Document, Extraction, Passage, Triple, Usage
from tests.conftest import SMALL, small_passages

READING = Reading(prompts=extraction_prompts(1), extractor="counting")
WORDS = ["oslo is a town in norway", "a ship", "the sea is wide " * 200, "bergen lies by the sea", " "]


@dataclass
class Counting:
    """Counts the passages it reads, and fails on those that name a ship."""

    fingerprint: str = "counting"
    read: list[str] = field(default_factory=list)

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            self.read.append(passage.id)
            if "ship" in passage.text:
                yield passage, Extraction(status="failed", error="a ship")
            else:
                yield passage, Extraction(status="done", entities=("Oslo",), triples=(Triple("Oslo", "in", "Norway"),))


def documents(texts: dict[str, int]) -> list[Document]:
    return [Document(id=name, text=WORDS[which]) for name, which in texts.items()]


def of_index(hippograph: HippoGraph, sources: list[Document], **options: object) -> Estimate:
    catalog = hippograph.parts.place.catalog() if hippograph.directory.exists() else None
    return estimate(sources, reading=READING, catalog=catalog, **options)  # type: ignore[arg-type]


TEXTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, len(WORDS) - 1), min_size=1)


@settings(max_examples=25)
@given(before=TEXTS, now=TEXTS)
def test_as_many_are_to_be_read_as_are_read(before, now, tmp_path_factory):
    extractor, embedder = Counting(), HashingEmbedder()
    directory = tmp_path_factory.mktemp("estimate") / "it.hippo"
    with HippoGraph(directory, extractor=extractor, embedder=embedder) as hippograph:
        for texts in (before, now):
            expected = of_index(hippograph, documents(texts), embedder=embedder.fingerprint)
            extractor.read.clear()
            hippograph.index(documents(texts))
            assert expected.unread == len(extractor.read)
            assert expected.extraction.items == expected.extraction.calls == expected.unread
        waiting = of_index(hippograph, [])
        extractor.read.clear()
        hippograph.index([])
        assert waiting.unread == len(extractor.read)


def test_vectors_that_are_there_are_not_counted(small):
    catalog = small.parts.place.catalog()
    known = estimate([], reading=Reading(extractor="other"), catalog=catalog, embedder=HashingEmbedder().fingerprint)
    new = estimate([], reading=Reading(extractor="other"), catalog=catalog, embedder="other")
    assert (known.passages, known.unread, known.embedding.items) == (len(SMALL), len(SMALL), 0)
    assert new.embedding.items == len(SMALL)
    assert new.embedding.input_tokens > known.embedding.input_tokens > 0


def test_without_an_index_all_is_new():
    found = estimate(small_passages(), reading=READING)
    assert (found.documents, found.passages, found.unread) == (len(SMALL),) * 3
    assert found.measured == 0
    assert estimate(small_passages(), reading=Reading()).extraction == Usage()


def test_what_cannot_be_indexed_is_told(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "Oslo is in Norway."}\n{broken\n')
    found = estimate([tmp_path], reading=READING)
    assert (found.documents, found.passages, len(found.skipped)) == (1, 1, 1)
    with pytest.raises(InputError, match=r"gone\.txt"):
        estimate([tmp_path / "gone.txt"], reading=READING)


def test_two_calls_cost_more_than_one_and_write_the_same():
    one = Reading(prompts=extraction_prompts(1)).of(300)
    two = Reading(prompts=extraction_prompts(2)).of(300)
    assert (one.calls, two.calls) == (1, 2)
    assert two.input_tokens > one.input_tokens + 300
    assert two.output_tokens == one.output_tokens


def test_long_passages_are_read_in_pieces():
    reading = Reading(prompts=extraction_prompts(1), window=100)
    assert [reading.of(tokens).calls for tokens in (0, 100, 101, 1000)] == [1, 1, 2, 10]
    assert reading.of(1000).input_tokens > Reading(prompts=extraction_prompts(1)).of(1000).input_tokens


@pytest.mark.parametrize("calls", [1, 2])
def test_the_prompts_are_those_of_the_extractor(calls):
    model = ScriptedModel(answers=lambda asked: '{"entities": [], "triples": []}')
    assert LLMExtractor(model=model, calls=calls).prompts == extraction_prompts(calls)


def test_what_the_index_has_on_its_books_counts_more_than_ratios(small):
    spent = Usage(calls=110, items=100, input_tokens=70_000, output_tokens=5_000)
    with small.parts.place.session() as session:
        session.catalog.usage.add("extract", "counting", spent)
    found = of_index(small, [])
    assert found.measured == 100
    assert found.unread == len(SMALL)
    assert found.extraction.input_tokens == 700 * len(SMALL)
    assert found.extraction.output_tokens == 50 * len(SMALL)
    assert found.extraction.calls == round(1.1 * len(SMALL))


def test_few_passages_on_the_books_tell_nothing(small):
    with small.parts.place.session() as session:
        session.catalog.usage.add("extract", "counting", Usage(calls=5, items=5, input_tokens=50, output_tokens=5))
    assert of_index(small, []).measured == 0


def test_the_order_of_magnitude():
    """A thousand passages of some 120 tokens with the cheapest model of OpenAI: dimes, not dollars."""
    text = "Fram is a ship that was built by Colin Archer in Larvik for Fridtjof Nansen. " * 6
    passages = [Passage(id=str(n), document=str(n), text=f"{n}. {text}") for n in range(1000)]
    work = estimate(passages, reading=READING).extraction
    price = PriceTable.load().of("gpt-4.1-nano")
    assert price is not None
    assert 0.05 < price.cost(work.input_tokens, work.output_tokens) < 0.5


def test_minutes():
    work = Usage(calls=600, input_tokens=100_000, output_tokens=20_000)
    assert minutes_within(work) is None
    assert minutes_within(work, requests_per_minute=60) == 10
    assert minutes_within(work, requests_per_minute=60, tokens_per_minute=6000) == 20
