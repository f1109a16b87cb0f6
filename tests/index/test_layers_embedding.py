"""Summaries under another embedder: their vectors are replaced, and nobody summarises."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hippograph.errors import IndexMismatchError
from hippograph.hippograph import HippoGraph
from hippograph.index.budget import Allowance, Budget
from hippograph.index.layers_embedding import reembed_layers
from hippograph.index.summaries import LLMSummariser
from hippograph.store.layers import Layers, open_layers
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from tests.index.test_living_index import of_2020s

OTHER = HashingEmbedder(dimension=32)


def opened(folder: Path, embedder: HashingEmbedder) -> HippoGraph:
    return HippoGraph(folder / "it.hippo", extractor=CapitalsExtractor(), embedder=embedder, cross_encoder=None)


def layers_of(hippograph: HippoGraph) -> Layers:
    found = open_layers(hippograph.directory, verify=True)
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index whose summaries a language model has made, which is not there any more."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    model = ScriptedModel(answers=lambda request: '{"summary": "Ships sail."}')
    with opened(tmp_path, HashingEmbedder()) as hippograph:
        built = hippograph.index(
            [of_2020s(number) for number in range(30)], layers=True, summariser=LLMSummariser(model=model)
        )
    assert built.layers is not None
    assert built.layers.lacking == 0
    return tmp_path


def test_reembedding_takes_the_summaries_along(folder):
    with opened(folder, OTHER) as hippograph:
        before = layers_of(hippograph)
        report = hippograph.index(reembed=True, read=False)
        after, told = layers_of(hippograph), report.layers
        assert told is not None
        assert (told.made, told.kept, told.lacking, told.published) == (0, len(before), 0, True)
        assert (told.usage.calls, told.usage.items, report.usage.items >= len(before)) == (0, len(before), True)
        assert (list(after.keys), list(after.texts)) == (list(before.keys), list(before.texts))
        assert (after.manifest.embedder, after.manifest.dimension) == (OTHER.fingerprint, 32)
        assert np.array_equal(after.vectors, OTHER.embed(list(after.texts), role="passage"))
        for layer, retriever in hippograph.parts.layers().items():
            assert len(retriever.retrieve(["ships"], k=99)[0].hits) == len(after.rows(layer))
        # Which passages belong together hangs on vectors: whoever has the model may make what is other now.
        assert hippograph.status()["layers"]["behind"]
        assert hippograph.index(reembed=True, read=False).layers is None


def test_what_an_interrupted_run_left_is_embedded_by_the_next(folder):
    with opened(folder, OTHER) as hippograph:
        former = layers_of(hippograph)
        with hippograph.parts.place.session() as session:
            ended = Allowance(Budget(), stop=lambda: True)
            told = reembed_layers(session, embedder=OTHER, allowance=ended)
        assert told is not None
        assert (told.stopped, told.published, told.usage.items) == ("interrupted", False, 0)
        assert layers_of(hippograph).manifest == former.manifest
        assert hippograph.index(reembed=True, read=False).layers is not None
        with pytest.raises(IndexMismatchError, match="hippograph reembed"), opened(folder, HashingEmbedder()) as other:
            other.parts.layers()


def test_layers_left_behind_by_a_crash_are_told_how_to_mend(folder, monkeypatch):
    with opened(folder, OTHER) as hippograph:
        with monkeypatch.context() as patch:
            patch.setattr("hippograph.index.layers.reembed_layers", lambda *_, **__: None)
            hippograph.index(reembed=True, read=False)
        with pytest.raises(IndexMismatchError, match="hippograph reembed"):
            hippograph.parts.layers()
        hippograph.index(reembed=True, read=False)
        assert set(hippograph.parts.layers()) == {"semantic", "episodic"}
