"""Updating, deleting and filtering through the front door: what stays, what goes, and what is never done twice."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hippograph.composition import RETRIEVERS
from hippograph.errors import IndexMismatchError, InputError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.index.assemble import EdgeWeights
from hippograph.index.indexer import Indexer
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrievers import Variant
from hippograph.store.snapshot import Snapshot, open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Document, Extraction, Passage, Scalar
from tests.index.readers import FussyExtractor, RememberingExtractor, capitals
from tests.index.test_indexer import Bench, CountingEmbedder, CountingExtractor
from tests.index.test_revision import ADVERSARIAL, REAL, assert_same

QUESTIONS = ("Who founded Oslo?", "New York City of the Fram", "北京 C++", "it")


def document(id: str, text: str, **metadata: Scalar) -> Document:
    return Document(id=id, title=id.title(), text=text, metadata=metadata)


def of_2020s(number: int) -> Document:
    names = ["Fram", "Nansen", "Oslo", "Amundsen", "Larvik", "Colin Archer"]
    one, other, third = (names[(number * step) % len(names)] for step in (1, 3, 5))
    text = f"{one} met {other} near {third}. University of {other} lies in {third}."
    return document(f"d{number:02d}", text, year=2015 + number % 10, lang="de" if number % 3 else "en")


def part_of(hippograph: HippoGraph, filter: str) -> Snapshot:
    """Return what a filter leaves of an index."""
    retriever = hippograph.parts.retriever("dense", filter=filter)
    assert isinstance(retriever, DenseRetriever)
    return retriever.snapshot


def index_even_nothing(hippograph: HippoGraph, documents: list[Document]) -> None:
    with hippograph.parts.place.session(create=True) as session:
        hippograph.indexer.index(documents, session=session)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "living.hippo")


def opened(place: Path) -> HippoGraph:
    """Open an index whose models are all doubles."""
    return HippoGraph(
        place, extractor=CapitalsExtractor(), embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder()
    )


@pytest.fixture
def years(tmp_path: Path) -> Iterator[HippoGraph]:
    with opened(tmp_path / "years.hippo") as hippograph:
        hippograph.index([of_2020s(number) for number in range(30)])
        yield hippograph


def test_a_delete_calls_no_model_and_leaves_the_index_of_the_rest(bench, tmp_path):
    documents = [of_2020s(number) for number in range(12)]
    bench.run(documents)
    bench.extractor.read.clear()
    bench.embedder.texts.clear()
    with bench.open() as hippograph:
        report = hippograph.delete(["d03", "d07", "nobody"])
        left = hippograph.parts.snapshot
    assert (report.removed, report.missing, report.generation) == (("d03", "d07"), ("nobody",), 2)
    assert (bench.extractor.read, bench.embedder.texts) == ([], [])
    rest = Bench(tmp_path / "rest.hippo")
    rest.run([one for one in documents if one.id not in report.removed])
    fresh = open_snapshot(rest.directory)
    assert left.manifest.files == fresh.manifest.files
    assert left.manifest.graph_digest == fresh.manifest.graph_digest


def test_what_comes_back_is_neither_extracted_nor_embedded_again(bench):
    documents = [of_2020s(number) for number in range(6)]
    bench.run(documents)
    digest = bench.digest()
    with bench.open() as hippograph:
        hippograph.delete([one.id for one in documents])
        assert hippograph.retrieve("Fram?").hits == ()
    bench.run(documents)
    assert (bench.extractor.read, bench.embedder.texts, bench.digest()) == ([], [], digest)


def test_a_delete_publishes_what_a_killed_one_had_left(bench):
    bench.run([of_2020s(number) for number in range(4)])
    with bench.open() as hippograph, hippograph.parts.place.session() as session:
        # As if it had been killed between the catalog and the snapshot.
        session.catalog.documents.delete(["d01"])
    with bench.open() as hippograph:
        report = hippograph.delete(["d01"])
        assert (report.removed, report.missing) == ((), ("d01",))
        assert "d01" not in hippograph.parts.snapshot.passages.ids.to_list()


def test_a_delete_leaves_alone_what_waits_to_be_indexed(bench):
    bench.run([of_2020s(number) for number in range(4)])
    bench.extractor.breaks = frozenset({"d05"})
    with pytest.raises(RuntimeError, match="power"):
        bench.run([of_2020s(number) for number in range(7)])
    bench.extractor.breaks = frozenset()
    with bench.open() as hippograph:
        hippograph.delete(["d02"])
        assert hippograph.parts.snapshot.passages.ids.to_list() == ["d00", "d01", "d03"]
    bench.run([])
    with bench.open() as hippograph:
        assert hippograph.parts.snapshot.passages.ids.to_list() == ["d00", "d01", "d03", "d04", "d05", "d06"]
    assert "d00" not in bench.extractor.read


def test_documents_are_deleted_by_metadata_and_by_source(bench, tmp_path):
    notes, others = tmp_path / "notes", tmp_path / "notes-2"
    for folder in (notes, others):
        folder.mkdir()
        for name in ("a", "b"):
            (folder / f"{name}.txt").write_text(f"The {name} of {folder.name} lies in Oslo.")
    bench.run([notes, others, *(of_2020s(number) for number in range(4))])
    with bench.open() as hippograph:
        assert hippograph.delete(filter="year >= 2017").removed == ("d02", "d03")
        assert hippograph.delete(source=notes / "a.txt").removed == ("notes/a.txt",)
        shutil.rmtree(notes)
        assert hippograph.delete(source=notes).removed == ("notes/b.txt",)
        assert hippograph.delete(["d00"], filter="lang=de").removed == ("d00", "d01")
        assert hippograph.status()["documents"] == 2


@pytest.mark.parametrize("arguments", [{}, {"ids": "d1"}, {"filter": "year >"}])
def test_a_delete_that_says_nothing_is_refused(years, arguments):
    with pytest.raises(InputError):
        years.delete(**arguments)
    assert years.status()["documents"] == 30


def test_there_is_nothing_to_delete_from_or_update_where_there_is_no_index(tmp_path):
    with opened(tmp_path / "none.hippo") as hippograph:
        for change in (lambda: hippograph.delete(["a"]), hippograph.update, lambda: hippograph.index(reembed=True)):
            with pytest.raises(NoIndexError):
                change()
    assert not (tmp_path / "none.hippo").exists()


def test_an_update_removes_what_is_gone_from_its_sources_and_nothing_else(bench, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c"):
        (notes / f"{name}.txt").write_text(f"The {name} lies in Oslo.")
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "one", "text": "One is near Oslo."}\n{"id": "two", "text": "Two is near Rome."}\n')
    bench.run([notes, corpus, of_2020s(0)])
    (notes / "a.txt").unlink()
    (notes / "b.txt").write_text("The b lies in Bergen.")
    corpus.write_text('{"id": "two", "text": "Two is near Rome."}\n')
    with bench.open() as hippograph:
        report = hippograph.update([notes])
        assert (report.added, report.replaced, report.unchanged, report.removed) == (0, 1, 1, 1)
        report = hippograph.update()
        assert (report.added, report.replaced, report.unchanged, report.removed) == (0, 0, 3, 1)
        assert hippograph.parts.snapshot.passages.ids.to_list() == ["d00", "notes/b.txt", "notes/c.txt", "two"]


def test_an_update_keeps_what_it_cannot_read(bench, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "one", "text": "One is near Oslo."}\n{"id": "two", "text": "Two is near Rome."}\n')
    bench.run([corpus])
    corpus.write_text('{"id": "one", "text": "One is near Oslo."}\n{"id": "two", "te\n')
    with bench.open() as hippograph:
        report = hippograph.update()
        assert (report.removed, len(report.skipped)) == (0, 1)
        assert hippograph.parts.snapshot.passages.ids.to_list() == ["one", "two"]
        corpus.unlink()
        with pytest.raises(InputError, match="hippograph delete --source"):
            hippograph.update()
        assert hippograph.delete(source=corpus).removed == ("one", "two")
        with pytest.raises(InputError, match="no files or folders"):
            hippograph.update()


def test_renaming_a_folder_extracts_and_embeds_nothing(bench, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c"):
        (notes / f"{name}.txt").write_text(f"The {name} lies in Oslo.")
    bench.run([notes])
    digest = bench.digest()
    moved = notes.rename(tmp_path / "papers")
    with bench.open() as hippograph:
        bench.extractor.read.clear()
        bench.embedder.texts.clear()
        report = hippograph.index([moved])
        assert (report.added, hippograph.delete(source=notes).removed) == (
            3, ("notes/a.txt", "notes/b.txt", "notes/c.txt"),
        )  # fmt: skip
    assert (bench.extractor.read, bench.embedder.texts, bench.digest()) == ([], [], digest)


@pytest.mark.parametrize(
    "filter", ["year >= 2020", "lang=de and not year in (2016, 2017)", "id=d03 or id=d17", "year", "year > 3000"]
)
def test_a_filter_answers_as_an_index_of_its_documents_alone(years, tmp_path, filter):
    part = part_of(years, filter)
    chosen = [one for one in map(of_2020s, range(30)) if one.id in set(part.passages.documents)]
    questions = (*QUESTIONS, "Who met Nansen near Larvik?")
    with opened(tmp_path / "alone.hippo") as alone:
        index_even_nothing(alone, chosen)
        assert part.manifest.graph_digest == alone.parts.snapshot.manifest.graph_digest
        for name, options in RETRIEVERS.items():
            variants = [Variant(), *([Variant(parity=True)] if "parity" in options else [])]
            for variant in [*variants, *([Variant(recognition="cross-encoder")] if "recognition" in options else [])]:
                expected = alone.parts.retriever(name, variant=variant).retrieve(questions, k=30)
                found = years.parts.retriever(name, variant=variant, filter=filter).retrieve(questions, k=30)
                assert [(one.hits, one.evidence) for one in found] == [(one.hits, one.evidence) for one in expected]


def test_hidden_documents_do_not_lead_from_one_to_another(tmp_path):
    documents = [
        document("start", "Nansen sailed north.", seen=True),
        document("bridge", "Nansen knew Larvik.", seen=False),
        document("end", "Larvik is a town.", seen=True),
        document("other", "Bergen is a town.", seen=True),
    ]
    with opened(tmp_path / "leak.hippo") as hippograph:
        hippograph.index(documents)
        whole = hippograph.parts.snapshot
        part = part_of(hippograph, "seen = true")
    nansen, larvik = (whole.entity_keys.to_list().index(name) for name in ("nansen", "larvik"))
    assert whole.graph.adjacency[nansen, larvik] > 0
    kept = part.entity_keys.to_list()
    assert part.graph.adjacency[kept.index("nansen"), kept.index("larvik")] == 0
    assert "bridge" not in kept
    assert part.entity_passages[kept.index("nansen")] == 1


def test_parts_of_an_index_are_made_once_and_forgotten_with_it(years):
    first = part_of(years, "year >= 2020")
    assert part_of(years, "year>=2020") is first
    assert part_of(years, "year") is years.parts.snapshot
    years.index([of_2020s(99)])
    assert part_of(years, "year >= 2020") is not first


def test_a_part_is_made_as_the_whole_was(years):
    indexer = Indexer(extractor=CapitalsExtractor(), embedder=HashingEmbedder(), weights=EdgeWeights(title=3.0))
    with HippoGraph(years.directory, indexer=indexer, cross_encoder=OverlapCrossEncoder()) as other:
        assert len(other.retrieve("Fram?").hits) == 5
        for change in (lambda: other.retrieve("Fram?", filter="year"), lambda: other.delete(["d01"])):
            with pytest.raises(IndexMismatchError, match="other settings"):
                change()
        assert other.index().published
        assert other.delete(["d01"]).removed == ("d01",)


def test_reembedding_keeps_extractions_and_is_resumed(bench):
    documents = [of_2020s(number) for number in range(8)]
    bench.run(documents)

    class Breaking(HashingEmbedder):
        broken = True

        def embed(self, texts, *, role):
            if self.broken and role == "triple":
                raise RuntimeError("the power is gone")
            return super().embed(texts, role=role)

    other = Breaking(dimension=32)
    with HippoGraph(bench.directory, extractor=bench.extractor, embedder=other) as hippograph:
        bench.extractor.read.clear()
        with pytest.raises(IndexMismatchError, match="hippograph reembed"):
            hippograph.retrieve("Fram?")
        with pytest.raises(IndexMismatchError, match="embedder"):
            hippograph.index(documents)
        with pytest.raises(RuntimeError, match="power"):
            hippograph.index(reembed=True)
    with bench.open() as former:
        assert former.retrieve("Fram?").hits
    Breaking.broken = False
    with HippoGraph(bench.directory, extractor=bench.extractor, embedder=other) as hippograph:
        assert hippograph.index(reembed=True).published
        assert hippograph.parts.snapshot.passage_vectors.shape[1] == 32
        assert hippograph.retrieve("Fram?").hits
        assert not hippograph.index(documents).published
    assert bench.extractor.read == []


def test_several_indexes_in_one_process_know_nothing_of_each_other(tmp_path):
    indexes = [opened(tmp_path / f"{name}.hippo") for name in ("one", "other")]
    for place, index in enumerate(indexes):
        index.index([document("same", f"Fram number {place}.", place=place), document(f"own{place}", "Oslo.")])
    indexes[0].delete(["own0"])
    assert [index.status()["documents"] for index in indexes] == [1, 2]
    for place, index in enumerate(indexes):
        hits = index.retrieve("Fram?", filter=f"place={place}").hits
        assert [hit.passage.text for hit in hits] == [f"Fram number {place}."]
        assert index.retrieve("Fram?", filter=f"place={1 - place}").hits == ()
        index.close()


names = st.sampled_from(REAL + ADVERSARIAL)
words = st.sampled_from(["was", "founded", "in", "the", "The", "it", ".", "city"])
said = st.builds(
    lambda title, parts, year: {"title": title, "text": " ".join(parts) or "x", "metadata": {"year": year}},
    st.one_of(st.just(""), names),
    st.lists(names | words, max_size=8),
    st.integers(2018, 2022),
)


class LivingIndex(RuleBasedStateMachine):
    """An index on disk through everything that can be done to it, against an index made of what is left in one go."""

    ids = st.integers(0, 6).map("d{}".format)

    @initialize()
    def begin(self) -> None:
        self.folder = Path(mkdtemp())
        # What a power cut does is tested elsewhere; here thousands of flushes would only take time.
        self.flushing = mock.patch("os.fsync")
        self.flushing.start()
        self.held: dict[str, Document] = {}
        self.passages: dict[str, Passage] = {}
        self.extractor: CountingExtractor | FussyExtractor = CountingExtractor()
        self.other: CountingExtractor | FussyExtractor = FussyExtractor(failing=True)
        self.embedder = CountingEmbedder()
        # What each extractor has said of which title and text.
        self.said: dict[str, dict[tuple[str, str], Extraction]] = {
            one.fingerprint: {} for one in (self.extractor, self.other)
        }
        self.index = self.open()
        index_even_nothing(self.index, [])

    def open(self) -> HippoGraph:
        return HippoGraph(self.folder / "living.hippo", extractor=self.extractor, embedder=self.embedder)

    def teardown(self) -> None:
        self.flushing.stop()
        self.index.close()
        shutil.rmtree(self.folder)

    def bring_up_to_date(self, documents: list[Document]) -> None:
        """Index, and see that nothing is read again but what the extractor failed on."""
        self.extractor.read.clear()
        self.embedder.texts.clear()
        self.index.index(documents)
        self.held |= {one.id: one for one in documents if one.text.strip()}
        self.passages |= {passage.id: passage for passage in self.index.parts.snapshot.passages}
        said = self.said[self.extractor.fingerprint]
        for name in self.extractor.read:
            former = said.get(self.says(name))
            assert former is None or former.status == "failed"
            fussy, passage = self.extractor, self.passages[name]
            found = fussy.reading(passage) if isinstance(fussy, FussyExtractor) else capitals(passage)
            said[self.says(name)] = found
        assert set(map(self.says, self.held)) <= said.keys()

    def says(self, name: str) -> tuple[str, str]:
        """Return the title and the text, without blanks around it, that a document was read as."""
        return self.passages[name].title, self.passages[name].text

    @rule(new=st.dictionaries(ids, said, min_size=1, max_size=4))
    def put(self, new: dict[str, dict[str, Any]]) -> None:
        self.bring_up_to_date([Document(id=name, **fields) for name, fields in new.items()])

    @rule()
    def switch(self) -> None:
        self.extractor, self.other = self.other, self.extractor
        self.open_anew()
        self.bring_up_to_date([])

    @rule(failing=st.booleans())
    def let_fail(self, failing: bool) -> None:
        for one in (self.extractor, self.other):
            if isinstance(one, FussyExtractor):
                one.failing = failing

    @rule(gone=st.sets(ids, min_size=1, max_size=3))
    def delete(self, gone: set[str]) -> None:
        self.embedder.texts.clear()
        report = self.index.delete(sorted(gone))
        assert report.removed == tuple(sorted(gone & self.held.keys()))
        assert self.embedder.texts == []
        self.held = {name: one for name, one in self.held.items() if name not in gone}

    @rule(year=st.integers(2018, 2022))
    def delete_by_metadata(self, year: int) -> None:
        self.index.delete(filter=f"year > {year}")
        self.held = {name: one for name, one in self.held.items() if int(one.metadata["year"]) <= year}

    @rule(year=st.integers(2018, 2022))
    def look_at_a_part(self, year: int) -> None:
        part = part_of(self.index, f"year >= {year}")
        self.compare(part, [one for one in self.held.values() if int(one.metadata["year"]) >= year])

    @rule()
    def open_anew(self) -> None:
        self.index.close()
        self.index = self.open()

    @invariant()
    def is_what_a_fresh_index_holds(self) -> None:
        self.compare(self.index.parts.snapshot, list(self.held.values()))

    def compare(self, snapshot, documents: list[Document]) -> None:
        """Compare with an index that the other extractor has read as far as it had, and then the preferred one."""
        place = self.folder / "fresh.hippo"
        for one in (self.other, self.extractor):
            said = self.said[one.fingerprint]
            known = [document for document in documents if self.says(document.id) in said]
            extractor = RememberingExtractor(fingerprint=one.fingerprint, said=said)
            if known or one is self.extractor:
                with HippoGraph(place, extractor=extractor, embedder=HashingEmbedder()) as fresh:
                    index_even_nothing(fresh, known)
        expected = open_snapshot(place)
        assert snapshot.manifest.graph_digest == expected.manifest.graph_digest
        assert snapshot.manifest.extractors == expected.manifest.extractors
        assert snapshot.manifest.extractor == expected.manifest.extractor
        assert_same(
            replace(snapshot, manifest=expected.manifest, hold=None),
            replace(expected, manifest=expected.manifest, hold=None),
        )
        with opened(place) as fresh:
            for question in QUESTIONS[:2]:
                dense = fresh.retrieve(question, k=3)
                assert np.isfinite([hit.score for hit in dense.hits]).all()
        shutil.rmtree(place)


TestLivingIndex = LivingIndex.TestCase
TestLivingIndex.settings = settings(
    max_examples=8, stateful_step_count=7, deadline=None, suppress_health_check=list(HealthCheck)
)
