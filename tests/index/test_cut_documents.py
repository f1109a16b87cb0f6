import pytest

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.types import Document, Passage


@pytest.fixture
def hippograph(tmp_path):
    with HippoGraph(tmp_path / "it.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as opened:
        yield opened


def part(page, text, start=0, document="book", **more):
    id = f"{document}:{page}"
    return Passage(id=id, document=document, text=text, span=(start, start + len(text)), page=page, **more)


PARTS = [part(1, "Oslo lies in Norway."), part(2, "Rome lies in Italy.", 22)]


def test_parts_are_cited_as_they_came(hippograph):
    report = hippograph.index(PARTS)
    assert report.added == 1
    assert list(hippograph.parts.snapshot.passages) == PARTS
    [hit] = hippograph.retrieve("Italy", retriever="bm25").hits
    assert (hit.passage.document, hit.passage.page, hit.passage.span) == ("book", 2, (22, 41))


def test_the_same_parts_again_are_unchanged_and_other_parts_replace_them(hippograph):
    hippograph.index(PARTS)
    assert hippograph.index(PARTS).unchanged == 1
    assert hippograph.index([*PARTS, part(3, "Bern lies in Switzerland.", 43)]).replaced == 1
    assert len(hippograph.parts.snapshot.passages) == 3


def test_a_whole_document_under_the_same_id_is_not_mistaken_for_its_parts(hippograph):
    report = hippograph.index([Document(id="book", text="Bern lies in Switzerland."), *PARTS])
    assert [item.harmless for item in report.skipped] == [False]
    assert [passage.text for passage in hippograph.parts.snapshot.passages] == ["Bern lies in Switzerland."]


def test_a_whole_passage_given_twice_is_listed_and_harmless(hippograph):
    whole = Passage(id="a", document="a", text="Oslo.")
    assert [item.harmless for item in hippograph.index([whole, whole]).skipped] == [True]


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ([PARTS[0], PARTS[0]], "twice"),
        ([PARTS[0], part(2, "x", source="b.pdf")], "another source"),
        ([PARTS[0], part(2, "x", metadata={"year": 1})], "other metadata"),
        ([part(1, "  ")], "blank"),
        ([part(1, "a\0b")], "NUL"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(hippograph, parts, complaint):
    with pytest.raises(InputError, match=complaint):
        hippograph.index(parts)
