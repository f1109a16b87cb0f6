"""Building layers: what is made, what is kept, what fails and waits, what goes, and that history leaves no trace."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hippograph.completions import Completion, ModelRequest
from hippograph.composition import remembering
from hippograph.errors import IndexMismatchError, InputError, ModelError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.index.budget import Budget
from hippograph.index.clusters import NeighbourMerging
from hippograph.index.layers import add_layers, build_layers, known_summariser, prune_layers, summariser_named
from hippograph.index.layers_plan import LayerShape
from hippograph.index.report import IndexReport, LayersReport, Tally
from hippograph.index.summaries import LLMSummariser, Summariser, Summary, SummaryRequest
from hippograph.index.summary_sentences import ExtractiveSummariser
from hippograph.protocols import Embedder
from hippograph.store.arrays import LAYERS
from hippograph.store.layers import Layers, open_layers
from hippograph.store.snapshot import open_snapshot
from hippograph.testing.doubles import HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.index.test_indexer import CountingEmbedder
from tests.index.test_living_index import of_2020s, opened


@dataclass(kw_only=True)
class CountingSummariser:
    """Counts what it is asked for; fails where it is told to."""

    fails: Callable[[SummaryRequest], bool] = lambda request: False
    name: str = "1"
    asked: list[SummaryRequest] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return f"counting:{self.name}"

    def summarise(self, requests: Iterable[SummaryRequest]) -> Iterator[tuple[int, Summary]]:
        picking = ExtractiveSummariser()
        for number, request in enumerate(requests):
            self.asked.append(request)
            ((_, summary),) = picking.summarise([request])
            spent = Usage(calls=1, items=1, input_tokens=40, output_tokens=10)
            if self.fails(request):
                yield number, Summary(status="failed", error="no answer", usage=spent)
            else:
                yield number, replace(summary, usage=spent)

    def expected(self, request: SummaryRequest) -> Usage:
        return Usage(input_tokens=50)


# Clusters of four, so that thirty passages have a level above.
FOURS = LayerShape(merging=NeighbourMerging(most=4))


def build(
    hippograph: HippoGraph,
    summariser: Summariser,
    *,
    embedder: Embedder | None = None,
    shape: LayerShape = FOURS,
    **options: object,
) -> LayersReport:
    with hippograph.parts.place.session() as session:
        return build_layers(
            session,
            summariser=summariser,
            embedder=embedder or HashingEmbedder(),
            shape=shape,
            **options,  # type: ignore[arg-type]
        )


def layers_of(hippograph: HippoGraph) -> Layers:
    found = open_layers(hippograph.directory, verify=True)
    assert found is not None
    return found


def content(layers: Layers) -> tuple[object, ...]:
    manifest = layers.manifest.model_copy(update={"generation": 0, "files": {}})
    arrays = ("levels", "child_indptr", "children", "passage_indptr", "passages", "contents", "vectors")
    tables = tuple(tuple(getattr(layers, name)) for name in ("keys", "texts", "passage_ids"))
    return manifest, *tables, *(getattr(layers, name).tobytes() for name in arrays)


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def years(tmp_path: Path) -> Iterator[HippoGraph]:
    with opened(tmp_path / "years.hippo") as hippograph:
        hippograph.index([of_2020s(number) for number in range(30)])
        yield hippograph


def test_only_what_is_new_is_summarised_and_embedded(years):
    summariser, embedder = CountingSummariser(), CountingEmbedder()
    first = build(years, summariser, embedder=embedder)
    made = layers_of(years)
    assert first.made == len(summariser.asked) == len(set(made.keys)) == first.semantic + first.episodic
    assert sorted(embedder.texts) == sorted(made.texts)
    assert (first.kept, first.lacking, first.failures, first.published) == (0, 0, (), True)
    assert first.levels == 2
    assert first.usage.calls == first.made

    # Nothing has changed: nobody is asked, and nothing is published.
    again = build(years, summariser, embedder=embedder)
    assert (again.made, again.kept, again.published, again.generation) == (0, first.made, False, 1)
    assert len(summariser.asked) == len(embedder.texts) == first.made

    for change in (
        lambda: years.index([of_2020s(31)]),
        lambda: years.delete(["d07"]),
        lambda: years.index([replace(of_2020s(3), text="Fram was found near Larvik.")]),
    ):
        before = set(layers_of(years).keys)
        summariser.asked.clear()
        embedder.texts.clear()
        change()
        report = build(years, summariser, embedder=embedder)
        found = layers_of(years)
        new = [row for row, key in enumerate(found.keys) if key not in before]
        assert report.made == len(summariser.asked) == len(new) > 0
        assert sorted(embedder.texts) == sorted(found.texts[row] for row in new)
        assert report.kept == len(found) - len(new) > 0
        anew, other = CountingSummariser(), CountingEmbedder()
        assert content(found) == content(rebuilt(years, anew, other))
        assert len(anew.asked) == len(found)


def rebuilt(hippograph: HippoGraph, summariser: Summariser, embedder: CountingEmbedder) -> Layers:
    """Build the layers of a fresh index of the same documents."""
    held = list(hippograph.parts.snapshot.passages)
    with opened(hippograph.directory.with_name(f"fresh-{hippograph.parts.snapshot.generation}.hippo")) as fresh:
        fresh.index([replace(passage, source="") for passage in reversed(held)])
        build(fresh, summariser, embedder=embedder)
        return layers_of(fresh)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_history_leaves_no_trace(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("history")
    shape = replace(FOURS, window=data.draw(st.sampled_from([None, 3])))
    with opened(folder / "grown.hippo") as grown, opened(folder / "fresh.hippo") as fresh:
        held: set[int] = set()
        for _ in range(data.draw(st.integers(1, 3))):
            added = data.draw(st.sets(st.integers(0, 25), min_size=1, max_size=12))
            grown.index([of_2020s(number) for number in sorted(added)])
            held |= added
            gone = data.draw(st.sets(st.sampled_from(sorted(held)), max_size=3))
            if gone and gone != held:
                grown.delete([of_2020s(number).id for number in sorted(gone)])
                held -= gone
            with grown.parts.place.session() as session:
                if data.draw(st.booleans()):
                    prune_layers(session)
            build(grown, ExtractiveSummariser(), shape=shape)
        fresh.index([of_2020s(number) for number in sorted(held, reverse=True)])
        build(fresh, ExtractiveSummariser(), shape=shape)
        assert content(layers_of(grown)) == content(layers_of(fresh))


def test_what_fails_is_recorded_waited_for_and_tried_again(years):
    told = "Fram"
    summariser = CountingSummariser(fails=lambda request: request.texts[0].title == "D05")
    report = build(years, summariser)
    failed = len(report.failures)
    assert failed >= 1
    # What is above something that failed has to wait, and is not asked for.
    made = layers_of(years)
    assert report.lacking == made.manifest.lacking > 0
    assert len(summariser.asked) == report.made + failed
    assert [one.error for one in made.manifest.failures] == ["no answer"] * failed
    assert "no answer" not in "".join(made.texts)
    assert all(str(item.where).startswith(("semantic summary", "episodic summary")) for item in report.failures)
    assert told in "".join(made.texts)

    summariser.asked.clear()
    summariser.fails = lambda request: False
    again = build(years, summariser)
    assert len(summariser.asked) == report.lacking == again.made
    assert (again.lacking, again.failures, again.kept) == (0, (), report.made)
    whole = CountingSummariser()
    assert content(layers_of(years)) == content(rebuilt(years, whole, CountingEmbedder()))


def test_what_fails_again_changes_nothing(years):
    summariser = CountingSummariser(fails=lambda request: True)
    first = build(years, summariser)
    assert (first.made, first.semantic, first.episodic) == (0, 0, 0)
    assert first.lacking > len(first.failures) > 0
    again = build(years, summariser)
    assert (again.published, again.generation, again.lacking) == (False, first.generation, first.lacking)


def test_a_language_model_is_asked_once_for_each(years):
    def answer(asked: ModelRequest) -> str:
        said = json.loads(asked.messages[-1].text)["texts"]
        return json.dumps({"summary": f"{len(said)} texts: {said[0]['text'][:60]}"})

    model = ScriptedModel(answers=answer)
    remembered = remembering(model, years.directory)
    first = build(years, LLMSummariser(model=remembered))
    assert model.calls == first.made == first.usage.calls
    assert known_summariser(years.directory) == "llm"
    stages = {stage for stage, _ in years.parts.place.catalog().usage.totals()}
    assert stages >= {"summarise", "embed summaries"}
    # Layers that were removed are made again of what was answered, for nothing.
    with years.parts.place.session() as session:
        add_layers(years_report(), session, layers=False, summariser=None, embedder=HashingEmbedder())
    assert open_layers(years.directory) is None
    again = build(years, LLMSummariser(model=remembered))
    assert (model.calls, again.made, again.usage.reused) == (first.made, first.made, first.made)


def test_a_model_that_dies_leaves_the_former_layers_and_what_it_answered(years):
    build(years, CountingSummariser())
    former = content(layers_of(years))
    answers: list[str | Exception] = [json.dumps({"summary": f"Summary {number}."}) for number in range(5)]
    model = ScriptedModel(answers=[*answers, ModelError("the key is wrong")] + [ModelError("the key is wrong")] * 99)
    with pytest.raises(ModelError, match="key is wrong"):
        build(years, LLMSummariser(model=remembering(model, years.directory)))
    assert content(layers_of(years)) == former
    healthy = ScriptedModel(answers=lambda _: '{"summary": "Fine."}')
    report = build(years, LLMSummariser(model=remembering(healthy, years.directory)))
    assert healthy.calls == report.made - 5


def test_another_summariser_makes_all_anew_and_another_shape_what_differs(years):
    build(years, CountingSummariser())
    other = CountingSummariser(name="2")
    report = build(years, other)
    assert report.made == len(other.asked) > 0
    assert report.kept == 0
    shaped = build(years, other, shape=replace(FOURS, window=12))
    assert shaped.kept == shaped.semantic
    assert shaped.made == shaped.episodic


def test_deleting_purges_without_a_model(years):
    build(years, CountingSummariser())
    before = layers_of(years)
    with years.parts.place.session() as session:
        years.indexer.remove(session, ["d03", "d21"])
        founded = before.founded(open_snapshot(years.directory))
        assert prune_layers(session) == int(np.count_nonzero(~founded)) > 0
    after = layers_of(years)
    assert after.keys.to_list() == [key for key, kept in zip(before.keys, founded, strict=True) if kept]
    assert not {"d03", "d21"} & set(after.passage_ids)
    del before
    with years.parts.place.session() as session:
        assert prune_layers(session) == 0
    on_disk = b"".join(path.read_bytes() for path in (years.directory / LAYERS).rglob("*") if path.is_file())
    assert b"D21" not in on_disk
    assert b"D22" in on_disk
    assert len([path for path in (years.directory / LAYERS).iterdir() if path.is_dir()]) == 1
    # The same documents again have the former state; that summaries of them are lacking is seen all the same.
    years.index([of_2020s(3), of_2020s(21)])
    assert years.status()["layers"]["behind"]
    summariser = CountingSummariser()
    assert build(years, summariser).made == len(summariser.asked) == int(np.count_nonzero(~founded))
    assert not years.status()["layers"]["behind"]


def test_the_standing_tells_of_layers(years):
    nothing = {"semantic": 0, "episodic": 0, "levels": 0, "behind": False, "summariser": ""}
    assert years.status()["layers"] == nothing
    report = build(years, ExtractiveSummariser())
    told = {"semantic": report.semantic, "episodic": report.episodic, "levels": 2, "behind": False}
    assert years.status()["layers"] == {**told, "summariser": report.summariser}
    years.index([of_2020s(40)])
    assert years.status()["layers"]["behind"]
    (years.directory / LAYERS / "CURRENT").write_text("nonsense")
    assert years.status()["layers"] == {**nothing, "behind": True}


def test_damaged_layers_are_made_again(years, caplog):
    first = build(years, CountingSummariser())
    (next((years.directory / LAYERS).glob("0*")) / "texts.utf8").write_bytes(b"?")
    report = build(years, CountingSummariser())
    assert (report.made, report.kept, report.generation) == (first.made, 0, 2)
    assert "texts.utf8 has 1 bytes" in caplog.text
    (next((years.directory / LAYERS).glob("0*2")) / "texts.utf8").write_bytes(b"?")
    with years.parts.place.session() as session:
        prune_layers(session)
    assert open_layers(years.directory) is None


def test_a_budget_ends_the_run_and_the_next_goes_on(years):
    summariser = CountingSummariser()
    first = build(years, summariser, budget=Budget(max_tokens=225))
    assert (first.stopped, first.made, first.usage.tokens) == ("max-tokens", 4, 200)
    assert first.lacking > 0
    rest = build(years, summariser)
    assert (rest.stopped, rest.lacking, rest.kept, rest.made) == ("", 0, 4, first.lacking)
    spent = build(years, CountingSummariser(name="2"), budget=Budget(max_tokens=225), spent=Usage(input_tokens=200))
    assert (spent.stopped, spent.made) == ("max-tokens", 0)


def test_an_interruption_keeps_what_is_finished(years):
    summariser = CountingSummariser()
    report = build(years, summariser, stop=lambda: len(summariser.asked) >= 3)
    assert (report.stopped, len(summariser.asked), report.made) == ("interrupted", 3, 0)
    assert report.lacking > 0
    assert build(years, summariser).lacking == 0


def test_progress_is_told(years):
    told: list[tuple[str, int, int | None]] = []
    report = build(years, CountingSummariser(), progress=lambda *step: told.append(step))
    assert told[0] == ("cluster", 0, None)
    assert [step for step in told if step[0] == "summarise"][-1] == ("summarise", report.made, report.made)
    assert told[-1] == ("embed summaries", report.made, report.made)


def test_nothing_and_next_to_nothing_have_layers(tmp_path):
    with opened(tmp_path / "one.hippo") as one:
        one.index([of_2020s(1)])
        report = build(one, ExtractiveSummariser())
        assert (report.semantic, report.episodic, report.levels) == (1, 1, 1)
        one.delete(["d01"])
        report = build(one, ExtractiveSummariser())
        assert (report.semantic, report.episodic, report.levels, report.lacking) == (0, 0, 0, 0)
        assert len(layers_of(one)) == 0


def test_equal_passages_are_summarised_once(tmp_path):
    with opened(tmp_path / "twins.hippo") as twins:
        twins.index([replace(of_2020s(1), id=f"t{number}", title="Twin") for number in range(4)])
        summariser = CountingSummariser()
        report = build(twins, summariser, shape=LayerShape(window=2))
        layers = layers_of(twins)
        assert (report.episodic, len(set(layers.keys)), len(summariser.asked)) == (2, 2, 2)
        assert layers.names[1:] == (layers.names[1], f"{layers.names[1]}-2")


def test_wrong_requests_are_refused(years, tmp_path):
    with pytest.raises(IndexMismatchError, match="summaries need the same"):
        build(years, ExtractiveSummariser(), embedder=HashingEmbedder(dimension=8))
    with opened(tmp_path / "new.hippo") as new, pytest.raises(NoIndexError), new.parts.place.session(create=True) as it:
        build_layers(it, summariser=ExtractiveSummariser(), embedder=HashingEmbedder())
    with pytest.raises(InputError, match="no summariser 'x'; choose one of extractive, llm"):
        summariser_named("x")
    with pytest.raises(InputError, match="'llm' needs a language model"):
        summariser_named("llm")
    with years.parts.place.session() as session, pytest.raises(InputError, match="nobody is named"):
        add_layers(years_report(), session, layers=True, summariser=None, embedder=HashingEmbedder())
    assert isinstance(summariser_named("llm", model=ScriptedModel(answers=[])), LLMSummariser)
    assert known_summariser(years.directory) == "extractive"


def years_report() -> IndexReport:
    return Tally().report({}, pending=0, kept={}, awaits="", generation=1, published=False, stopped="")


def test_a_run_that_ended_early_builds_nothing_but_removes_what_is_false(years):
    build(years, ExtractiveSummariser())
    before = len(layers_of(years))
    years.delete(["d03"])
    report = replace(years_report(), stopped="max-tokens")
    with years.parts.place.session() as session:
        done = add_layers(report, session, layers=True, summariser=ExtractiveSummariser(), embedder=HashingEmbedder())
    assert done == report
    assert len(layers_of(years)) < before


def test_completions_without_a_summary_are_told(years):
    model = ScriptedModel(answers=lambda _: Completion(status="done", text="?"))
    with pytest.raises(ModelError, match="must be a summary"):
        build(years, LLMSummariser(model=model))
