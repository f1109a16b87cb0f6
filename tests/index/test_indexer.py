"""What an index run does and leaves undone: resuming, changing, failing."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, InputError, ModelError
from hippograph.hippograph import HippoGraph
from hippograph.index.indexer import Indexer
from hippograph.index.report import IndexReport
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.text.chunking import SentenceChunker
from hippograph.types import Document, Extraction, FloatArray, Passage, TextRole
from tests.conftest import small_passages


@dataclass(kw_only=True)
class CountingExtractor:
    """Counts what it reads; fails on or breaks off at passages it is told to."""

    fails: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()
    read: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return CapitalsExtractor().fingerprint

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            if passage.id in self.breaks:
                raise RuntimeError("the power is gone")
            self.read.append(passage.id)
            if passage.id in self.fails:
                yield passage, Extraction(status="failed", error="no answer")
            else:
                yield from CapitalsExtractor().extract([passage])


@dataclass(kw_only=True)
class CountingEmbedder:
    """Counts what it embeds."""

    dimension: int = 64
    texts: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return HashingEmbedder().fingerprint

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        self.texts += texts
        return HashingEmbedder().embed(texts, role=role)


class Bench:
    """One index directory, opened anew for every run as a command line would."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.extractor = CountingExtractor()
        self.embedder = CountingEmbedder()

    def open(self) -> HippoGraph:
        return HippoGraph(
            self.directory, extractor=self.extractor, embedder=self.embedder, cross_encoder=OverlapCrossEncoder()
        )

    def run(self, documents: Sequence[str | Path | Document | Passage]) -> IndexReport:
        self.extractor.read.clear()
        self.embedder.texts.clear()
        with self.open() as hippograph:
            return hippograph.index(documents)

    def digest(self) -> object:
        with self.open() as hippograph:
            return hippograph.status()["graph_digest"]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "it.hippo")


def document(id: str, text: str, source: str = "") -> Document:
    return Document(id=id, title=id.title(), text=text, source=source)


def test_running_again_does_nothing(bench):
    first = bench.run(small_passages())
    again = bench.run(small_passages())
    assert (first.added, first.published, first.generation) == (6, True, 1)
    assert (again.unchanged, again.published, again.generation) == (6, False, 1)
    assert (bench.extractor.read, bench.embedder.texts) == ([], [])


def test_only_what_is_new_is_extracted_and_embedded(bench):
    bench.run(small_passages()[:5])
    report = bench.run(small_passages())
    assert (report.added, report.unchanged) == (1, 5)
    assert bench.extractor.read == ["beijing"]
    assert bench.embedder.texts == ["北京\n北京是中国的首都。", "北京"]


def test_the_order_and_split_of_additions_do_not_matter(bench, tmp_path):
    bench.run(small_passages())
    other = Bench(tmp_path / "other.hippo")
    for passage in reversed(small_passages()):
        other.run([passage])
    assert bench.digest() == other.digest()
    with bench.open() as one, other.open() as another:
        for name in ("indptr", "indices", "weights"):
            assert np.array_equal(getattr(one.parts.snapshot.graph, name), getattr(another.parts.snapshot.graph, name))
        for name in ("passage_vectors", "entity_vectors", "triple_vectors", "title_entities", "entity_passages"):
            assert np.array_equal(getattr(one.parts.snapshot, name), getattr(another.parts.snapshot, name))
        assert list(one.parts.snapshot.triples) == list(another.parts.snapshot.triples)


def test_the_digest_is_of_the_content_not_of_the_ids(bench, tmp_path):
    other = Bench(tmp_path / "other.hippo")
    bench.run([document("a", "Oslo lies in Norway."), Document(id="b", text="Rome.")])
    other.run(
        [Document(id="y", title="A", text="Oslo lies in Norway.", source="x.json"), Document(id="x", text="Rome.")]
    )
    assert bench.digest() == other.digest()
    other.run([Document(id="z", text="Rome.")])
    assert bench.digest() != other.digest()


def test_a_changed_document_replaces_the_old_one(bench, tmp_path):
    bench.run([document("a", "Oslo lies in Norway."), document("b", "Rome lies in Italy.")])
    report = bench.run([document("b", "Rome fell.")])
    assert (report.replaced, report.added) == (1, 0)
    with bench.open() as hippograph:
        assert hippograph.retrieve("Italy", retriever="bm25").hits == ()
    fresh = Bench(tmp_path / "fresh.hippo")
    fresh.run([document("a", "Oslo lies in Norway."), document("b", "Rome fell.")])
    assert bench.digest() == fresh.digest()


def test_a_moved_document_costs_nothing_but_is_cited_anew(bench):
    bench.run([document("a", "Oslo lies in Norway.", source="old.json")])
    report = bench.run([document("a", "Oslo lies in Norway.", source="new.json")])
    assert (report.unchanged, report.published) == (1, True)
    assert (bench.extractor.read, bench.embedder.texts) == ([], [])
    with bench.open() as hippograph:
        assert hippograph.retrieve("Oslo", retriever="bm25").hits[0].passage.source == "new.json"


def test_another_corpus_with_the_same_numbers_does_not_overwrite_the_first(bench):
    bench.run([document("0", "Oslo lies in Norway.", source="a.json")])
    report = bench.run([document("0", "Rome lies in Italy.", source="b.json")])
    [skipped] = report.skipped
    assert "a.json" in skipped.reason
    assert not skipped.harmless
    with bench.open() as hippograph:
        assert hippograph.retrieve("Oslo", retriever="bm25").hits


def test_a_part_that_would_take_another_documents_name_is_refused(bench):
    chunker = SentenceChunker(max_tokens=4)
    indexer = Indexer(extractor=bench.extractor, embedder=bench.embedder, chunker=chunker)
    with HippoGraph(bench.directory, indexer=indexer) as hippograph:
        report = hippograph.index([document("a#1", "Rome."), document("a", "Oslo is here. Bergen is there.")])
    [skipped] = report.skipped
    assert "'a#1'" in skipped.reason


def test_another_chunker_cuts_unchanged_documents_anew(bench):
    text = "Oslo is here. Bergen is there. Tromso is far."
    bench.run([document("a", text)])
    chunker = SentenceChunker(max_tokens=4)
    with HippoGraph(
        bench.directory, indexer=Indexer(extractor=bench.extractor, embedder=bench.embedder, chunker=chunker)
    ) as hippograph:
        report = hippograph.index([document("a", text)])
        assert report.replaced == 1
        assert [passage.text for passage in hippograph.parts.snapshot.passages] == text.replace(". ", ".|").split("|")


def test_failed_extractions_are_listed_and_tried_again(bench):
    bench.extractor.fails = frozenset({"gjoa"})
    report = bench.run(small_passages())
    assert report.extraction["failed"] == 1
    [failure] = report.failures
    assert (failure.where, "no answer" in failure.reason) == ("gjoa", True)
    with bench.open() as hippograph:
        assert "gjoa" in [hit.passage.id for hit in hippograph.retrieve("a herring boat", k=6).hits]
    bench.extractor.fails = frozenset()
    again = bench.run(small_passages())
    assert bench.extractor.read == ["gjoa"]
    assert (again.extraction["failed"], again.failures, again.published) == (0, (), True)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_an_interrupted_run_is_resumed_and_nothing_is_read_twice(bench, tmp_path, monkeypatch, seconds):
    monkeypatch.setattr("hippograph.index.saving._PAUSE", seconds)
    monkeypatch.setattr("hippograph.index.saving._DELAY", seconds)
    bench.extractor.breaks = frozenset({"gjoa"})
    with pytest.raises(RuntimeError, match="power"):
        bench.run(small_passages())
    before = list(bench.extractor.read)
    assert before == ["archer", "beijing", "fram"]
    bench.extractor.breaks = frozenset()
    bench.run(small_passages())
    assert bench.extractor.read == ["gjoa", "nansen", "newburgh"]
    undisturbed = Bench(tmp_path / "undisturbed.hippo")
    undisturbed.run(small_passages())
    assert bench.digest() == undisturbed.digest()


def test_a_run_that_died_before_publishing_is_published_by_the_next(bench, monkeypatch):
    bench.run(small_passages()[:3])
    with monkeypatch.context() as patch:
        patch.setattr("hippograph.index.indexer.publish", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            bench.run(small_passages())
    with bench.open() as hippograph:
        assert len(hippograph.parts.snapshot.passages) == 3
    report = bench.run(small_passages())
    assert (report.added, report.published) == (0, True)
    assert bench.extractor.read == []
    with bench.open() as hippograph:
        assert len(hippograph.parts.snapshot.passages) == 6


def test_another_embedder_is_refused_with_the_remedy(bench):
    bench.run(small_passages())
    with HippoGraph(bench.directory, extractor=bench.extractor, embedder=HashingEmbedder(dimension=8)) as hippograph:
        with pytest.raises(IndexMismatchError, match="hashing:1:64"):
            hippograph.retrieve("Oslo")
        with pytest.raises(IndexMismatchError, match="another directory"):
            hippograph.index(small_passages())


def test_progress_reaches_the_end_of_every_stage(bench):
    told: dict[str, tuple[int, int | None]] = {}
    with bench.open() as hippograph:
        hippograph.index(small_passages(), progress=lambda stage, done, total: told.update({stage: (done, total)}))
    assert told["load"] == (6, 6)
    assert all(done == total for done, total in told.values())
    assert {"extract", "embed passages", "embed entities", "embed triples"} <= set(told)


def test_nothing_to_index_makes_an_empty_index_that_finds_nothing(bench, tmp_path):
    (tmp_path / "empty").mkdir()
    bench.run([tmp_path / "empty"])
    with bench.open() as hippograph:
        for name in ("default", "dense", "bm25", "hybrid"):
            assert hippograph.retrieve("Oslo", retriever=name).hits == ()
        assert hippograph.status()["passages"] == 0


def files(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text(text)
    return folder


def test_the_same_name_in_another_folder_is_another_place(bench, tmp_path, monkeypatch):
    for name, text in (("one", "Oslo lies in Norway."), ("two", "Rome lies in Italy.")):
        monkeypatch.chdir(files(tmp_path / name, text))
        report = bench.run(["a.txt"])
    [skipped] = report.skipped
    assert "already belongs" in skipped.reason
    with bench.open() as hippograph:
        assert [passage.text for passage in hippograph.parts.snapshot.passages] == ["Oslo lies in Norway."]


def test_the_same_place_by_another_path_is_the_same(bench, tmp_path, monkeypatch):
    folder = files(tmp_path / "one", "Oslo lies in Norway.")
    monkeypatch.chdir(folder)
    bench.run(["a.txt"])
    assert bench.run([folder / "a.txt"]).published is False
    (folder / "a.txt").write_text("Oslo is a city.")
    report = bench.run([Path("..") / "one" / "a.txt"])
    assert (report.replaced, report.skipped) == (1, ())


STRANGER = Passage(id="stranger", document="stranger", text="Oslo.")


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        (lambda passages: passages[:4], "no extraction of passage 'nansen' and 1 others"),
        (lambda passages: [*passages, passages[0]], "of passage 'archer', which it was not asked for, or gave before"),
        (lambda passages: [*passages[:2], STRANGER], "of passage 'stranger', which it was not asked for"),
    ],
)
def test_an_extractor_that_does_not_give_one_for_each_is_told_so(bench, answers, complaint):
    class Miscounting(CountingExtractor):
        def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
            yield from ((passage, Extraction(status="empty")) for passage in answers(list(passages)))

    bench.extractor = Miscounting()
    with pytest.raises(ModelError, match=complaint):
        bench.run(small_passages())


def test_extractions_may_come_in_any_order(bench, tmp_path):
    class Backwards(CountingExtractor):
        def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
            yield from list(super().extract(passages))[::-1]

    bench.run(small_passages())
    other = Bench(tmp_path / "other.hippo")
    other.extractor = Backwards()
    other.run(small_passages())
    assert bench.digest() == other.digest()


def test_a_source_that_does_not_exist_makes_no_index(bench):
    with pytest.raises(InputError, match="nowhere"):
        bench.run(["nowhere.txt"])
    assert not bench.directory.exists()


def test_a_lost_catalog_is_named(bench):
    bench.run(small_passages())
    (bench.directory / "catalog.sqlite").unlink()
    with pytest.raises(DamagedIndexError, match="lost its catalog"):
        bench.run(small_passages())


def test_two_writers_of_one_index_do_not_meet(bench):
    with ThreadPoolExecutor(2) as threads:
        one, other = bench.open(), bench.open()
        told: list[str] = []

        def meet(stage: str, done: int, total: int | None) -> None:
            if not told:
                told.append(stage)
                with pytest.raises(IndexDirectoryError, match="being changed"):
                    other.index(small_passages())

        threads.submit(one.index, small_passages(), progress=meet).result()
        assert told
        one.close()
        other.close()
