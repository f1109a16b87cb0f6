"""What one language model has read, another one, or other prompts, do not read again unless they are told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.completions import Sampling
from hippograph.errors import IndexMismatchError
from hippograph.hippograph import HippoGraph
from hippograph.index.absent_extractor import AbsentExtractor
from hippograph.index.budget import Budget
from hippograph.index.estimate import Reading, estimate
from hippograph.index.llm_extractor import LLMExtractor, extraction_prompts
from hippograph.index.report import IndexReport
from hippograph.models.prices import Price
from hippograph.protocols import Extractor
from hippograph.store.snapshot import open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Document, Passage
from tests.index.readers import PAID, FussyExtractor
from tests.index.test_mixing import documents, readers

OLD, NEW = "llm:old", "llm:new"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def run(directory: Path, extractor: Extractor, sources: list[Document] | None = None, **options: object) -> IndexReport:
    with HippoGraph(directory, extractor=extractor, embedder=HashingEmbedder()) as index:
        return index.index(documents() if sources is None else sources, switch=False, **options)  # type: ignore[arg-type]


def usable(extractor: FussyExtractor) -> set[str]:
    found = {one.id: extractor.reading(Passage(id=one.id, document=one.id, title=one.title, text=one.text)).status
             for one in documents()}  # fmt: skip
    return {name for name, status in found.items() if status in ("done", "empty")}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "it.hippo"
    run(place, FussyExtractor(name=OLD, failing=True))
    return place


def test_another_model_reads_what_none_has_read_usably(directory):
    old = usable(FussyExtractor(name=OLD, failing=True))
    more = [*documents(), Document(id="new", title="Maud", text="Maud sank near Cambridge Bay.")]
    new = FussyExtractor(name=NEW)
    report = run(directory, new, more)
    assert set(new.read) == {one.id for one in more} - old
    assert (report.kept, report.kept_by, report.pending) == (len(old), (f"{OLD}:1",), 0)
    by = readers(open_snapshot(directory))
    assert {name for name, who in by.items() if who == f"{OLD}:1"} == old
    with HippoGraph(directory, extractor=new, embedder=HashingEmbedder()) as index:
        [first, second] = index.status()["extractors"]
    assert (first["extractor"], first["preferred"], first["pending"]) == (f"{NEW}:1", True, 0)
    assert (first["kept"], first["used"], second["used"]) == (len(old), len(more) - len(old), len(old))


def test_all_is_read_again_on_request_and_only_once(directory):
    new = FussyExtractor(name=NEW)
    report = run(directory, new, reread=True)
    assert len(new.read) == len(documents())
    assert (report.kept, report.pending) == (0, 0)
    again = FussyExtractor(name=NEW)
    run(directory, again, reread=True)
    assert again.read == []


def test_reading_again_goes_on_where_a_budget_stopped_it(directory):
    first = FussyExtractor(name=NEW)
    report = run(directory, first, reread=True, budget=Budget(max_tokens=5 * PAID.tokens))
    assert (report.stopped, len(first.read), report.pending) == ("max-tokens", 5, 9)
    second = FussyExtractor(name=NEW)
    report = run(directory, second, reread=True)
    assert sorted(first.read + second.read) == [one.id for one in documents()]
    assert report.pending == 0


def test_a_new_model_goes_on_where_an_older_one_was_stopped(tmp_path):
    place = tmp_path / "it.hippo"
    first = FussyExtractor(name=OLD)
    assert run(place, first, budget=Budget(max_tokens=500)).pending == 9
    second = FussyExtractor(name=NEW)
    report = run(place, second, budget=Budget(max_tokens=300))
    assert (report.stopped, report.pending) == ("max-tokens", len(documents()) - report.kept - 3)
    rest = FussyExtractor(name=NEW)
    assert run(place, rest).pending == 0
    assert set(second.read).isdisjoint(rest.read)
    assert set(second.read + rest.read) == {one.id for one in documents()} - (
        usable(FussyExtractor(name=OLD)) & set(first.read)
    )


def test_other_kinds_are_changed_only_on_request(directory):
    with pytest.raises(IndexMismatchError, match="capitals:1"):
        run(directory, CapitalsExtractor())


def test_what_is_kept_goes_before_what_another_kind_has_read(directory):
    def switched(extractor: Extractor) -> IndexReport:
        with HippoGraph(directory, extractor=extractor, embedder=HashingEmbedder()) as index:
            return index.index([])

    report = switched(CapitalsExtractor())
    assert (report.kept, report.extraction["done"] + report.extraction["empty"]) == (0, len(documents()))
    assert set(readers(open_snapshot(directory)).values()) == {"capitals:1"}
    switched(FussyExtractor(name=NEW))
    by = readers(open_snapshot(directory))
    old = usable(FussyExtractor(name=OLD, failing=True))
    assert {name for name, who in by.items() if who == f"{OLD}:1"} == old


WORDS = ["Oslo lies in Norway.", "Fram sank.", "Nansen met Amundsen.", "Maud", "Gjoa sailed far, 3 miles."]
TEXTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(WORDS), min_size=1)


@settings(max_examples=25, deadline=None)
@given(before=TEXTS, now=TEXTS, reread=st.booleans())
def test_the_estimate_follows(before, now, reread, tmp_path_factory):
    place = tmp_path_factory.mktemp("reread") / "it.hippo"
    run(place, FussyExtractor(name=OLD, failing=True), [Document(id=name, text=text) for name, text in before.items()])
    sources = [Document(id=name, text=text) for name, text in now.items()]
    new = FussyExtractor(name=NEW)
    with HippoGraph(place, extractor=new, embedder=HashingEmbedder()) as index:
        expected = estimate(
            sources,
            reading=Reading(prompts=extraction_prompts(1), extractor=new.fingerprint, reread=reread),
            catalog=index.parts.place.catalog(),
        )
        index.index(sources, reread=reread)
    assert expected.unread == len(new.read)


def answering(**options: object) -> LLMExtractor:
    model = ScriptedModel(answers=lambda asked: '{"entities": ["Oslo"], "triples": []}')
    return LLMExtractor(model=model, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [answering(window=400), answering(calls=2), answering(sampling=Sampling(seed=7))])
def test_other_settings_of_the_same_model_read_nothing_again(tmp_path, other):
    run(tmp_path / "it.hippo", answering())
    report = run(tmp_path / "it.hippo", other)
    assert (report.usage.calls, report.usage.reused, report.kept) == (0, 0, len(documents()))


def test_a_model_expects_what_its_work_costs():
    passage = Passage(id="1", document="1", title="Oslo", text="Oslo lies in Norway. " * 40)

    class Hosted(ScriptedModel):
        price = Price(input=1.0, output=2.0)
        price_share = 0.5

    script = ["{}"]
    work = LLMExtractor(model=Hosted(answers=script)).expected(passage)
    assert work.cost == pytest.approx((work.input_tokens + 2 * work.output_tokens) / 2e6)
    assert work.output_tokens > 100
    assert LLMExtractor(model=ScriptedModel(answers=script)).expected(passage).cost == 0.0


def test_a_model_that_takes_all_at_once_is_given_only_what_the_budget_allows(tmp_path):
    asked: list[object] = []

    def answer(request: object) -> str:
        asked.append(request)
        return '{"entities": ["Oslo"], "triples": []}'

    sources = [Document(id=f"{n:03}", text=f"Town {n} lies near Oslo.") for n in range(300)]
    batch = LLMExtractor(model=ScriptedModel(answers=answer, concurrency=50_000))
    report = run(tmp_path / "it.hippo", batch, sources, budget=Budget(max_tokens=9000))
    assert report.stopped == "max-tokens"
    assert report.usage.tokens <= 9000
    assert 10 < len(asked) == 300 - report.pending < 40


def test_an_extractor_that_is_not_at_hand_leaves_its_passages_and_publishes_the_rest(directory):
    more = [*documents(), Document(id="new", title="Maud", text="Maud sank.")]
    absent = AbsentExtractor(fingerprint=f"{OLD}:1", remedy="name it")
    report = run(directory, absent, more)
    failed = report.extraction["failed"]
    assert (report.awaits, report.pending, report.published) == (f"{OLD}:1", failed + 1, False)
    with HippoGraph(directory, extractor=absent, embedder=HashingEmbedder()) as index:
        assert index.status()["extractors"][0]["pending"] == failed + 1
        assert index.index([], reembed=True, read=False).awaits == f"{OLD}:1"
    rest = FussyExtractor(name=OLD)
    report = run(directory, rest, more)
    assert (len(rest.read), report.pending, report.awaits) == (failed + 1, 0, "")
    assert run(directory, absent, more).awaits == ""


def test_new_vectors_take_no_extractor(directory):
    before = open_snapshot(directory)
    with HippoGraph(directory, embedder=HashingEmbedder(dimension=32)) as index:
        report = index.index([], reembed=True, read=False)
    after = open_snapshot(directory)
    assert (report.published, report.extraction["done"] > 0, report.usage.calls) == (True, True, 0)
    assert (after.manifest.extractor, after.manifest.extractors) == (
        before.manifest.extractor,
        before.manifest.extractors,
    )
    assert readers(after) == readers(before)
    assert after.manifest.embedder != before.manifest.embedder
