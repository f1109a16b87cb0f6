import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from hippograph.errors import InputError, MissingExtraError, ModelError
from hippograph.index import spacy_extractor, spacy_processes
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.index.spacy_processes import read_in_processes
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
from hippograph.testing.contracts import check_extractor
from hippograph.types import Extraction, Passage

PASSAGES = [
    Passage(id=str(n), document=str(n), title=title, text=text)
    for n, (title, text) in enumerate(
        [
            ("Marie Curie", "She was born in Warsaw and did not leave Paris."),
            ("", ""),
            ("居里夫人", "居里夫人著有《放射性》。"),
            ("Jaws (film)", "The film was directed by Steven Spielberg. \ud83d"),
            ("", "Oslo's University, founded in 1811, is in Norway; C++ & AT&T."),
        ]
        * 3
    )
]


@pytest.fixture(scope="module", name="extractor")
def default_extractor() -> SpacyExtractor:
    return SpacyExtractor()


def test_keeps_the_contract(extractor):
    check_extractor(extractor)


def test_statuses(extractor):
    found = list(extractor.extract(PASSAGES[:2]))
    assert [(passage, extraction.status) for passage, extraction in found] == list(
        zip(PASSAGES[:2], ["done", "empty"], strict=True)
    )
    assert ("Marie Curie", "did not leave", "Paris") in found[0][1].triples


def test_workers_give_what_this_process_gives(extractor, monkeypatch):
    here = list(extractor.extract(PASSAGES))
    monkeypatch.setattr(spacy_extractor, "_FEW", 0)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert list(SpacyExtractor(processes=2, batch_size=2).extract(PASSAGES)) == here
    assert list(SpacyExtractor(processes=1, batch_size=4).extract(PASSAGES)) == here


def test_it_streams(extractor):
    found = extractor.extract(PASSAGES)
    assert next(found)[1].status == "done"
    found.close()


@pytest.mark.usefixtures("fake_worker")
def test_it_draws_no_more_passages_than_it_works_on(monkeypatch):
    monkeypatch.setattr(spacy_extractor, "_FEW", 3)
    drawn: list[str] = []

    def passages() -> Iterator[Passage]:
        for passage in PASSAGES:
            drawn.append(passage.id)
            yield passage

    for processes, most in ((1, 2), (2, 8)):
        drawn.clear()
        found = SpacyExtractor(processes=processes, batch_size=2).extract(passages())
        next(found)
        assert len(drawn) <= most
        del found


def test_threads_may_share_it(extractor):
    results: list[list[tuple[Passage, Extraction]]] = []
    threads = [threading.Thread(target=lambda: results.append(list(extractor.extract(PASSAGES)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(extractor.extract(PASSAGES))] * 3


def test_a_passage_the_pipeline_fails_on_is_recorded_and_the_others_go_on():
    pipeline = load_pipeline(find_pipeline())
    pipeline.max_length = 100
    extractor = SpacyExtractor()
    extractor.__dict__["_loaded"] = pipeline
    passages = [PASSAGES[0], Passage(id="long", document="long", text="long " * 100), PASSAGES[0]]
    first, failed, last = (extraction for _, extraction in extractor.extract(passages))
    assert failed.status == "failed"
    assert "E088" in failed.error
    assert first == last
    assert first.status == "done"


def test_what_changes_the_extractions_changes_the_fingerprint(extractor, monkeypatch):
    plain = extractor.fingerprint
    assert "3.8" in plain
    assert SpacyExtractor(processes=3, batch_size=7).fingerprint == plain
    assert SpacyExtractor(dates=True).fingerprint != plain
    monkeypatch.setattr(spacy_extractor, "RULES_VERSION", "next")
    assert SpacyExtractor().fingerprint != plain


def test_missing_spacy(monkeypatch):
    monkeypatch.setattr(spacy_extractor, "packaged_folder", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"spacy is not installed; type: pip install 'hippograph\[local\]'"):
        list(SpacyExtractor().extract(PASSAGES))


def test_missing_pipeline(monkeypatch):
    with pytest.raises(ModelError, match="'no_such_pipeline'"):
        list(SpacyExtractor(pipeline="no_such_pipeline").extract(PASSAGES))
    monkeypatch.setattr(spacy_extractor, "_FEW", 0)
    with pytest.raises(ModelError, match="'no_such_pipeline'"):
        list(SpacyExtractor(pipeline="no_such_pipeline", processes=2, batch_size=2).extract(PASSAGES))


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"batch_size": 0}])
def test_unusable_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SpacyExtractor(**wrong)


FAKE = """
import json, os, sys, time
setup = json.loads(sys.stdin.readline())
if setup.get("silent"): sys.exit("no such thing")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    batch = json.loads(line)
    if any(text == "slow" for _, text in batch): time.sleep(60)
    if any(text == "deadly" for _, text in batch): sys.exit("killed by a passage")
    print(json.dumps([["done", [text], [], ""] for _, text in batch]), flush=True)
"""


@pytest.fixture(name="fake_worker")
def a_worker_that_dies_of_some_passages(monkeypatch):
    monkeypatch.setattr(spacy_processes, "_PROGRAM", FAKE)


@pytest.mark.usefixtures("fake_worker")
@pytest.mark.parametrize("size", [1, 2])
def test_a_worker_that_dies_costs_one_passage(size):
    texts = ["a", "b", "deadly", "c", "d", "e", "deadly"]
    batches = [[("", text) for text in texts[start : start + 3]] for start in range(0, len(texts), 3)]
    found = [extraction for batch in read_in_processes(batches, size=size, setup={}) for extraction in batch]
    assert [extraction.status for extraction in found] == ["failed" if t == "deadly" else "done" for t in texts]
    assert found[2].error == "the extraction worker ended with code 1: killed by a passage"
    assert [extraction.entities for extraction in found[3:6]] == [("c",), ("d",), ("e",)]


@pytest.mark.usefixtures("fake_worker")
def test_a_worker_that_does_not_start():
    with pytest.raises(ModelError, match=r"did not start: .*no such thing; set processes=1"):
        list(read_in_processes([[("", "a")]], size=1, setup={"silent": True}))


@pytest.mark.usefixtures("fake_worker")
def test_leaving_early_ends_the_workers():
    batches = [[("", "a")]] + [[("", "slow")]] * 5
    found = read_in_processes(batches, size=2, setup={})
    assert next(found)[0].status == "done"
    found.close()  # would wait for a minute if the workers were not ended


def test_a_plain_script_may_use_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from hippograph.index import spacy_extractor, spacy_processes\n"
        "from hippograph.types import Passage\n"
        f"spacy_extractor._FEW, spacy_processes._PROGRAM = 0, {FAKE!r}\n"
        "passages = [Passage(id=str(n), document='d', text=str(n)) for n in range(4)]\n"
        "found = spacy_extractor.SpacyExtractor(processes=2, batch_size=1).extract(passages)\n"
        "print([extraction.entities for _, extraction in found])\n"
    )
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[('0',), ('1',), ('2',), ('3',)]\n", "")
