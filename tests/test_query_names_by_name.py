"""Who finds the names in a query for the retrievers of the authors: an extractor that reads any text, or nobody."""

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.retrieve.query_names import NO_NAMES, extracted_names
from hippograph.retrievers import Variant
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from tests.conftest import small_passages

PARITY = Variant(parity=True)


def indexed(folder, extractor):
    hippograph = HippoGraph(folder / "i.hippo", extractor=extractor, embedder=HashingEmbedder())
    hippograph.index(small_passages())
    return hippograph


@pytest.mark.parametrize("name", ["hipporag", "linearrag"])
def test_parity_reads_them_with_the_extractor(tmp_path, name):
    with indexed(tmp_path, SpacyExtractor()) as hippograph:
        made = hippograph.parts.retriever(name, variant=PARITY)
        assert made.query_entities == extracted_names(hippograph.indexer.extractor)
        assert hippograph.parts.retriever(name).query_entities is None
        named, nameless = made.retrieve(["where was Colin Archer born?", "which boat is it?"], k=2)
        assert "colin archer" in {seed.node.lower() for seed in named.evidence.seeds}
        assert nameless.evidence.stages[0].name.startswith(NO_NAMES)
        assert nameless.evidence.walk is None


@pytest.mark.parametrize("name", ["hipporag", "linearrag"])
def test_parity_takes_capitalised_words_where_the_extractor_may_know_its_own_passages_only(tmp_path, name):
    with indexed(tmp_path, CapitalsExtractor()) as hippograph:
        assert hippograph.parts.retriever(name, variant=PARITY).query_entities is None
