"""Readers by name: their own sampling, what is refused, and the layers that they share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hippograph.completions import ModelRequest, Sampling, SamplingChoice
from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.layers import LayerRetriever
from hippograph.store import index_directory
from hippograph.store.layers import Layers, open_layers
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.testing.toy_corpus import toy_passages

QUESTION = "Where does the Fram lie?"
REPLY = (
    '{"answer": "Oslo", "support": [1], "sufficient": true, "probes": [], "queries": [], "note": "It lies in Oslo.", '
    '"done": true, "thought": "So the answer is: Oslo", "memory": "Oslo", "passages": [1], "sentences": []}'
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HippoGraph]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    with opened(tmp_path) as hippograph:
        hippograph.index(toy_passages()[:12], layers=True)
        yield hippograph


def opened(folder: Path, asked: list[ModelRequest] | None = None) -> HippoGraph:
    def answer(request: ModelRequest) -> str:
        if asked is not None:
            asked.append(request)
        return REPLY

    return HippoGraph(
        folder / "it.hippo",
        extractor=CapitalsExtractor(),
        embedder=HashingEmbedder(),
        language_model=ScriptedModel(answers=answer),
        cross_encoder=None,
    )


@pytest.mark.parametrize(
    ("reader", "tokens"), [("single", 512), ("ircot", 512), ("amber", 512), ("notes", 1280), ("memory", 1500)]
)
def test_only_what_was_chosen_is_laid_over_the_readers_own_sampling(index, tmp_path, reader, tokens):
    asked: list[ModelRequest] = []
    with opened(tmp_path, asked) as hippograph:
        for given, expected in (
            (None, Sampling(max_tokens=tokens)),
            (SamplingChoice(), Sampling(max_tokens=tokens)),
            (SamplingChoice(temperature=0.5, seed=3), Sampling(max_tokens=tokens, temperature=0.5, seed=3)),
            (SamplingChoice(max_tokens=99), Sampling(max_tokens=99)),
            (Sampling(top_p=0.5), Sampling(top_p=0.5)),
        ):
            asked.clear()
            hippograph.ask(QUESTION, reader=reader, sampling=given)
            found = {request.sampling for request in asked}
            # Good answers that are known are not asked for again: nothing chosen is the same as nothing said.
            assert found == {expected} or (given == SamplingChoice() and not found)


def test_a_reader_made_by_hand_takes_no_retriever(index):
    reader = index.parts.reader("single")
    for retriever in ("nonsense", "dense", index.parts.retriever("dense")):
        with pytest.raises(InputError, match="settings of its own"):
            index.ask(QUESTION, reader=reader, retriever=retriever)
    assert index.ask(QUESTION, reader=reader, retriever="default").text == "Oslo"


@pytest.mark.parametrize("name", ["", ":clue", "memoryless"])
def test_no_name_is_a_wrong_name(index, name):
    with pytest.raises(InputError, match="there is no reader"):
        index.ask(QUESTION, reader=name)


def test_layers_are_opened_and_checked_once(index, tmp_path, monkeypatch):
    opens: list[Layers] = []
    checks: list[Snapshot] = []

    def opening(path: Path) -> Layers | None:
        found = open_layers(path)
        assert found is not None
        opens.append(found)
        return found

    check = Layers._look_for

    def checking(self: Layers, held: Snapshot) -> object:
        checks.append(held)
        return check(self, held)

    monkeypatch.setattr(index_directory, "open_layers", opening)
    monkeypatch.setattr(Layers, "_look_for", checking)
    with opened(tmp_path) as hippograph:
        for question in (QUESTION, "Who built the Fram?", "Who lives in Oslo?"):
            summaries = [step for step in hippograph.ask(question, reader="memory").steps if "semantic" in step.reason]
            assert summaries
        assert (len(opens), len(checks)) == (1, 1)
        hippograph.parts.reader("memory", filter='not id = "none"')
        # Another process publishes others: they are seen at once.
        with opened(tmp_path) as other:
            other.index([replace(toy_passages()[20], text="The Fram lies in Bergen.")], layers=True)
        count = len(opens)
        layers = hippograph.parts.layers()
        assert len(opens) == count + 1
        assert isinstance(layers["semantic"], LayerRetriever)
        assert layers["semantic"].layers.manifest.generation == 2
        # Nor is a former one kept from going when this one changes the index.
        hippograph.index(layers=False)
        assert hippograph.parts.layers() == {}


def test_a_deletion_leaves_no_summary_on_the_disk(index):
    assert index.ask(QUESTION, reader="memory").text == "Oslo"
    index.delete([index.parts.snapshot.passages.documents[0]])
    assert len([path for path in (index.directory / "layers").iterdir() if path.is_dir()]) == 1
